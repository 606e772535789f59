//! `tollgate check` over TLS.

use std::{fs, process::Command};

use crate::tls::service::mutual;
use testkit::{
    certificates::Authority,
    tls::{client::SERVER, secret::Secret},
};

#[tokio::test]
async fn check_presents_and_requires_certificates() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let secret = Secret::of(&servers.certificate(&format!("DNS:{SERVER}")), &clients.pem.certificate);
    let client = clients.certificate("DNS:envoy.example");
    for (name, content) in
        [("servers.crt", &servers.pem.certificate), ("client.crt", &client.certificate), ("client.key", &client.key)]
    {
        fs::write(secret.path(name), content).expect("a file");
    }
    let tollgate = mutual(&secret).start();
    let check = |options: &str| {
        let options = options.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(file) => secret.path(file).into_os_string(),
            None => word.into(),
        });
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["check", &tollgate.address("grpc").to_string(), "d", "k=v"])
            .args(options)
            .output()
            .expect("it runs");
        let printed = [output.stdout, output.stderr].map(|printed| String::from_utf8(printed).expect("UTF-8")).concat();
        (output.status.code(), printed)
    };
    let good = "--ca @servers.crt --cert @client.crt --key @client.key --server-name tollgate.example";
    let (code, printed) = check(good);
    assert!(code == Some(0) && printed.starts_with("OK\n"), "{printed}");
    for (options, expected, cure) in [
        ("", "", "it speaks TLS: add --tls"),
        ("--tls", "invalid peer certificate: UnknownIssuer", "name the CA's file with --ca"),
        ("--ca @servers.crt", "certificate not valid for name \"127.0.0.1\"", "give that name with --server-name"),
        (
            "--ca @servers.crt --server-name tollgate.example",
            "CertificateRequired",
            "present one with --cert and --key",
        ),
        (
            "--ca @servers.crt --server-name tollgate.example --cert @servers.crt --key @client.key",
            "servers.crt",
            "--cert, --key",
        ),
        ("--ca @absent --server-name tollgate.example", "absent: No such file", "--ca"),
    ] {
        let (code, printed) = check(options);
        assert!(code == Some(2) && printed.contains(expected) && printed.contains(cure), "{options}: {printed}");
    }
}
