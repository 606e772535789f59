//! A server that shares no code with ours: Envoy's go-control-plane, which `tests/run.sh` builds.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::service::{self, builder};
use testkit::scrape::{count, until_metric};
use testkit::{
    PATIENCE,
    certificates::certificates,
    http::Client,
    process::{Builder, Tollgate},
    rls::{Rls, client},
};

/// The server's process.
struct GoControlPlane {
    _process: Child,
    commands: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl GoControlPlane {
    async fn start(arguments: &[PathBuf]) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/parts/bin/ads");
        assert!(program.exists(), "{} is missing: run tests/run.sh once, which builds it", program.display());
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let commands = process.stdin.take().expect("piped");
        let mut output = BufReader::new(process.stdout.take().expect("piped")).lines();
        let address = output.next_line().await.expect("output").expect("a line").parse().expect("an address");
        Self { _process: process, commands, output, address }
    }

    /// Sets the node's snapshot.
    async fn set(&mut self, version: &str, resources: &str) {
        let command = format!("{{\"node\":\"n\",\"version\":\"{version}\",\"resources\":{resources}}}\n");
        self.commands.write_all(command.as_bytes()).await.expect("it listens");
    }

    /// The client's next request: version, nonce and error.
    async fn request(&mut self) -> (String, String, String) {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("the client says something");
        let line = line.expect("output").expect("a line");
        let request: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(request["node"], "n");
        let text = |name: &str| request[name].as_str().expect(name).to_owned();
        (text("version"), text("nonce"), text("error"))
    }

    /// Waits for the acknowledgement of a version.
    async fn acknowledged(&mut self, wanted: &str) {
        loop {
            let (version, nonce, error) = self.request().await;
            assert_eq!(error, "", "{version} was refused");
            if version == wanted && !nonce.is_empty() {
                return;
            }
        }
    }
}

fn for_node(ads: SocketAddr) -> Builder {
    builder(ads).env("CONFIG_GRPC_XDS_NODE_ID", "n")
}

/// In domain `d`, `limit` a day for `k`, and one an hour for `m` with the value `x` below it. That module has no unit
/// longer than a day.
fn rules(limit: u32) -> String {
    let inner = "{\"key\":\"l\",\"value\":\"x\",\"rateLimit\":{\"unit\":\"HOUR\",\"requestsPerUnit\":1}}";
    format!(
        "[{{\"name\":\"d\",\"domain\":\"d\",\"descriptors\":[{{\"key\":\"k\",\"rateLimit\":{{\"unit\":\"DAY\",\
         \"requestsPerUnit\":{limit}}}}},{{\"key\":\"m\",\"descriptors\":[{inner}]}}]}}]"
    )
}

fn started(builder: Builder) -> (Tollgate, Rls) {
    let tollgate = builder.spawn();
    let client = client(tollgate.address("grpc"));
    (tollgate, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_control_plane_serves_changes_rejections_and_reconnections() {
    let mut ads = GoControlPlane::start(&[]).await;
    ads.set("1", &rules(5)).await;
    let (tollgate, mut client) = started(for_node(ads.address));
    assert_eq!(ads.request().await, Default::default(), "the first request");
    ads.acknowledged("1").await;
    assert_eq!(service::limit(&mut client).await, Some(5));
    for change in 2..20 {
        ads.set(&change.to_string(), &rules(change)).await;
        ads.acknowledged(&change.to_string()).await;
        assert_eq!(service::limit(&mut client).await, Some(change));
    }

    ads.set("bad", "[{\"name\":\"e\",\"domain\":\"e\",\"descriptors\":[{\"key\":\"\"}]}]").await;
    for _ in 0..3 {
        // it resends a rejected snapshot at once
        let (version, nonce, error) = ads.request().await;
        assert_eq!((version.as_str(), nonce.is_empty()), ("19", false));
        assert_eq!(error, "e: descriptors[0].key: the key is missing or empty: every descriptor needs one");
    }
    assert_eq!(service::limit(&mut client).await, Some(19));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1);
    // one more rejection may be in flight
    ads.set("20", &rules(20)).await;
    while !matches!(ads.request().await, (version, _, error) if version == "20" && error.is_empty()) {}
    assert_eq!(service::limit(&mut client).await, Some(20));
    ads.set("21", "[]").await;
    ads.acknowledged("21").await;
    assert_eq!(service::limit(&mut client).await, None);

    drop(ads);
    tollgate.wait_for_log("cannot connect to the xDS server");
    assert_eq!(count(&tollgate, "tollgate_xds_version_info{version=\"21\"}").await, 1);
    assert_eq!(count(&tollgate, "tollgate_xds_behind").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_control_plane_is_reached_over_mutual_tls_and_its_rules_are_listed() {
    let files = certificates("DNS:envoy-gateway");
    let at = |name: &str| files.path().join(name);
    let arguments = [("-cert", "server.crt"), ("-key", "server.key"), ("-ca", "ca.crt")]
        .map(|(flag, name)| [flag.into(), at(name)]);
    let mut ads = GoControlPlane::start(&arguments.concat()).await;
    ads.set("1", &rules(5)).await;
    let (tollgate, mut client) = started(
        for_node(ads.address)
            .env("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true")
            .env("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", at("ca.crt"))
            .env("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "envoy-gateway")
            .env("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", at("client.crt"))
            .env("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", at("client.key")),
    );
    ads.acknowledged("1").await;
    assert_eq!(service::limit(&mut client).await, Some(5));
    until_metric(&tollgate, "tollgate_xds_connected", 1.0).await;
    let page = Client::new().get(tollgate.address("debug"), "/rlconfig").await.body;
    assert_eq!(
        page.lines().collect::<Vec<_>>(),
        [
            "d.k: unit=DAY requests_per_unit=5, shadow_mode: false, quota_mode: false",
            "d.m.l_x: unit=HOUR requests_per_unit=1, shadow_mode: false, quota_mode: false",
        ]
    );
}
