//! What a hostile peer sends.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// How it behaves, from the first byte on unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Nests,
    NestsPushes,
    AnnouncesALongString,
    AnnouncesALongListAndTrickles,
    AnswersNobody,
    Pushes,
    SendsGarbage,
    SendsALongError,
    Closes,
    ClosesWhenAsked,
    SaysNothing,
    NeverEndsALine,
    /// In the role of a sentinel.
    NamesItself,
    NamesALongHost,
    /// In the role of a cluster node.
    NamesFourThousandNodes,
    NamesOthersEachTime,
    MovesInCircles,
    SendsEndlessSlots,
    NamesEverySlotAgainAndAgain,
    NamesSlotsThatNoClusterHas,
}

impl Behaviour {
    pub const ALL: &'static [Self] = &[
        Self::Nests,
        Self::NestsPushes,
        Self::AnnouncesALongString,
        Self::AnnouncesALongListAndTrickles,
        Self::AnswersNobody,
        Self::Pushes,
        Self::SendsGarbage,
        Self::SendsALongError,
        Self::Closes,
        Self::ClosesWhenAsked,
        Self::SaysNothing,
        Self::NeverEndsALine,
    ];
    pub const SENTINEL: &'static [Self] = &[Self::NamesItself, Self::NamesALongHost];
    pub const CLUSTER: &'static [Self] = &[
        Self::NamesFourThousandNodes,
        Self::NamesOthersEachTime,
        Self::MovesInCircles,
        Self::SendsEndlessSlots,
        Self::NamesEverySlotAgainAndAgain,
        Self::NamesSlotsThatNoClusterHas,
    ];
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for char in format!("{self:?}").chars() {
            if char.is_uppercase() && !text.is_empty() {
                text.push(' ');
            }
            text.extend(char.to_lowercase());
        }
        f.write_str(&text)
    }
}

