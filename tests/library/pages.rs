//! The HTTP pages, over real connections.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    routing::{MethodRouter, get, post},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tollgate::{
    pages::{DebugPages, Health, State, debug_router, http_router, metrics_router},
    server::{HttpLimits, Listen, Listener, LocalAddr, serve_http},
};

/// The methods that probes and proxies use, and unusual ones: the reference answers each like GET.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"];

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

async fn start(router: Router, limits: HttpLimits) -> Server {
    let listen = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)).into());
    let listener = Listener::bind("test", &listen).await.expect("a free port");
    let LocalAddr::Tcp(address) = *listener.local_addr() else { panic!("not TCP") };
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(serve_http(listener, None, router, limits, async { drop(stopped.await) }));
    Server { address, stop: Some(stop), ended }
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("not zero");
        stream
    }

    /// Returns the status and the whole response to one request.
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let read = tokio::task::spawn_blocking(move || {
            stream.write_all(request.as_bytes()).expect("sent");
            read_all(stream)
        });
        let answer = read.await.expect("no panic");
        (answer[9..12].parse().expect("a status"), answer)
    }
}

fn read_all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in time");
    answer
}

/// The routes of an API.
fn json(handler: MethodRouter) -> Router {
    Router::new().route("/json", handler)
}

async fn http(health: &Health) -> Server {
    start(http_router(health.clone(), || None, json(post(|body: String| async move { body }))), HttpLimits::default())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_follows_the_state() {
    let state = |unhealthy: &[&str], unready: &[&str]| {
        let [unhealthy, unready] = [unhealthy, unready].map(|all| all.iter().map(|&one| one.into()).collect());
        State { unhealthy, unready }
    };
    let health = Health::new(state(&["redis is away"], &["redis is away", "no rules yet"]));
    let server = http(&health).await;
    let (status, answer) = server.ask("GET", "/healthcheck", "").await;
    assert!(status == 500 && answer.ends_with("\r\n\r\nredis is away\n"), "{answer}");
    let (status, answer) = server.ask("GET", "/readyz", "").await;
    assert!(status == 503 && answer.ends_with("\r\n\r\nredis is away\nno rules yet\n"), "{answer}");
    assert_eq!(server.ask("GET", "/livez", "").await.0, 200);
    health.set(state(&[], &["no rules yet"]));
    assert_eq!(server.ask("GET", "/readyz", "").await.0, 503);
    let (status, answer) = server.ask("GET", "/healthcheck", "").await;
    assert!(status == 200 && answer.ends_with("\r\n\r\nOK"), "{answer}");
    for method in METHODS {
        let (status, answer) = server.ask(method, "/healthcheck", "").await;
        let body = if matches!(method, "HEAD" | "CONNECT") { "" } else { "OK" };
        assert!(status == 200 && answer.ends_with(&format!("\r\n\r\n{body}")), "{method}: {answer}");
        assert_eq!(server.ask(method, "/readyz", "").await.0, 503, "{method}");
        assert_eq!(server.ask(method, "/livez?x=1", "body").await.0, 200, "{method}");
    }
    health.set(state(&[], &[]));
    assert_eq!(server.ask("GET", "/readyz", "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_are_mounted_and_the_rest_is_not_found() {
    let server = http(&Health::new(State::default())).await;
    assert!(server.ask("POST", "/json", "0123456789").await.1.ends_with("0123456789"));
    for (method, path) in [("GET", "/nothing"), ("POST", "/"), ("GET", "/healthcheck/"), ("OPTIONS", "/rlconfig")] {
        let (status, answer) = server.ask(method, path, "").await;
        assert!(status == 404 && answer.ends_with("404 page not found\n"), "{method} {path}: {answer}");
    }
    let (status, answer) = server.ask("GET", "//healthcheck?x=1", "").await;
    assert!(status == 301 && answer.contains("location: /healthcheck?x=1\r\n"), "{answer}");
    let (status, answer) = server.ask("OPTIONS", "*", "").await;
    assert!(status == 200 && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_pages_are_text_and_read_only() {
    let pages = DebugPages {
        rlconfig: Arc::new(|| Box::new(["d.a: x\n".to_owned(), "d.b: y\n".to_owned()].into_iter())),
        stats: Arc::new(|| Box::new(std::iter::empty())),
    };
    let server = start(debug_router(pages), HttpLimits::default()).await;
    let (status, index) = server.ask("GET", "/", "").await;
    assert!(status == 200 && index.contains("/rlconfig") && index.contains("/stats"), "{index}");
    let (_, answer) = server.ask("GET", "/rlconfig", "").await;
    assert!(answer.contains("text/plain") && answer.contains("d.a: x\n") && answer.contains("d.b: y\n"), "{answer}");
    assert_eq!(server.ask("GET", "/stats", "").await.0, 200);
    // any method reads, as in the reference
    for (method, path) in METHODS.into_iter().flat_map(|method| ["/", "/rlconfig", "/stats"].map(|path| (method, path)))
    {
        assert_eq!(server.ask(method, path, "").await.0, 200, "{method} {path}");
    }
    for path in ["/nothing", "/rlconfig/", "/debug"] {
        assert!(
            server.ask("GET", path, "").await.1.ends_with(index.split("\r\n\r\n").last().expect("a body")),
            "{path}"
        );
    }
    assert_eq!(server.ask("GET", "//rlconfig", "").await.0, 301);
    assert_eq!(server.ask("OPTIONS", "*", "").await.0, 200);
    assert_eq!(server.ask("GET", "/debug/pprof/", "").await.0, 404);
    assert_eq!(server.ask("POST", "/debug/pprof/profile", "").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_panics_is_a_500_and_the_next_one_works() {
    let pages = DebugPages {
        rlconfig: Arc::new(|| Box::new(std::iter::once(String::from_utf8(vec![0xff]).expect("a fault of the page")))),
        stats: Arc::new(|| Box::new(std::iter::empty())),
    };
    let server = start(debug_router(pages), HttpLimits::default()).await;
    assert_eq!(server.ask("GET", "/rlconfig", "").await.0, 500);
    assert_eq!(server.ask("GET", "/stats", "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_at_their_path_exactly_as_written() {
    let scrape = || Ok(["a 1\n".to_owned()].into_iter());
    let server = start(metrics_router("/x{y}/:z", "text/plain; version=0.0.4", scrape), HttpLimits::default()).await;
    let (status, answer) = server.ask("GET", "/x{y}/:z", "").await;
    assert!(status == 200 && answer.contains("version=0.0.4") && answer.contains("a 1\n"), "{answer}");
    assert_eq!(server.ask("GET", "/metrics", "").await.0, 404);
    for method in METHODS {
        assert_eq!(server.ask(method, "/x{y}/:z", "").await.0, 200, "{method}");
        assert_eq!(server.ask(method, "/metrics", "").await.0, 404, "{method}");
    }
    assert_eq!(server.ask("OPTIONS", "*", "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed_and_free_their_slot() {
    let limits = HttpLimits { connections: 1, header_read: Duration::from_secs(2), ..HttpLimits::default() };
    let server = start(http_router(Health::new(State::default()), || None, json(post(|| async {}))), limits).await;
    let silent = server.connect();
    // waits for a slot until the silent one is closed
    assert_eq!(server.ask("GET", "/livez", "").await.0, 200);
    let rest = tokio::task::spawn_blocking(move || read_all(silent)).await.expect("no panic");
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
}

/// However many connections send nothing, or half a request, or stay open after a response: the next one is served.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_idle_connections_leaves_room_for_the_next() {
    let forever = Duration::from_secs(600);
    let (connections, request_if_crowded) = (4, Duration::from_millis(10));
    let limits =
        HttpLimits { connections, request_if_crowded, header_read: forever, request: forever, ..HttpLimits::default() };
    let stuck = post(|_body: String| async {});
    let server = start(http_router(Health::new(State::default()), || None, json(stuck)), limits).await;
    let mut crowd = Vec::new();
    for says in [
        "",
        "GET /livez HT",
        "POST /json HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\nhalf",
        "GET /livez HTTP/1.1\r\nhost: t\r\n\r\n",
    ] {
        for _ in 0..6 {
            let mut stream = server.connect();
            // one of those that were evicted already: equivalent to an idle one
            let _ = stream.write_all(says.as_bytes());
            crowd.push(stream);
        }
        for _ in 0..2 {
            assert_eq!(server.ask("GET", "/livez", "").await.0, 200, "after {says:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_keeps_its_slot() {
    let (entered, mut entries) = tokio::sync::mpsc::channel(1);
    let release = Arc::new(tokio::sync::Notify::new());
    let gate = release.clone();
    let slow = post(move || async move {
        entered.send(()).await.expect("the test waits");
        gate.notified().await;
        "done"
    });
    let request_if_crowded = Duration::from_secs(600);
    let limits = HttpLimits { connections: 2, request_if_crowded, ..HttpLimits::default() };
    let server = start(http_router(Health::new(State::default()), || None, json(slow)), limits).await;
    let mut call = server.connect();
    write!(call, "POST /json HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").expect("sent");
    entries.recv().await.expect("the call arrives");
    let crowd: Vec<_> = (0..20).map(|_| server.connect()).collect();
    assert_eq!(server.ask("GET", "/livez", "").await.0, 200);
    release.notify_one();
    let answer = tokio::task::spawn_blocking(move || read_all(call)).await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_calls_finish_and_closes_idle_connections() {
    let (entered, mut entries) = tokio::sync::mpsc::channel(2);
    let release = Arc::new(tokio::sync::Notify::new());
    let gate = release.clone();
    let slow = post(move |body: String| async move {
        entered.send(()).await.expect("the test waits");
        if body == "ends" {
            gate.notified().await;
        } else {
            std::future::pending::<()>().await;
        }
        body
    });
    let limits = HttpLimits { drain: Duration::from_secs(5), ..HttpLimits::default() };
    let mut server = start(http_router(Health::new(State::default()), || None, json(slow)), limits).await;
    let open = |body: &str| {
        let mut stream = server.connect();
        write!(stream, "POST /json HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("sent");
        stream
    };
    let (ends, mut hangs) = (open("ends"), open("hangs"));
    for _ in 0..2 {
        entries.recv().await.expect("both calls arrive");
    }
    server.stop.take().expect("not stopped yet").send(()).expect("it still serves");
    release.notify_one();
    let answer = tokio::task::spawn_blocking(move || read_all(ends)).await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ends"), "{answer}");
    (&mut server.ended).await.expect("no panic");
    assert!(TcpStream::connect(server.address).is_err(), "the listener is closed");
    let mut rest = Vec::new();
    let read = tokio::task::spawn_blocking(move || hangs.read_to_end(&mut rest).unwrap_or(0)).await;
    assert_eq!(read.expect("no panic"), 0, "the hanging call was cut off without an answer");
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_keep_its_slot() {
    let router = Router::new().route("/", get(|| async { vec![0_u8; 64 << 20] }));
    let limits = HttpLimits { connections: 1, unread: Duration::from_secs(1), ..HttpLimits::default() };
    let mut server = start(router, limits).await;
    let mut deaf = tokio::net::TcpStream::connect(server.address).await.expect("connected");
    deaf.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut first = [0; 15];
    deaf.read_exact(&mut first).await.expect("the answer has begun");
    let mut next = tokio::net::TcpStream::connect(server.address).await.expect("queued");
    next.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let answered = timeout(Duration::from_secs(120), next.read_exact(&mut first)).await;
    answered.expect("in time").expect("answered");
    drop((next, deaf));
    server.stop.take().expect("not stopped yet").send(()).expect("it still serves");
    server.ended.await.expect("no panic");
}
