//! A load whose calls are all cancelled after a while, as Envoy does. It writes HTTP/2 frames itself, so that no client
//! library influences the result.

use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use testkit::{
    frames::{
        ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
        repeated_call,
    },
    raw,
    rls::request,
};

/// Few connections, so that each carries many calls.
const CONNECTIONS: u32 = 4;
/// Envoy's default.
const PATIENCE: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(1);
/// The counters, used in turn.
const COUNTERS: u32 = 16;
/// CANCEL in RFC 9113.
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// The largest number of calls of a connection that the service has not read yet, so that a busy service is not sent
/// more than it reads. A PING asks for its progress four times as often.
const AHEAD: u64 = 128;

/// A load that runs on a thread of its own until it is stopped.
pub struct Cancelling {
    seen: Arc<Seen>,
    thread: JoinHandle<()>,
}

/// The results of the load.
#[derive(Default)]
pub struct Seen {
    over: AtomicBool,
    pub sent: AtomicU64,
    pub answered: AtomicU64,
    pub cancelled: AtomicU64,
    /// Everything that ended a connection or violated the protocol.
    trouble: Mutex<Vec<String>>,
}

impl Seen {
    fn report(&self, text: String) {
        self.lock().push(text);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancelling {
    /// Makes `rate` calls per second over all connections, or as many as the service accepts.
    pub fn start(address: SocketAddr, rate: u32) -> Self {
        let seen = Arc::<Seen>::default();
        let of_thread = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connections = JoinSet::new();
                for _ in 0..CONNECTIONS {
                    connections.spawn(connection(address, rate / CONNECTIONS, Arc::clone(&of_thread)));
                }
                connections.join_all().await;
            });
        });
        Self { seen, thread }
    }

    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Stops the load after every call has ended. Returns everything that ended a connection or violated the protocol.
    pub fn stop(self) -> Vec<String> {
        self.seen.over.store(true, Relaxed);
        self.thread.join().expect("the load ran to its end");
        std::mem::take(&mut self.seen.lock())
    }
}

/// The state shared by both directions of a connection.
struct Shared {
    seen: Arc<Seen>,
    /// Answered calls, until the time at which they would have been cancelled.
    answered: Mutex<HashSet<u32>>,
    /// The send window, in bytes.
    window: AtomicI64,
    /// How many calls the service is known to have read.
    read: AtomicU64,
}

async fn connection(address: SocketAddr, rate: u32, seen: Arc<Seen>) {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("a socket");
    let (reader, writer) = stream.into_split();
    let shared =
        Arc::new(Shared { seen, answered: Mutex::default(), window: AtomicI64::new(65_535), read: AtomicU64::new(0) });
    let reading = tokio::spawn(read(reader, Arc::clone(&shared)));
    if let Err(error) = write(writer, rate, &shared).await {
        shared.seen.report(format!("cannot send: {error}"));
    }
    reading.abort();
}

async fn write(mut writer: OwnedWriteHalf, rate: u32, shared: &Shared) -> std::io::Result<()> {
    // a window for responses that lasts
    let grown = (0x7fff_ffff_u32 - 65_535).to_be_bytes();
    let hello = [frame(SETTINGS, 0, 0, &[]), frame(WINDOW_UPDATE, 0, 0, &grown)].concat();
    writer.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &hello[..]].concat()).await?;
    let messages: Vec<_> = (0..COUNTERS).map(message).collect();
    let (first, again) = repeated_call();
    let (mut stream, mut sent, mut asked) = (1, 0_u64, 0);
    let mut open: VecDeque<(u32, Instant)> = VecDeque::new();
    let (mut last, mut due) = (Instant::now(), 0.0);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bytes = Vec::new();
    loop {
        ticks.tick().await;
        let over = shared.seen.over.load(Relaxed);
        due += last.elapsed().as_secs_f64() * f64::from(rate);
        last = Instant::now();
        let room = AHEAD.saturating_sub(sent - shared.read.load(Relaxed));
        let calls = if over { 0 } else { (due as u64).min(room) };
        // calls that do not fit are skipped
        due = due.fract();
        for _ in 0..calls {
            let message = &messages[sent as usize % messages.len()];
            bytes.extend(frame(HEADERS, END_HEADERS, stream, if sent == 0 { &first } else { again }));
            bytes.extend(frame(DATA, END_STREAM, stream, message));
            if shared.window.fetch_sub(message.len() as i64, Relaxed) < message.len() as i64 {
                shared.seen.report("the service returns no window for cancelled calls".to_owned());
            }
            open.push_back((stream, Instant::now()));
            (stream, sent) = (stream + 2, sent + 1);
            shared.seen.sent.fetch_add(1, Relaxed);
        }
        if sent >= asked + AHEAD / 4 {
            asked = sent;
            bytes.extend(frame(PING, 0, 0, &sent.to_be_bytes()));
        }
        while let Some((stream, _)) = open.front().copied().filter(|(_, since)| since.elapsed() >= PATIENCE) {
            open.pop_front();
            if !shared.answered.lock().expect("no panic").remove(&stream) {
                bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL));
                shared.seen.cancelled.fetch_add(1, Relaxed);
            }
        }
        writer.write_all(&bytes).await?;
        bytes.clear();
        if over && open.is_empty() {
            return Ok(());
        }
    }
}

async fn read(mut reader: OwnedReadHalf, shared: Arc<Shared>) {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if let Err(error) = reader.read_exact(&mut head).await {
            return shared.seen.report(format!("connection lost: {error}"));
        }
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        payload.resize(u32::from_be_bytes([0, l0, l1, l2]) as usize, 0);
        if let Err(error) = reader.read_exact(&mut payload).await {
            return shared.seen.report(format!("connection lost: {error}"));
        }
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        match kind {
            HEADERS if flags & END_STREAM != 0 => {
                shared.answered.lock().expect("no panic").insert(stream);
                shared.seen.answered.fetch_add(1, Relaxed);
            }
            WINDOW_UPDATE if stream == 0 => {
                let more = u32::from_be_bytes(payload[..4].try_into().expect("four bytes"));
                shared.window.fetch_add(more.into(), Relaxed);
            }
            PING if flags & ACK != 0 => {
                shared.read.store(u64::from_be_bytes(payload[..].try_into().expect("eight bytes")), Relaxed);
            }
            GOAWAY => return shared.seen.report(format!("GOAWAY: {}", String::from_utf8_lossy(&payload[8..]))),
            RST_STREAM => shared.seen.report(format!("stream {stream} was reset: {payload:?}")),
            _ => {}
        }
    }
}

/// One hit on a wide counter in the failure mode `error`.
fn message(counter: u32) -> Vec<u8> {
    let request = request("faults", &[&[("mode", "error"), ("wide", &counter.to_string())]]);
    raw::frame(0, &request.encode_to_vec()).to_vec()
}
