//! Peers that harm only themselves: silent ones, slow ones, and too many.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tls::{Gate, Identity, Peer, Reason, ServerFiles, ServerTls};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex},
    net::TcpStream,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tollgate::{
    server::{ConnectionLimits, GrpcServer, Listen, Listener, LocalAddr, ServerConfig, ServerContext},
    settings::Settings,
};

use testkit::{
    PATIENCE,
    certificates::Authority,
    eventually,
    tls::{
        client::{SERVER, config, handshake},
        secret::Secret,
    },
};

/// Answers nothing, over either HTTP/2 server.
#[derive(Debug)]
pub struct Nothing;

impl hyper::service::Service<hyper::Request<hyper::body::Incoming>> for Nothing {
    type Response = hyper::Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Pending<Result<Self::Response, Self::Error>>;

    fn call(&self, _: hyper::Request<hyper::body::Incoming>) -> Self::Future {
        std::future::pending()
    }
}

impl wire::Handler for Nothing {
    type Call = ();

    fn open(&mut self, _: &wire::Head<'_>, _: std::time::Instant) -> wire::Opened<()> {
        wire::Opened { call: (), until: None, is_waiting: false }
    }

    fn data(&mut self, (): &mut (), _: &[u8], _: bool, _: &mut wire::Reply<'_>) -> wire::Progress {
        wire::Progress::Receiving
    }

    fn poll(&mut self, (): &mut (), _: &mut Context<'_>, _: &mut wire::Reply<'_>) -> wire::Progress {
        wire::Progress::Receiving
    }

    fn expire(&mut self, (): &mut (), _: &mut wire::Reply<'_>) -> wire::Progress {
        wire::Progress::Receiving
    }

    fn report(&mut self, _: wire::Event) {}
}

/// A server without services, with one worker and short timeouts.
struct Service {
    server: GrpcServer,
    tls: Arc<ServerTls>,
    ca: Authority,
    address: SocketAddr,
}

fn load() -> (Authority, Arc<ServerTls>) {
    let ca = Authority::new("ca");
    let secret = Secret::of(&ca.certificate(&format!("DNS:{SERVER}")), &ca.pem.certificate);
    let identity = Identity { certificate: secret.path("tls.crt"), key: secret.path("tls.key") };
    let tls = ServerTls::load("grpc", ServerFiles { identity, clients: None }, &[b"h2"]).expect("loaded");
    (ca, Arc::new(tls))
}

/// The configuration without any settings.
pub fn defaults() -> ServerConfig {
    Settings::resolve(&[], |_| None, []).expect("the defaults").config.grpc.server
}

/// Any free port of this machine.
pub fn any_port() -> Listen {
    Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
}

async fn serve(preface_timeout: Duration) -> Service {
    let (ca, tls) = load();
    let limits = ConnectionLimits { preface_timeout, ..ConnectionLimits::default() };
    let config = ServerConfig { workers: 1.try_into().expect("one"), limits, ..defaults() };
    let context = ServerContext { tls: Some(Arc::clone(&tls)), rejections: Arc::default() };
    let listener = Listener::bind("grpc", &any_port()).await.expect("bound");
    let LocalAddr::Tcp(address) = *listener.local_addr() else { panic!("not TCP") };
    let server = GrpcServer::start(&config, &context, listener, |_| |_| Nothing).await.expect("started");
    Service { server, tls, ca, address }
}

impl Service {
    fn failed(&self, reason: Reason) -> u64 {
        let failures = self.tls.counts().failures;
        failures.iter().find(|(one, _)| *one == reason).map(|(_, count)| *count).expect("every reason is there")
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Whether a well-behaved client is answered. One that is kept out would wait for the crowd.
    async fn is_answered(&self) -> bool {
        let trusting = config(&self.ca.pem.certificate, None);
        let answered = async { handshake(self.connect().await, &trusting).await.is_ok() };
        timeout(PATIENCE, answered).await.unwrap_or(false)
    }

    /// Opens more connections than a worker has handshakes in flight (1024), each of which sends these bytes and no
    /// more.
    async fn crowd(&self, says: &[u8]) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        for _ in 0..1100 {
            let mut peer = self.connect().await;
            peer.write_all(says).await.expect("sent");
            crowd.push(peer);
        }
        eventually("they are in", async || (self.server.stats().open() == crowd.len()).then_some(())).await;
        crowd
    }
}

