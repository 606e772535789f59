//! Services that are absent, go away, hang, or answer with errors.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_response::Code,
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::bench::run::{Endless, assert_adds_up, bench, number};
use testkit::{eventually, http::Client, ports::free_port, process::Tollgate};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// Waits until the service has answered this many more requests.
async fn served(tollgate: &Tollgate, more: u64) {
    let metrics = tollgate.address("metrics");
    let total = async || {
        let page = Client::new().get(metrics, "/metrics").await.body;
        let line = page.lines().find(|line| line.starts_with("ratelimit_service_total_requests{"))?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    // all connections: on a busy machine the first may be answered long before the last is made
    eventually("connections", async || {
        let page = Client::new().get(metrics, "/metrics").await.body;
        page.lines().any(|line| line == "tollgate_connections 8").then_some(())
    })
    .await;
    let before = total().await.unwrap_or(0);
    eventually("requests", async || total().await.filter(|total| *total >= before + more)).await;
}

#[test]
fn an_unreachable_address_is_reported_with_advice() {
    for json in [&[][..], &["--json"]] {
        let ran = bench(&[&["127.0.0.1:1", "d", "k=v"], json].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        for part in ["cannot reach 127.0.0.1:1", "refused", "is the service running", "gRPC port"] {
            assert!(ran.stderr.contains(part), "no '{part}' in {}", ran.stderr);
        }
    }
    let ran = bench(&["unix:/no/such/socket", "d", "k=v"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("unix:/no/such/socket"), "{}", ran.stderr);
}

#[test]
fn another_protocol_at_the_address_is_reported_as_such() {
    let tollgate = testkit::tollgate!(RULES);
    let ran = bench(&[&tollgate.address("http").to_string(), "d", "k=v"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("closed the connection before it greeted"), "{}", ran.stderr);

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let ran = bench(&[&silent.local_addr().expect("an address").to_string(), "d", "k=v"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("has not greeted"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_and_returns_is_measured_again() {
    for loops in [&[][..], &["--rate", "1000"]] {
        // held, so that the port stays free for the restarted service, and no client connects to itself meanwhile
        let port = free_port().to_string();
        let mut tollgate = testkit::tollgate!().rules(RULES).env("GRPC_PORT", &port).start();
        let address = tollgate.address("grpc").to_string();
        let timeout = ["--timeout", "120s"];
        let loops = &[loops, &timeout].concat()[..];
        let run = Endless::start(&[&[&address, "d", "k=v", "--json", "--warm-up", "0s"], loops].concat());
        served(&tollgate, 100).await;
        tollgate.kill();
        let again = testkit::tollgate!().rules(RULES).env("GRPC_PORT", &port).start();
        served(&again, 100).await;
        let ran = run.interrupt();
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let json = ran.json();
        assert_adds_up(&json);
        let lost = number(&json["errors"]["connection lost"], "count");
        assert!((1..=8 * 32).contains(&lost), "{json:#}");
        assert!(number(&json, "ok") >= 200, "{json:#}");
        let connections = &json["connections"];
        assert_eq!(number(connections, "lost"), 8, "{json:#}");
        assert!(number(connections, "opened") > 8, "{json:#}");
        assert_eq!(json["stopped"], true);
        if loops == timeout {
            assert_eq!(number(&json, "failed"), lost, "what a closed loop does not send, it does not fail: {json:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_due_during_an_outage_are_counted() {
    let mut tollgate = testkit::tollgate!().rules(RULES).start();
    let address = tollgate.address("grpc").to_string();
    let run =
        Endless::start(&[&address, "d", "k=v", "--json", "--warm-up", "0s", "--rate", "500", "--timeout", "200ms"]);
    served(&tollgate, 100).await;
    tollgate.kill();
    // an outage: requests due in its first part are too late at its end
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let json = run.interrupt().json();
    assert_adds_up(&json);
    assert!(number(&json["errors"]["not sent in time"], "count") >= 100, "{json:#}");
    assert!(number(&json["connections"], "refused") > 0, "{json:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_age_out_fail_no_request() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "1s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "2m")
        .start();
    let address = tollgate.address("grpc").to_string();
    let run = Endless::start(&[&address, "d", "k=v", "--json", "-c", "4", "-m", "4", "--warm-up", "0s"]);
    let metrics = tollgate.address("metrics");
    eventually("connections that age out", async || {
        let page = Client::new().get(metrics, "/metrics").await.body;
        let line = page.lines().find(|line| line.starts_with("tollgate_connections_aged_out_total"))?;
        line.rsplit(' ').next()?.parse::<u64>().ok().filter(|aged| *aged >= 8)
    })
    .await;
    let ran = run.interrupt();
    let json = ran.json();
    assert_adds_up(&json);
    assert_eq!((ran.code, number(&json, "failed")), (Some(0), 0), "{json:#}");
    assert!(number(&json["connections"], "retired") >= 4, "{json:#}");
    assert_eq!(number(&json["connections"], "lost"), 0, "{json:#}");
}

/// Of each ten requests, one hangs, two fail, and one has an unknown code.
#[derive(Clone, Default)]
struct Odd(Arc<AtomicU64>);

#[tonic::async_trait]
impl RateLimitService for Odd {
    async fn should_rate_limit(&self, _: Request<RateLimitRequest>) -> Result<Response<RateLimitResponse>, Status> {
        let code = match self.0.fetch_add(1, Relaxed) % 10 {
            0 => return std::future::pending().await,
            1 => return Err(Status::unavailable("redis is away, 100%")),
            2 => return Err(Status::resource_exhausted("")),
            3 => Code::Unknown,
            4 => Code::OverLimit,
            _ => Code::Ok,
        };
        Ok(Response::new(RateLimitResponse { overall_code: code.into(), ..RateLimitResponse::default() }))
    }
}

async fn odd_service() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder()
        .max_concurrent_streams(16)
        .add_service(RateLimitServiceServer::new(Odd::default()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_error_is_counted_separately() {
    let address = odd_service().await.to_string();
    let run = move |args: &[&str]| {
        let asked = [&address, "d", "k=v", "--requests", "500", "--warm-up", "0s", "--timeout", "10s"];
        bench(&[&asked[..], args].concat())
    };
    let (json, text) = thread::spawn(move || (run(&["--json"]), run(&[]))).join().expect("no panic");
    assert_eq!((json.code, text.code), (Some(1), Some(1)), "{}", json.stderr);
    let json = json.json();
    assert_adds_up(&json);
    assert_eq!([number(&json, "ok"), number(&json, "over_limit"), number(&json, "unknown")], [250, 50, 50], "{json:#}");
    let error = |kind: &str| (number(&json["errors"][kind], "count"), json["errors"][kind]["example"].clone());
    assert_eq!(error("timed out"), (50, "".into()), "{json:#}");
    assert_eq!(error("gRPC UNAVAILABLE"), (50, "redis is away, 100%".into()));
    assert_eq!(error("gRPC RESOURCE_EXHAUSTED"), (50, "".into()));
    // on a busy machine there is a note about the generator too
    let notes = json["notes"].as_array().expect("notes").iter().map(|note| note.as_str().expect("text"));
    let notes: Vec<_> = notes.filter(|note| !note.starts_with("making the load took")).collect();
    assert_eq!(notes, ["the server allows 16 streams a connection, so no more were used than that"]);
    for line in [
        "requests  500: 250 OK, 50 over the limit, 50 neither",
        "errors    150",
        "          50 × gRPC UNAVAILABLE, such as \"redis is away, 100%\"",
    ] {
        assert!(text.stdout.lines().any(|one| one == line), "no {line:?} in\n{}", text.stdout);
    }
}

#[test]
fn invalid_arguments_are_rejected_with_advice() {
    for (args, message) in [
        (&["nowhere", "d", "k=v"][..], "write host:port or unix:/path"),
        (&["https://host:1", "d", "k=v"], "TLS cannot be measured yet"),
        (&["host:1", "d"], "KEY=VALUE"),
        (&["host:1", "d", "k"], "write key=value"),
        (&["host:1", "d", "k={}", "--keys", "uniform:0"], "write hot, uniform:N or zipf:N:EXPONENT"),
        (&["host:1", "d", "k=v", "--keys", "uniform:9"], "no value has a \"{}\""),
        (&["host:1", "d", "k=v", "--duration", "soon"], "write a time such as 10s"),
        (&["host:1", "d", "k=v", "--duration", "1s", "--requests", "5"], "cannot be used with"),
        (&["host:1", "d", "k=v", "--denied", "k=w"], "--denied-share"),
        (&["host:1", "d", "k=v", "--rate", "0"], "--rate"),
    ] {
        let ran = bench(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{args:?}: no {message:?} in {}", ran.stderr);
    }
}