/// A running peer, stopped when dropped.
pub struct Peer {
    pub port: u16,
    contacts: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Peer {
    pub async fn start(way: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (contacts, sent) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (theirs, so_far) = (Arc::clone(&contacts), Arc::clone(&sent));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = theirs.fetch_add(1, Relaxed);
                let connection = Connection { stream, port, number, sent: Arc::clone(&so_far) };
                connections.spawn(async move {
                    // the task ends when the other end closes
                    let _ = connection.behave(way).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, contacts, sent, _tasks: tasks }
    }

    /// The number of connections made to it.
    pub fn contacts(&self) -> u64 {
        self.contacts.load(Relaxed)
    }

    /// The number of bytes it has sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

struct Connection {
    stream: TcpStream,
    port: u16,
    number: u64,
    sent: Arc<AtomicU64>,
}

impl Connection {
    async fn behave(mut self, way: Behaviour) -> std::io::Result<()> {
        match way {
            Behaviour::Nests => self.send(&b"*1\r\n".repeat(100_000)).await?,
            Behaviour::NestsPushes => self.send(&b">1\r\n".repeat(100_000)).await?,
            Behaviour::AnnouncesALongString => {
                self.send(b"$2700000000\r\n").await?;
                self.endless(&[b'a'; 65_536], Duration::ZERO).await?;
            }
            Behaviour::AnnouncesALongListAndTrickles => {
                self.send(b"*1000000000\r\n").await?;
                self.endless(b":1\r\n", Duration::from_millis(1)).await?;
            }
            Behaviour::AnswersNobody => self.endless(&b"+OK\r\n".repeat(10_000), Duration::ZERO).await?,
            Behaviour::Pushes => self.endless(b">2\r\n+message\r\n+x\r\n", Duration::ZERO).await?,
            Behaviour::SendsGarbage => {
                let garbage: Vec<u8> = (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
                self.endless(&garbage, Duration::ZERO).await?;
            }
            Behaviour::SendsALongError => {
                let error = [b"-ERR ", &*b"x\x1b".repeat(500_000), b"\r\n"].concat();
                self.answer_all(|_| error.clone()).await?;
            }
            Behaviour::Closes => return Ok(()),
            Behaviour::ClosesWhenAsked => {
                self.stream.read_u8().await?;
                return Ok(());
            }
            Behaviour::SaysNothing => {}
            Behaviour::NeverEndsALine => self.endless(&[b'+'; 65_536], Duration::ZERO).await?,
            Behaviour::NamesItself => {
                let port = self.port.to_string();
                let names = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                self.answer_all(move |command| reply(command, "SENTINEL", &names)).await?;
            }
            Behaviour::NamesALongHost => {
                let host = "a".repeat(60_000);
                let names = format!("*2\r\n${}\r\n{host}\r\n$4\r\n6379\r\n", host.len());
                self.answer_all(move |command| reply(command, "SENTINEL", &names)).await?;
            }
            Behaviour::NamesFourThousandNodes => {
                let slots = slots(4000, |node| format!("127.{}.{}.1", node / 200, node % 200), self.port);
                self.answer_all(move |command| reply(command, "SLOTS", &slots)).await?;
            }
            Behaviour::NamesOthersEachTime => {
                let number = self.number;
                let mut asked = 0;
                let port = self.port;
                self.answer_all(move |command| {
                    asked += 1;
                    // most of the addresses have no listener
                    let slots =
                        slots(900, |node| format!("127.{}.{}.{}", 1 + number % 200, asked % 250, node % 250), port);
                    reply(command, "SLOTS", &slots)
                })
                .await?;
            }
            Behaviour::MovesInCircles => {
                let (port, mut moved) = (self.port, 0);
                let here = slots(1, |_| "127.0.0.1".to_owned(), self.port);
                self.answer_all(move |command| {
                    moved += 1;
                    let text = String::from_utf8_lossy(command).into_owned();
                    if text.contains("SLOTS") {
                        here.clone().into_bytes()
                    } else if text.contains("EVAL") {
                        let kind = if moved % 2 == 0 { "MOVED" } else { "ASK" };
                        format!("-{kind} {} 127.0.{}.{}:{port}\r\n", moved % 16_384, moved / 250 % 250, moved % 250)
                            .into()
                    } else {
                        b"+PONG\r\n".to_vec()
                    }
                })
                .await?;
            }
            Behaviour::SendsEndlessSlots => {
                self.stream.read_u8().await?;
                self.send(b"+OK\r\n*100000\r\n").await?;
                self.endless(&b"*3\r\n:0\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n".repeat(1000), Duration::ZERO)
                    .await?;
            }
            Behaviour::NamesEverySlotAgainAndAgain => {
                let slots = format!("*30000\r\n{}", range(0, 16_383, "127.0.0.1", self.port).repeat(30_000));
                self.answer_all(move |command| reply(command, "SLOTS", &slots)).await?;
            }
            Behaviour::NamesSlotsThatNoClusterHas => {
                let slots = format!("*1\r\n{}", range(20_000, 20_000, "127.0.0.1", self.port));
                self.answer_all(move |command| reply(command, "SLOTS", &slots)).await?;
            }
        }
        // reads everything and never answers
        let mut nothing = [0; 4096];
        while self.stream.read(&mut nothing).await? > 0 {}
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.sent.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    async fn endless(&mut self, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
        loop {
            self.send(bytes).await?;
            if pause.is_zero() {
                tokio::task::yield_now().await;
            } else {
                sleep(pause).await;
            }
        }
    }

    /// Answers every read, even of a part of a command.
    async fn answer_all(&mut self, mut answer: impl FnMut(&[u8]) -> Vec<u8>) -> std::io::Result<()> {
        let mut command = vec![0; 65_536];
        loop {
            match self.stream.read(&mut command).await? {
                0 => return Ok(()),
                n => {
                    let answer = answer(&command[..n]);
                    self.send(&answer).await?;
                }
            }
        }
    }
}

/// Replies `this` to a command that contains `word`, and `+OK` to all others.
fn reply(command: &[u8], word: &str, this: &str) -> Vec<u8> {
    if String::from_utf8_lossy(command).contains(word) { this.into() } else { b"+OK\r\n".to_vec() }
}

/// A reply to `CLUSTER SLOTS` that names this many nodes.
fn slots(nodes: usize, host: impl Fn(usize) -> String, port: u16) -> String {
    let mut reply = format!("*{nodes}\r\n");
    for node in 0..nodes {
        let (first, last) = (node * 16_384 / nodes, (node + 1) * 16_384 / nodes - 1);
        reply += &range(first, last, &host(node), port);
    }
    reply
}

/// An item of that reply.
fn range(first: usize, last: usize, host: &str, port: u16) -> String {
    format!("*3\r\n:{first}\r\n:{last}\r\n*3\r\n${}\r\n{host}\r\n:{port}\r\n$2\r\nid\r\n", host.len())
}