/// Waits until the service has closed the connection in any way.
async fn closed(mut peer: impl AsyncRead + Unpin) {
    let mut received = Vec::new();
    let end = timeout(PATIENCE, peer.read_to_end(&mut received));
    let _ = end.await.expect("the service closes the connection");
}

/// The beginning of a ClientHello that announces 512 bytes.
const HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 252];

#[tokio::test]
async fn handshake_and_preface_share_one_timeout() {
    // enough for the handshake below, however busy the machine
    let service = serve(Duration::from_secs(3)).await;
    let silent = service.connect().await;
    let mut slow = service.connect().await;
    slow.write_all(&HELLO).await.expect("sent");
    closed(silent).await;
    closed(slow).await;
    eventually("both are cut", async || (service.failed(Reason::Timeout) == 2).then_some(())).await;
    // A handshake, and then nothing.
    let trusting = config(&service.ca.pem.certificate, None);
    let mute = handshake(service.connect().await, &trusting).await.expect("secured");
    closed(mute).await;
    let stats = service.server.stats();
    eventually("all are gone", async || (stats.open() == 0 && stats.no_preface() == 1).then_some(())).await;
    assert_eq!((service.tls.counts().handshakes, service.failed(Reason::Timeout)), (1, 2));
}

#[tokio::test]
async fn garbage_of_every_kind_is_closed_at_once() {
    let service = serve(Duration::from_secs(600)).await;
    let long = [22, 3, 1, 255, 255];
    let kinds: [&[u8]; 5] =
        [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0; 64], &[255; 64], &long];
    for garbage in kinds {
        let mut peer = service.connect().await;
        peer.write_all(garbage).await.expect("sent");
        // Well before the timeout.
        closed(peer).await;
    }
    eventually("they are counted", async || (service.failed(Reason::NotTls) == kinds.len() as u64).then_some(())).await;
    assert!(service.is_answered().await);
}

#[tokio::test]
async fn a_silent_crowd_keeps_no_client_out() {
    let service = serve(Duration::from_secs(600)).await;
    let crowd = service.crowd(&[]).await;
    assert!(service.is_answered().await);
    assert_eq!(service.failed(Reason::Timeout), 0, "no connection was closed for it");
    drop(crowd);
    eventually("they left", async || (service.failed(Reason::Closed) == 1100).then_some(())).await;
}

#[tokio::test]
async fn a_crowd_in_mid_handshake_keeps_no_client_out() {
    let service = serve(Duration::from_secs(600)).await;
    let crowd = service.crowd(&HELLO).await;
    for _ in 0..3 {
        assert!(service.is_answered().await);
    }
    // The last 76 of the crowd and the three needed a slot, and exactly as many were evicted.
    let cut = service.failed(Reason::Timeout);
    assert!((77..=79).contains(&cut), "{cut} were cut");
    drop(crowd);
    eventually("they left", async || (service.failed(Reason::Closed) + cut == 1100).then_some(())).await;
    assert!(service.is_answered().await);
}

/// What happened on the one thread, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Handshake,
    Call,
}

/// A server's end of a connection, which records when the server first answers.
struct Watched {
    io: DuplexStream,
    turns: Arc<Mutex<Vec<Turn>>>,
    answered: bool,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Peer for Watched {
    async fn wait_readable(&self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !std::mem::replace(&mut self.answered, true) {
            self.turns.lock().expect("no panic").push(Turn::Handshake);
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn between_two_handshakes_all_other_tasks_have_a_turn() {
    let (ca, tls) = load();
    let (gate, turns) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
    let calls = Arc::clone(&turns);
    let calls = tokio::spawn(async move {
        loop {
            calls.lock().expect("no panic").push(Turn::Call);
            yield_now().await;
        }
    });
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let (near, far) = duplex(64 << 10);
        let trusting = config(&ca.pem.certificate, None);
        all.spawn(async move { handshake(far, &trusting).await.is_ok() });
        let (tls, gate, turns) = (Arc::clone(&tls), Arc::clone(&gate), Arc::clone(&turns));
        all.spawn(async move {
            let near = Watched { io: near, turns, answered: false };
            tls.accept(near, "a test", &gate, std::future::pending()).await.is_ok()
        });
    }
    while let Some(ended) = all.join_next().await {
        assert!(ended.expect("no panic"));
    }
    calls.abort();
    let turns = turns.lock().expect("no panic");
    assert_eq!(turns.iter().filter(|turn| **turn == Turn::Handshake).count(), 50);
    assert!(!turns.windows(2).any(|two| two == [Turn::Handshake; 2]), "{turns:?}");
}
