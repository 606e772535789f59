//! What is reported at the start about files that cannot be used.

use std::fs;

use crate::tls::service::mutual;
use testkit::{
    certificates::{Authority, Leaf},
    tls::secret::Secret,
};

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let ca = Authority::new("ca");
    let server = ca.certificate("DNS:a");
    let expired = ca.issue(Leaf { names: "DNS:a", since_days: 9, days: 2 });
    let broken = server.certificate.replace('M', "!");
    let half = &server.certificate[..300];
    let secret = Secret::new(&[
        ("tls.crt", &server.certificate),
        ("tls.key", &server.key),
        ("ca.crt", &ca.pem.certificate),
        ("empty", " \n"),
        ("text", "no PEM at all"),
        ("broken", &broken),
        ("half", half),
        ("other.key", &ca.pem.key),
        ("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("expired.crt", &expired.certificate),
        ("expired.key", &expired.key),
    ]);
    fs::create_dir(secret.path("directory")).expect("a directory");
    let (cert, key, ca) = ("tls.crt", "tls.key", "ca.crt");
    for ([certificate, key, ca], named, reason) in [
        (["missing", key, ca], "missing", "No such file"),
        (["directory", key, ca], "directory", "not a regular file"),
        (["empty", key, ca], "empty", "it is empty"),
        (["text", key, ca], "text", "it has none"),
        (["tls.key", key, ca], "tls.key", "it has none"),
        (["broken", key, ca], "broken", "not valid PEM"),
        (["half", key, ca], "half", "in the middle of a section"),
        ([cert, "missing", ca], "missing", "No such file"),
        ([cert, "tls.crt", ca], "tls.crt", "it has none"),
        ([cert, "encrypted.key", ca], "encrypted.key", "it is encrypted"),
        ([cert, "other.key", ca], "other.key", "belong together"),
        ([cert, key, "missing"], "missing", "No such file"),
        ([cert, key, "text"], "text", "it has none"),
        (["expired.crt", "expired.key", ca], "expired.crt", "expired on 20"),
    ] {
        let mut tollgate = mutual(&secret)
            .env("GRPC_SERVER_TLS_CERT", secret.path(certificate))
            .env("GRPC_SERVER_TLS_KEY", secret.path(key))
            .env("GRPC_CLIENT_TLS_CACERT", secret.path(ca))
            .spawn();
        assert_eq!(tollgate.exit().code(), Some(1), "{reason}");
        let logged = tollgate.wait_for_log(reason);
        assert!(
            logged.contains("\"@message\":\"grpc listener: ") && logged.contains("GRPC_SERVER_TLS_CERT"),
            "{logged}"
        );
        assert!(logged.contains(secret.path(named).to_str().expect("UTF-8")), "{logged}");
        assert!(tollgate.logged("listening").is_empty(), "nothing listens before: {:?}", tollgate.log());
    }
}

#[test]
fn the_page_s_files_are_named_by_their_variables() {
    for (certificate, key) in [("HTTP_TLS_CERT", "HTTP_TLS_KEY"), ("PROMETHEUS_TLS_CERT", "PROMETHEUS_TLS_KEY")] {
        let mut tollgate = testkit::tollgate!().env(certificate, "/absent").env(key, "/absent").spawn();
        assert_eq!(tollgate.exit().code(), Some(1));
        let logged = tollgate.wait_for_log("/absent");
        assert!(logged.contains(certificate) && logged.contains(key), "{logged}");
    }
}
