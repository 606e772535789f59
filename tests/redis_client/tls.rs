//! Connections that are secured, with certificates made for the test.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use tollgate::{
    store::redis::{Address, CallError, Connector, Endpoint, Script, Topology},
    tls::{ClientFiles, Identity},
};

use crate::{
    calls::{connected, endpoint, local, look},
    certificates::certificates,
    server::{Redis, free_port, until},
};

/// A server with TLS only, which wants a certificate of its clients or not, and its endpoint.
fn start(certificates: &TempDir, clients: &str) -> (Redis, Endpoint) {
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let (certificate, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let tls_port = free_port();
    let port = tls_port.to_string();
    let redis = Redis::start(&[
        "--port",
        "0",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        clients,
        "--loglevel",
        "verbose",
    ]);
    let mut endpoint = endpoint(Topology::Single(Address::Tcp(local(tls_port))));
    endpoint.tls = Some(ClientFiles { ca: Some(path("ca.crt").into()), identity: None, verify_hostname: true });
    (redis, endpoint)
}

fn tls(endpoint: &mut Endpoint) -> &mut ClientFiles {
    endpoint.tls.as_mut().expect("some")
}

/// Waits until attempts to connect have failed on the server's side too; none succeeds.
async fn refused(redis: &Redis, endpoint: &Endpoint) {
    let attempts = || {
        let log = fs::read_to_string(redis.directory.path().join("log")).expect("a log");
        log.matches("Error accepting a client connection").count()
    };
    let before = attempts();
    let connector = Connector::new(endpoint).expect("a connector");
    let client = connector.connect();
    until("attempts", || attempts() >= before + 3).await;
    assert_eq!(connector.opened_connections(), 0);
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
}

#[tokio::test]
async fn the_chain_and_the_name_are_verified() {
    let certificates = certificates("IP:127.0.0.1");
    let (redis, mut endpoint) = start(&certificates, "no");
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
    tls(&mut endpoint).ca = Some(certificates.path().join("other.crt"));
    refused(&redis, &endpoint).await;
    tls(&mut endpoint).verify_hostname = false;
    refused(&redis, &endpoint).await;
}

#[tokio::test]
async fn only_the_name_may_be_let_pass() {
    let certificates = certificates("DNS:elsewhere.example");
    let (redis, mut endpoint) = start(&certificates, "no");
    refused(&redis, &endpoint).await;
    tls(&mut endpoint).verify_hostname = false;
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn a_server_may_want_our_certificate() {
    let certificates = certificates("IP:127.0.0.1");
    let (redis, mut endpoint) = start(&certificates, "yes");
    refused(&redis, &endpoint).await;
    let path = |name: &str| -> PathBuf { certificates.path().join(name) };
    tls(&mut endpoint).identity = Some(Identity { certificate: path("client.crt"), key: path("client.key") });
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let certificates = certificates("IP:127.0.0.1");
    let path = |name: &str| -> PathBuf { certificates.path().join(name) };
    fs::write(path("empty"), "").expect("a file");
    fs::write(path("broken"), "-----BEGIN CERTIFICATE-----\n!secret!\n-----END CERTIFICATE-----\n").expect("a file");
    let mut endpoint = endpoint(Topology::Cluster(vec![]));
    endpoint.tls = Some(ClientFiles { ca: None, identity: None, verify_hostname: true });
    let mut error = |ca: &str, certificate: &str, key: &str| {
        *tls(&mut endpoint) = ClientFiles {
            ca: Some(path(ca)),
            identity: Some(Identity { certificate: path(certificate), key: path(key) }),
            verify_hostname: true,
        };
        Connector::new(&endpoint).expect_err("a fault").to_string()
    };
    for (ca, certificate, key, file, reason) in [
        ("missing", "client.crt", "client.key", "missing", "No such file"),
        ("empty", "client.crt", "client.key", "empty", "it is empty"),
        ("broken", "client.crt", "client.key", "broken", "no valid PEM"),
        ("ca.crt", "client.key", "client.key", "client.key", "it has none"),
        ("ca.crt", "client.crt", "client.crt", "client.crt", "it has none"),
        ("ca.crt", "client.crt", "server.key", "server.key", "belong together"),
    ] {
        let text = error(ca, certificate, key);
        let file = path(file).display().to_string();
        assert!(text.contains(&file) && text.contains(reason) && !text.contains("!secret!"), "{text}");
    }
}
