//! A server that implements enough of the protocol for a client to connect, and whose behaviour the test controls: for
//! what a real server does only by chance.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The default reply of the script: a time, and to a call that checks whether Redis counts, that both of its counters
/// were written, by each of two hits.
const TIME: &str = "$8\r\n12345678\r\n";
const PROOF: &str = "$16\r\n12345678\0\x01\0\x01\0\x01\0\x01\r\n";

/// A running server, which is stopped when this is dropped.
pub struct Fake {
    pub port: u16,
    behaviour: Arc<Behaviour>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Behaviour {
    made: AtomicU64,
    /// Connections before this one get no more replies.
    mute_before: AtomicU64,
    /// The delay of all replies, and of replies to single commands.
    delay: Mutex<(Duration, Option<&'static str>)>,
    says: Mutex<HashMap<&'static str, String>>,
    seen: Mutex<HashMap<String, u64>>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let (port, behaviour) = (listener.local_addr().expect("an address").port(), Arc::<Behaviour>::default());
        let mut tasks = JoinSet::new();
        let theirs = Arc::clone(&behaviour);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = theirs.made.fetch_add(1, SeqCst);
                connections.spawn(serve(stream, number, Arc::clone(&theirs)));
            }
        });
        Self { port, behaviour, _tasks: tasks }
    }

    /// Stops all replies, including those on future connections.
    pub fn mute(&self) {
        self.behaviour.mute_before.store(u64::MAX, SeqCst);
    }

    /// Makes future connections work. Existing ones stay as they are.
    pub fn unmute(&self) {
        self.behaviour.mute_before.store(self.behaviour.made.load(SeqCst), SeqCst);
    }

    /// Delays each reply by this time.
    pub fn delay(&self, by: Duration) {
        *self.behaviour.delay.lock().expect("no panic") = (by, None);
    }

    /// Delays each reply to this command (in capitals), and the replies after it, by this time.
    pub fn delay_of(&self, command: &'static str, by: Duration) {
        *self.behaviour.delay.lock().expect("no panic") = (by, Some(command));
    }

    /// Sets the reply to a command (in capitals).
    pub fn says(&self, command: &'static str, reply: &str) {
        self.behaviour.says.lock().expect("no panic").insert(command, format!("{reply}\r\n"));
    }

    /// The number of connections accepted so far.
    pub fn made(&self) -> u64 {
        self.behaviour.made.load(SeqCst)
    }

    /// How many times a command (in capitals) was received.
    pub fn seen(&self, command: &str) -> u64 {
        self.behaviour.seen.lock().expect("no panic").get(command).copied().unwrap_or_default()
    }
}

impl Behaviour {
    /// The reply to a command, and its delay.
    fn reply(&self, name: &str, is_proof: bool) -> (Duration, String) {
        let (delay, only) = *self.delay.lock().expect("no panic");
        let delay = if only.is_none_or(|only| only == name) { delay } else { Duration::ZERO };
        (delay, self.says(name, is_proof))
    }

    fn says(&self, name: &str, is_proof: bool) -> String {
        *self.seen.lock().expect("no panic").entry(name.to_owned()).or_default() += 1;
        if let Some(reply) = self.says.lock().expect("no panic").get(name) {
            return reply.clone();
        }
        let reply = match name {
            "EVALSHA" | "EVAL" if is_proof => PROOF,
            "EVALSHA" | "EVAL" => TIME,
            "PING" => "+PONG\r\n",
            _ => "+OK\r\n",
        };
        reply.to_owned()
    }
}

async fn serve(stream: TcpStream, number: u64, behaviour: Arc<Behaviour>) {
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let (replies, coming) = mpsc::unbounded_channel();
    let mut writing = JoinSet::new();
    writing.spawn(write(writer, coming));
    while let Some(words) = read(&mut reader).await {
        let name = words.first().map(|name| name.to_uppercase()).unwrap_or_default();
        let is_proof = words.get(3).is_some_and(|key| key.starts_with("{|probe="));
        let (delay, reply) = behaviour.reply(&name, is_proof);
        if number < behaviour.mute_before.load(SeqCst) {
            continue;
        }
        if replies.send((Instant::now() + delay, reply)).is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut replies: mpsc::UnboundedReceiver<(Instant, String)>) {
    while let Some((at, reply)) = replies.recv().await {
        sleep_until(at).await;
        if to.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads the words of the next command; `None` at the end.
async fn read(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(from).await? {
        let mut word = vec![0; number(from).await? + 2];
        from.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word[..word.len() - 2]).into_owned());
    }
    Some(words)
}

/// The number in a line such as `*3` or `$5`.
async fn number(from: &mut BufReader<OwnedReadHalf>) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim_end().parse().ok()
}
