//! The life of the process: listening, health, draining, signals, log.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use hyper_util::rt::TokioIo;
use serde_json::Value;
use testkit::{
    eventually,
    health::{grpc as health, page},
    http::Client,
    process::Tollgate,
    rls::{Rls, ask, client, never_sent, request},
};
use tokio::task::JoinSet;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
}

async fn call(client: &mut Rls) -> Result<(), tonic::Status> {
    client.should_rate_limit(request("d", &[&[("k", "v")]])).await.map(drop)
}

#[test]
fn signals_end_it_with_success() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut tollgate = testkit::tollgate!(RULES);
        tollgate.signal(signal);
        assert_eq!(tollgate.exit().code(), Some(0), "SIG{signal}");
        let logged = tollgate.wait_for_log("\"stopped\"");
        assert!(logged.contains("\"forced\":0"), "{logged}");
        tollgate.wait_for_log(&format!("\"SIG{signal}\""));
    }
}

/// The outcomes of a load.
#[derive(Default)]
struct Load {
    /// Set before anything that may reject calls.
    ending: AtomicBool,
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    unsent: AtomicU64,
    /// The number of connections made.
    connected: AtomicU64,
}

impl Load {
    /// Calls in sequence on `connections` connections with eight callers each, until stopped, or until a call begun
    /// after `ending` fails.
    /// call that began after `ending` fails.
    fn start(address: SocketAddr, connections: usize) -> (Arc<Self>, JoinSet<()>) {
        let load = Arc::new(Self::default());
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let client = load.client(address);
            for _ in 0..8 {
                callers.spawn(Arc::clone(&load).keep_calling(client.clone()));
            }
        }
        (load, callers)
    }

    /// A client whose connections are counted.
    fn client(self: &Arc<Self>, address: SocketAddr) -> Rls {
        let load = Arc::clone(self);
        let connector = tower::service_fn(move |_| {
            load.connected.fetch_add(1, Ordering::SeqCst);
            async move {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        Rls::new(endpoint.connect_with_connector_lazy(connector))
    }

    async fn keep_calling(self: Arc<Self>, mut client: Rls) {
        while !self.stop.load(Ordering::SeqCst) {
            let begun_before = !self.ending.load(Ordering::SeqCst);
            match call(&mut client).await {
                Ok(()) => self.answered.fetch_add(1, Ordering::SeqCst),
                Err(status) if never_sent(&status) => self.unsent.fetch_add(1, Ordering::SeqCst),
                Err(_) if !begun_before => return,
                Err(status) => {
                    eprintln!("{status:?}");
                    self.failed.fetch_add(1, Ordering::SeqCst)
                }
            };
        }
    }

    async fn answered_more_than(&self, calls: u64) {
        eventually(&format!("{calls} calls"), async || (self.answered.load(Ordering::SeqCst) > calls).then_some(()))
            .await;
    }

    fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (read(&self.answered), read(&self.unsent), read(&self.failed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_under_load_fails_no_call_that_had_begun() {
    let mut tollgate = testkit::tollgate!(RULES);
    let (load, callers) = Load::start(tollgate.address("grpc"), 4);
    load.answered_more_than(500).await;
    load.ending.store(true, Ordering::SeqCst);
    tollgate.signal("TERM");
    callers.join_all().await;
    let (answered, unsent, failed) = load.counts();
    println!("SIGTERM under load: {answered} calls answered, {failed} failed, {unsent} not sent after the GOAWAY");
    assert_eq!(failed, 0, "of {answered}");
    assert_eq!(tollgate.exit().code(), Some(0));
    let logged = tollgate.wait_for_log("\"stopped\"");
    assert!(logged.contains("\"drained\":4") && logged.contains("\"forced\":0"), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_age_out_under_load_and_fail_no_call() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "2s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "2m")
        .start();
    let (load, callers) = Load::start(tollgate.address("grpc"), 6);
    eventually("each connection to be made three times", async || {
        (load.connected.load(Ordering::SeqCst) >= 18).then_some(())
    })
    .await;
    load.answered_more_than(1000).await;
    load.stop.store(true, Ordering::SeqCst);
    callers.join_all().await;
    let (answered, unsent, failed) = load.counts();
    let connected = load.connected.load(Ordering::SeqCst);
    println!(
        "aged out (2 s): {connected} connections, {answered} calls answered, {failed} failed, {unsent} not sent after a GOAWAY"
    );
    assert_eq!(failed, 0, "of {answered}");
    let metrics = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let total = format!("ratelimit_service_total_requests{{grpc_method=\"ShouldRateLimit\"}} {answered}");
    assert!(metrics.lines().any(|line| line == total), "every call that arrived was answered: {total}\n{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_drain_delay_it_is_unready_and_answers_and_a_second_signal_ends_the_delay() {
    let mut tollgate = testkit::tollgate!().rules(RULES).env("DRAIN_DELAY", "1h").start();
    let mut client = client(tollgate.address("grpc"));
    call(&mut client).await.expect("answered");
    assert_eq!(health(&tollgate, "ratelimit").await, Ok(ServingStatus::Serving));
    tollgate.signal("TERM");
    tollgate.wait_for_log("unready from now on");
    eventually("gRPC health", async || {
        (health(&tollgate, "ratelimit").await == Ok(ServingStatus::NotServing)).then_some(())
    })
    .await;
    for (path, code) in [("/healthcheck", 500), ("/readyz", 503)] {
        assert_eq!(page(&tollgate, path).await, (code, "shutting down\n".to_owned()), "{path}");
    }
    assert_eq!(page(&tollgate, "/livez").await.0, 200);
    call(&mut client).await.expect("an old connection is answered");
    call(&mut testkit::rls::client(tollgate.address("grpc"))).await.expect("a new one too");
    drop(client);
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
    tollgate.wait_for_log("the delay is cut short");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_takes_the_place_of_the_grpc_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("grpc.sock");
    let mut tollgate = testkit::tollgate!().rules(RULES).env("GRPC_UDS", &path).spawn();
    tollgate.wait_for_log("\"listener\":\"grpc\"");
    let dialled = path.clone();
    let connector = tower::service_fn(move |_| {
        let path = dialled.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://unix.socket").connect_with_connector(connector).await;
    let mut client = Rls::new(channel.expect("connected"));
    let answer = ask(&mut client, request("d", &[&[("k", "v")]])).await;
    assert_eq!(answer.statuses[0].limit_remaining, 3_999_999_999);
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
    assert!(!path.exists(), "the socket's file is left behind");
}

#[tokio::test]
async fn grpc_health_knows_its_names() {
    let tollgate = testkit::tollgate!(RULES);
    assert_eq!(health(&tollgate, "ratelimit").await, Ok(ServingStatus::Serving));
    assert_eq!(health(&tollgate, "").await, Ok(ServingStatus::Serving));
    assert_eq!(health(&tollgate, "other").await, Err(Code::NotFound));
}

/// With huge pages, a page for each few bytes would be most of the memory of an idle service, and grow without load.
#[test]
fn its_memory_is_in_small_pages() {
    let tollgate = testkit::tollgate!(RULES);
    let status = fs::read_to_string(format!("/proc/{}/status", tollgate.pid())).expect("procfs");
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
    // nor were there any before that line of the log
    let maps = fs::read_to_string(format!("/proc/{}/smaps_rollup", tollgate.pid())).expect("procfs");
    let huge = maps.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).expect("a figure");
    assert_eq!(huge.trim(), "0 kB");
}

/// Each connection is a file, and a shell's soft limit is often 1024.
#[test]
fn it_may_open_as_many_files_as_the_hard_limit_says() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 256 && exec \"$0\" --port 0 --grpc-port 0 --debug-port 0 --metrics-addr 127.0.0.1:0"]);
    command.arg(env!("CARGO_BIN_EXE_tollgate")).env_clear();
    command.envs([("LOG_FORMAT", "json"), ("LOG_LEVEL", "info"), ("BACKEND_TYPE", "memory")]);
    let tollgate = Tollgate::spawn(command);
    tollgate.address("grpc");
    let limits = fs::read_to_string(format!("/proc/{}/limits", tollgate.pid())).expect("procfs");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let [soft, hard, _] = files.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{files}") };
    assert!(soft == hard && soft != "256", "{files}");
}

/// Asks one version of reflection for its list of services.
macro_rules! reflected {
    ($version:ident, $address:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let list = MessageRequest::ListServices(String::new());
        let ask = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut client = ServerReflectionClient::new(channel($address));
        let answers = client.server_reflection_info(tokio_stream::iter([ask])).await.expect("a stream");
        let answer = answers.into_inner().message().await.expect("no error").expect("an answer");
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
        list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_of_its_health_are_notified_of_the_end_and_do_not_delay_it() {
    let mut tollgate = testkit::tollgate!(RULES);
    let mut client = HealthClient::new(channel(tollgate.address("grpc")));
    let mut watches = Vec::new();
    for service in ["ratelimit", ""] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut watch = client.watch(request).await.expect("a stream").into_inner();
        let first = watch.message().await.expect("no error").expect("a status");
        assert_eq!(first.status(), ServingStatus::Serving);
        watches.push(watch);
    }
    tollgate.signal("TERM");
    let last = watches[0].message().await.expect("no error").expect("a status");
    assert_eq!(last.status(), ServingStatus::NotServing);
    for mut watch in watches {
        assert_eq!(watch.message().await.map_err(|status| status.code()), Err(Code::Unavailable));
    }
    assert!(tollgate.exit().success());
    let logged = tollgate.wait_for_log("\"stopped\"");
    assert!(logged.contains("\"forced\":0"), "{logged}");
}

#[tokio::test]
async fn reflection_lists_what_is_served() {
    let tollgate = testkit::tollgate!(RULES);
    let address = tollgate.address("grpc");
    for listed in [reflected!(v1, address), reflected!(v1alpha, address)] {
        for service in ["envoy.service.ratelimit.v3.RateLimitService", "grpc.health.v1.Health"] {
            assert!(listed.iter().any(|name| name == service), "{service} is not in {listed:?}");
        }
    }
}

#[tokio::test]
async fn it_may_require_a_domain_to_be_healthy() {
    let tollgate =
        testkit::tollgate!().rules("domain: [").env("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "true").start();
    let (code, why) = page(&tollgate, "/healthcheck").await;
    assert!(code == 500 && why.contains("no domain is loaded"), "{code} {why}");
    let (code, all) = page(&tollgate, "/readyz").await;
    assert!(code == 503 && all.contains(&why) && all.contains("no rules have been loaded"), "{code} {all}");
    assert_eq!(health(&tollgate, "ratelimit").await, Ok(ServingStatus::NotServing));
    tollgate.write_rules(RULES);
    eventually("health", async || (page(&tollgate, "/healthcheck").await.0 == 200).then_some(())).await;
    eventually("gRPC health", async || {
        (health(&tollgate, "ratelimit").await == Ok(ServingStatus::Serving)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_valid_rules_it_listens_and_each_call_is_unavailable_until_there_are_some() {
    for force in ["true", "false"] {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = folder.path().join("later");
        let tollgate =
            testkit::tollgate!().env("RULES", &rules).env("FORCE_START_WITHOUT_INITIAL_CONFIG", force).start();
        let mut client = client(tollgate.address("grpc"));
        assert_eq!((page(&tollgate, "/healthcheck").await.0, page(&tollgate, "/livez").await.0), (200, 200));
        let (code, why) = page(&tollgate, "/readyz").await;
        assert!(code == 503 && why.contains("no rules have been loaded"), "{code} {why}");
        let refused = call(&mut client).await.expect_err("no rules");
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "no rate limit configuration loaded"));
        tollgate.wait_for_log("rules cannot be read");

        fs::create_dir(&rules).expect("a directory");
        fs::write(rules.join("rules.yaml"), RULES).expect("rules");
        eventually("an answer", async || call(&mut client).await.ok()).await;
        // an empty directory may have been loaded in between
        eventually("the rules", async || {
            let answer = ask(&mut client, request("d", &[&[("k", "v")]])).await;
            answer.statuses[0].current_limit.clone()
        })
        .await;
        assert_eq!(page(&tollgate, "/readyz").await, (200, "OK".to_owned()));
    }
}

#[tokio::test]
async fn the_unspecified_ipv6_host_takes_ipv4_too() {
    let tollgate = testkit::tollgate!().rules(RULES).env("HOST", "::").env("GRPC_HOST", "::").start();
    let (http, grpc) = (tollgate.address("http").port(), tollgate.address("grpc").port());
    let here: [std::net::IpAddr; 2] = ["127.0.0.1".parse().expect("IPv4"), "::1".parse().expect("IPv6")];
    for address in here {
        let page = Client::new().get((address, http).into(), "/healthcheck").await;
        assert_eq!(page.status, 200, "{address}");
        call(&mut client((address, grpc).into())).await.expect("answered");
    }
}

#[test]
fn each_line_of_the_log_is_an_object_with_the_documented_keys() {
    let mut tollgate =
        testkit::tollgate!().rules("domain: [").env("USE_STATSD", "true").env("LOG_LEVEL", "debug").start();
    tollgate.write_rules(RULES);
    tollgate.wait_for_log("rules loaded");
    tollgate.signal("TERM");
    tollgate.exit();
    tollgate.wait_for_log("\"stopped\"");
    let mut levels = Vec::new();
    for line in tollgate.log() {
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let at = event["@timestamp"].as_str().expect("a time");
        humantime::parse_rfc3339(at).expect("RFC 3339");
        assert!(event["@message"].as_str().is_some_and(|message| !message.is_empty()), "{line}");
        levels.push(event["level"].as_str().expect("a level").to_owned());
    }
    for level in ["info", "warning", "error"] {
        assert!(levels.iter().any(|found| found == level), "no {level} in {levels:?}");
    }
    assert!(levels.iter().all(|level| ["debug", "info", "warning", "error"].contains(&level.as_str())), "{levels:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_signal_cuts_off_a_call_that_never_ends() {
    let mut tollgate = testkit::tollgate!().rules(RULES).env("DRAIN_TIMEOUT", "1h").start();
    let address = tollgate.address("grpc");
    let stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let (send, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let call =
        hyper::Request::post(format!("http://{address}/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"))
            .header("content-type", "application/grpc")
            .body(())
            .expect("a valid request");
    let mut send = send.ready().await.expect("the connection is ready");
    // the body is never sent
    let (_answer, _body) = send.send_request(call, false).expect("the call begins");
    eventually("the connection", async || {
        let metrics = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
        metrics.contains("\ntollgate_connections 1\n").then_some(())
    })
    .await;

    tollgate.signal("TERM");
    tollgate.wait_for_log("stopping");
    // the listener is closed once the drain has begun
    eventually("the drain", async || tokio::net::TcpStream::connect(address).await.is_err().then_some(())).await;
    tollgate.signal("TERM");
    tollgate.wait_for_log("calls in flight are cut off");
    assert!(tollgate.exit().success());
    connection.abort();
}
