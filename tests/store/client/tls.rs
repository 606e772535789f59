//! TLS connections, with certificates made for the test.

use std::{fs, path::PathBuf};

use redis::{Address, Call, CallError, Caller as _, Connector, Credentials, Endpoint, Script, Topology};
use tempfile::TempDir;
use tls::{ClientFiles, Identity};

use crate::client::calls::{self, connected, local, look};
use testkit::{certificates::certificates, ports::free_port, redis::Redis, until};

/// The arguments of a server with TLS only, and whether it requires a client certificate.
fn arguments(certificates: &TempDir, port: u16, clients: &str) -> Vec<String> {
    let path = |name: &str| certificates.path().join(name).display().to_string();
    let (certificate, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let port = port.to_string();
    [
        ["--port", "0"],
        ["--tls-port", &port],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &ca],
        ["--tls-auth-clients", clients],
        ["--tls-replication", "yes"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect()
}

/// A server with TLS only, with these arguments before and after the TLS ones.
fn running(certificates: &TempDir, clients: &str, more: [&[&str]; 2], directory: impl Fn() -> TempDir) -> Redis {
    for _ in 0..20 {
        let port = free_port();
        let secured = arguments(certificates, port, clients);
        let secured: Vec<_> = secured.iter().map(String::as_str).collect();
        if let Some(redis) = Redis::try_start(directory(), port, &[more[0], &secured, more[1]].concat()) {
            return redis;
        }
    }
    panic!("redis-server does not start with TLS");
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn endpoint(certificates: &TempDir, topology: Topology) -> Endpoint {
    let ca = Some(certificates.path().join("ca.crt"));
    Endpoint { tls: Some(ClientFiles { ca, identity: None, verify_hostname: true }), ..calls::endpoint(topology) }
}

/// A server with TLS only that may require a client certificate, and its endpoint.
fn start(certificates: &TempDir, clients: &str) -> (Redis, Endpoint) {
    let redis = running(certificates, clients, [&[], &["--loglevel", "verbose"]], directory);
    let endpoint = endpoint(certificates, Topology::Single(Address::Tcp(local(redis.port))));
    (redis, endpoint)
}

fn tls(endpoint: &mut Endpoint) -> &mut ClientFiles {
    endpoint.tls.as_mut().expect("some")
}

/// Waits until connection attempts have failed on the server's side too; none must succeed.
async fn rejected(redis: &Redis, endpoint: &Endpoint) {
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
    rejected(&redis, &endpoint).await;
    tls(&mut endpoint).verify_hostname = false;
    rejected(&redis, &endpoint).await;
}

#[tokio::test]
async fn only_the_verification_of_the_name_can_be_disabled() {
    let certificates = certificates("DNS:elsewhere.example");
    let (redis, mut endpoint) = start(&certificates, "no");
    rejected(&redis, &endpoint).await;
    tls(&mut endpoint).verify_hostname = false;
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn a_server_can_require_our_certificate() {
    let certificates = certificates("IP:127.0.0.1");
    let (redis, mut endpoint) = start(&certificates, "yes");
    rejected(&redis, &endpoint).await;
    let path = |name: &str| -> PathBuf { certificates.path().join(name) };
    tls(&mut endpoint).identity = Some(Identity { certificate: path("client.crt"), key: path("client.key") });
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn sentinels_and_their_primary() {
    let certificates = certificates("IP:127.0.0.1");
    let (redis, _) = start(&certificates, "no");
    let sentinel = running(&certificates, "no", [&["--sentinel"], &[]], || {
        let directory = directory();
        let text = format!("sentinel monitor gate 127.0.0.1 {} 1\n", redis.port);
        fs::write(directory.path().join("sentinel.conf"), text).expect("a file");
        directory
    });
    let (master, credentials) = ("gate".to_owned(), Credentials::None);
    let sentinels = Topology::Sentinel { master, sentinels: vec![local(sentinel.port)], credentials };
    let client = connected(&endpoint(&certificates, sentinels)).await;
    let before = redis.calls("eval");
    look(&client, Script::Text).await.expect("a reply");
    assert_eq!(redis.calls("eval"), before + 1);
}

#[tokio::test]
async fn the_nodes_of_a_cluster() {
    const CLUSTER: [&str; 6] =
        ["--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
    let certificates = certificates("IP:127.0.0.1");
    let start = || running(&certificates, "no", [&[], &CLUSTER], directory);
    let (one, other) = (start(), start());
    one.cli(&["CLUSTER", "ADDSLOTS", "0"]);
    other.cli(&["CLUSTER", "ADDSLOTS", "1"]);
    one.cli(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()]);
    let is_up = |node: &Redis| node.cli(&["CLUSTER", "INFO"]).contains("cluster_slots_ok:2");
    until("each knows the other", || is_up(&one) && is_up(&other)).await;
    let client =
        Connector::new(&endpoint(&certificates, Topology::Cluster(vec![local(one.port)]))).expect("a connector");
    let client = client.connect();
    until("connected", || client.open_connections() == 2).await;
    let before = [&one, &other].map(|node| node.calls("eval"));
    for slot in [0, 1] {
        let call = Call::of_nothing();
        client.call(Some(slot), Script::Text, &call).await.expect("a reply");
    }
    assert_eq!([&one, &other].map(|node| node.calls("eval")), before.map(|calls| calls + 1));
}

#[tokio::test]
async fn unusable_files_are_named() {
    let certificates = certificates("IP:127.0.0.1");
    let path = |name: &str| -> PathBuf { certificates.path().join(name) };
    fs::write(path("empty"), "").expect("a file");
    fs::write(path("broken"), "-----BEGIN CERTIFICATE-----\n!secret!\n-----END CERTIFICATE-----\n").expect("a file");
    let mut endpoint = endpoint(&certificates, Topology::Cluster(vec![]));
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
        ("broken", "client.crt", "client.key", "broken", "not valid PEM"),
        ("ca.crt", "client.key", "client.key", "client.key", "it has none"),
        ("ca.crt", "client.crt", "client.crt", "client.crt", "it has none"),
        ("ca.crt", "client.crt", "server.key", "server.key", "belong together"),
    ] {
        let text = error(ca, certificate, key);
        let file = path(file).display().to_string();
        assert!(text.contains(&file) && text.contains(reason) && !text.contains("!secret!"), "{text}");
    }
}
