//! An attack: what each of its peers sends, and how their connections end.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::{Builder, Runtime},
};

use testkit::frames::GOAWAY;

/// The number of connections of an attack, unless it sets another.
const PEERS: usize = 4;

/// The pause between the rounds of a peer that sends slowly.
const SLOWLY: Duration = Duration::from_millis(100);

/// What a peer sends on its connection until the other end closes it. Then it reconnects.
pub struct Attack {
    pub name: &'static str,
    /// The listener that is attacked.
    pub listener: &'static str,
    /// The number of concurrent connections.
    pub peers: usize,
    /// The first bytes.
    first: Vec<u8>,
    then: Then,
    reads: bool,
}

/// What follows the first bytes.
enum Then {
    /// Nothing: the connection is left open.
    Nothing,
    /// Rounds of bytes, as fast as the other end accepts them.
    Flood(fn(u32) -> Vec<u8>),
    /// Rounds of bytes, with a pause after each.
    Trickle(fn(u32) -> Vec<u8>),
}

impl Attack {
    fn new(name: &'static str, first: Vec<u8>, then: Then) -> Self {
        Self { name, listener: "grpc", peers: PEERS, first, then, reads: true }
    }

    pub fn flood(name: &'static str, first: Vec<u8>, then: fn(u32) -> Vec<u8>) -> Self {
        Self::new(name, first, Then::Flood(then))
    }

    pub fn trickle(name: &'static str, first: Vec<u8>, then: fn(u32) -> Vec<u8>) -> Self {
        Self::new(name, first, Then::Trickle(then))
    }

    pub fn hold(name: &'static str, first: Vec<u8>) -> Self {
        Self::new(name, first, Then::Nothing)
    }

    pub fn on(self, listener: &'static str) -> Self {
        Self { listener, ..self }
    }

    pub fn by(self, peers: usize) -> Self {
        Self { peers, ..self }
    }

    /// Makes its peers read nothing that is sent to them.
    pub fn unread(self) -> Self {
        Self { reads: false, ..self }
    }

    /// Whether its connections may end because of time, and not because of what is sent.
    pub fn is_slow(&self) -> bool {
        !self.reads || !matches!(self.then, Then::Flood(_))
    }
}

/// What happened to an attack's connections.
#[derive(Default)]
pub struct Seen {
    pub sent: AtomicU64,
    pub connections: AtomicU64,
    /// The number of open connections.
    pub open: AtomicUsize,
    /// How the connections ended that the other end has closed.
    pub ends: Mutex<BTreeMap<String, u64>>,
}

/// The peers of an attack, which run until this is dropped.
pub struct Attackers {
    pub seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

impl Attackers {
    /// Starts the peers. When the attack is measured they run on a thread of lowest priority, because a real attacker
    /// has its own machine. On a busy machine such a thread would hardly run.
    pub fn start(attack: &Arc<Attack>, address: SocketAddr) -> Self {
        let yielding = || {
            if super::length().is_some() {
                let _ = rustix::process::nice(19);
            }
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(yielding).build();
        let (runtime, seen) = (runtime.expect("a thread"), Arc::<Seen>::default());
        for _ in 0..attack.peers {
            let (attack, seen) = (Arc::clone(attack), Arc::clone(&seen));
            runtime.spawn(async move {
                loop {
                    if let Ok(stream) = TcpStream::connect(address).await {
                        peer(&attack, stream, &seen).await;
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { seen, runtime: Some(runtime) }
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection, until the other end closes it.
async fn peer(attack: &Attack, mut stream: TcpStream, seen: &Seen) {
    let is_http2 = attack.first.starts_with(b"PRI ");
    let (reads, writes) = stream.split();
    seen.connections.fetch_add(1, Relaxed);
    seen.open.fetch_add(1, Relaxed);
    let read = async { if attack.reads { end(reads, is_http2).await } else { std::future::pending().await } };
    let write = async {
        send(attack, writes, seen).await;
        if attack.reads {
            // the reason may be in flight
            std::future::pending::<()>().await;
        }
    };
    let end = tokio::select! {
        end = read => end,
        () = write => "closed".to_owned(),
    };
    seen.open.fetch_sub(1, Relaxed);
    *seen.ends.lock().expect("no panic").entry(end).or_default() += 1;
}

/// Sends until the other end accepts no more.
async fn send(attack: &Attack, mut writes: impl AsyncWrite + Unpin, seen: &Seen) {
    let mut send = async |bytes: &[u8]| {
        // in parts, so that only sent bytes are counted
        for part in bytes.chunks(65_536) {
            if writes.write_all(part).await.is_err() {
                return false;
            }
            seen.sent.fetch_add(part.len() as u64, Relaxed);
            tokio::task::yield_now().await;
        }
        true
    };
    let (then, pause) = match attack.then {
        Then::Flood(then) => (then, Duration::ZERO),
        Then::Trickle(then) => (then, SLOWLY),
        Then::Nothing => {
            if send(&attack.first).await {
                std::future::pending::<()>().await;
            }
            return;
        }
    };
    let (mut bytes, mut round) = (attack.first.clone(), 0);
    while send(&bytes).await {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        bytes = then(round);
        round += 1;
    }
}

/// Reads to the end, and returns how the connection ended.
async fn end(reads: impl AsyncRead + Unpin, is_http2: bool) -> String {
    let mut reads = BufReader::with_capacity(65_536, reads);
    if !is_http2 {
        let mut nothing = vec![0; 65_536];
        while reads.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
        return "closed".to_owned();
    }
    let (mut head, mut payload, mut end) = ([0; 9], Vec::new(), "closed".to_owned());
    while reads.read_exact(&mut head).await.is_ok() {
        payload.resize(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize, 0);
        if reads.read_exact(&mut payload).await.is_err() {
            break;
        }
        if head[3] == GOAWAY {
            end = format!("GOAWAY {}", payload[7]);
        }
    }
    end
}
