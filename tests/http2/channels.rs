//! grpc-go, grpcio and tonic over one connection each: unary calls, health and reflection, and the PINGs with which
//! they measure and check the connection. A stream of the health service continues while the service drains, and ends
//! with it.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    rejections,
    service::{Service, Wire, part},
    tap::Tap,
};
use testkit::scrape::count;
use testkit::{
    PATIENCE, eventually,
    rls::{Rls, ask, request},
};

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

/// What each client prints before the service drains.
const SAID: [&str; 7] = [
    "unary: 200 OK",
    "check \"\": SERVING",
    "check \"ratelimit\": SERVING",
    "check \"other\": NOT_FOUND",
    "reflection v1: true true true",
    "reflection v1alpha: true true true",
    "watch: SERVING",
];

/// The service, which drains until it is signalled twice. Its connections receive GOAWAY at this age.
fn serve(wire: Wire, age: &str) -> Service {
    let builder = testkit::tollgate!().rules(RULES).env("DRAIN_DELAY", "1h");
    Service::with(wire, builder.env("GRPC_MAX_CONNECTION_AGE", age).env("GRPC_MAX_CONNECTION_AGE_GRACE", "1h"))
}

/// The output of a client, line by line.
struct Output(Lines<BufReader<ChildStdout>>);

impl Output {
    async fn has(&mut self, expected: &str) {
        let line = timeout(PATIENCE, self.0.next_line()).await.expect("in time").expect("text");
        assert_eq!(line.as_deref(), Some(expected));
    }
}

/// Runs a program that `tests/run.sh` installs, over every wire. It sends PINGs with one of these payloads, among
/// others.
async fn by(program: &str, arguments: &[&str], payloads: &[Option<[u8; 8]>]) {
    for wire in Wire::ALL {
        // its PINGs are visible on one connection; on the others a stream outlasts its connection's age
        let mut service = serve(wire, if wire == Wire::Plain { "0s" } else { "1s" });
        let tap = match wire {
            Wire::Plain => Some(Tap::start(service.tollgate.address("grpc")).await),
            Wire::Tls | Wire::Unix => None,
        };
        let mut command = Command::new(part(program));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        command.arg(tap.as_ref().map_or_else(|| service.target(), |tap| tap.address.to_string()));
        if wire == Wire::Tls {
            command.arg(service.file("ca.crt"));
        }
        let mut client = command.spawn().expect("it runs");
        let mut output = Output(BufReader::new(client.stdout.take().expect("piped")).lines());
        for line in SAID {
            output.has(line).await;
        }
        if let Some(tap) = &tap {
            for payload in payloads {
                tap.has_seen_answered(*payload, 2).await;
            }
            println!("{program}: {} PINGs answered", tap.answered());
        } else {
            eventually("each connection to age", async || {
                let [accepted, aged] =
                    ["accepted", "aged_out"].map(|what| format!("tollgate_connections_{what}_total"));
                (count(&service.tollgate, &accepted).await == count(&service.tollgate, &aged).await).then_some(())
            })
            .await;
        }
        assert_eq!(rejections(&service.tollgate).await, [""; 0], "{wire:?}");
        service.tollgate.signal("TERM");
        output.has("watch: NOT_SERVING").await;
        service.tollgate.signal("TERM");
        output.has("watch: UNAVAILABLE").await;
        assert!(timeout(PATIENCE, client.wait()).await.expect("in time").expect("it ran").success(), "{wire:?}");
        ends_unforced(&mut service);
    }
}

fn ends_unforced(service: &mut Service) {
    assert_eq!(service.tollgate.exit().code(), Some(0));
    let stopped = service.tollgate.wait_for_log("\"stopped\"");
    assert!(stopped.contains("\"forced\":0"), "{stopped}");
}

/// With its PINGs that measure the connection, and those that check it.
#[tokio::test]
async fn grpc_go() {
    by("bin/streams", &[], &[Some([2, 4, 16, 16, 9, 14, 7, 7]), Some([0; 8])]).await;
}

#[tokio::test]
async fn grpcio() {
    by("venv/bin/python", &["tests/independent/streams.py"], &[None]).await;
}

/// Asks one version of reflection for the services, and then for the file of one of them, in one stream.
macro_rules! reflects {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        const NAME: &str = "envoy.service.ratelimit.v3.RateLimitService";
        let asks = [MessageRequest::ListServices(String::new()), MessageRequest::FileContainingSymbol(NAME.to_owned())]
            .map(|ask| ServerReflectionRequest { host: String::new(), message_request: Some(ask) });
        let mut client = ServerReflectionClient::new($channel);
        let answers = client.server_reflection_info(tokio_stream::iter(asks)).await.expect("a stream");
        let mut answers = answers.into_inner();
        let mut next = async || answers.message().await.expect("no error").map(|answer| answer.message_response);
        let Some(Some(MessageResponse::ListServicesResponse(list))) = next().await else { panic!("no list") };
        assert!(list.service.iter().any(|service| service.name == NAME), "{list:?}");
        let Some(Some(MessageResponse::FileDescriptorResponse(files))) = next().await else { panic!("no files") };
        assert!(!files.file_descriptor_proto.is_empty());
        assert!(next().await.is_none(), "the stream ends");
    }};
}

#[tokio::test]
async fn tonic() {
    let mut service = serve(Wire::Plain, "0s");
    let tap = Tap::start(service.tollgate.address("grpc")).await;
    let second = Duration::from_secs(1);
    let channel = Endpoint::from_shared(format!("http://{}", tap.address))
        .expect("an address")
        .http2_keep_alive_interval(second)
        .keep_alive_timeout(60 * second)
        .keep_alive_while_idle(true)
        .http2_adaptive_window(true)
        .connect_lazy();

    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let mut client = Rls::new(channel.clone());
        callers.spawn(async move {
            for _ in 0..25 {
                ask(&mut client, request("edge", &[&[("path", "/")]])).await;
            }
        });
    }
    callers.join_all().await;

    let mut health = HealthClient::new(channel.clone());
    let named = |name: &str| HealthCheckRequest { service: name.to_owned() };
    for name in ["", "ratelimit"] {
        let answer = health.check(named(name)).await.expect("an answer");
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{name}");
    }
    assert_eq!(health.check(named("other")).await.expect_err("unknown").code(), tonic::Code::NotFound);
    reflects!(v1, channel.clone());
    reflects!(v1alpha, channel.clone());

    let mut watch = health.watch(named("ratelimit")).await.expect("a stream").into_inner();
    let mut next = async || {
        let answer = watch.message().await.map_err(|status| status.code())?;
        Ok(answer.expect("it ends with an error").status())
    };
    assert_eq!(next().await, Ok(ServingStatus::Serving));
    tap.has_seen_answered(None, 3).await;
    println!("tonic: {} PINGs answered", tap.answered());
    assert_eq!(rejections(&service.tollgate).await, [""; 0]);
    service.tollgate.signal("TERM");
    assert_eq!(next().await, Ok(ServingStatus::NotServing));
    service.tollgate.signal("TERM");
    assert_eq!(next().await, Err(tonic::Code::Unavailable));
    ends_unforced(&mut service);
}
