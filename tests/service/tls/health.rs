//! `tollgate health` of a service whose HTTP listener uses TLS.

use std::process::Command;

use testkit::{
    certificates::Authority,
    tls::{client::SERVER, secret::Secret},
};

#[test]
fn health_uses_tls_if_the_environment_says_so() {
    let authority = Authority::new("own");
    let secret = Secret::of(&authority.certificate(&format!("DNS:{SERVER}")), &authority.pem.certificate);
    let files = [("HTTP_TLS_CERT", secret.path("tls.crt")), ("HTTP_TLS_KEY", secret.path("tls.key"))];
    let tollgate = files.iter().fold(testkit::tollgate!(), |builder, (name, path)| builder.env(name, path)).start();
    let address = tollgate.address("http");
    let health = |argument: Option<String>, port: u16| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("health").args(argument).env_clear().envs(files.clone()).env("PORT", port.to_string());
        let output = command.output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    assert_eq!(health(None, address.port()), (Some(0), String::new()));
    assert_eq!(health(Some(format!("https://{address}/livez")), 1), (Some(0), String::new()));
    let (code, printed) = health(Some(address.to_string()), 1);
    assert!(code == Some(1) && printed.contains("https://"), "{printed}");
}
