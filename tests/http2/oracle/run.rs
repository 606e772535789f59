//! Runs a script on a connection. A script does not end by time: it is over when its streams have ended and a PING and
//! a call after it are answered, or when the connection has ended.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    script::{PROBE, Script, Step, good},
    seen::Seen,
};
use testkit::frames::{ACK, Frame, PING, SETTINGS, frame};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream without an end for this long counts as having none. If everything is as expected, nothing waits for it.
const LONGEST: Duration = Duration::from_secs(20);

/// Whether to wait for the end of this stream: as the script says, unless the server is known to behave otherwise.
fn awaits(known: Option<&str>, stream: u32, by_script: bool) -> bool {
    let silent = format!("{stream} nothing");
    known.map_or(by_script, |known| known.split("; ").all(|part| part != silent))
}

/// `known` is the known behaviour of the server, if it differs from the others'.
pub async fn run(script: &Script, address: SocketAddr, known: Option<&str>) -> Seen {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("a socket");
    let mut client = Client { stream, seen: Seen::new(script), pings: 0 };
    if !script.is_bare {
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        // so that what follows meets an established connection
        client.read_until(|client, frame| client.seen.is_closed() || frame.kind == SETTINGS).await;
        client.send(&frame(SETTINGS, ACK, 0, &[])).await;
    }
    for step in &script.steps {
        match step {
            Step::Send(bytes) => client.send(bytes).await,
            Step::Ended(stream) => client.ends(&[*stream]).await,
        }
    }
    let awaited = script.streams.iter().filter(|(stream, by_script)| awaits(known, *stream, *by_script));
    let awaited: Vec<_> = awaited.map(|(stream, _)| *stream).collect();
    client.settle().await;
    client.ends(&awaited).await;
    client.send(&good(PROBE)).await;
    client.ends(&[PROBE]).await;
    client.settle().await;
    client.seen
}

struct Client {
    stream: TcpStream,
    seen: Seen,
    pings: u64,
}

impl Client {
    /// Sends as much as possible: if the server has closed the connection, reading shows that.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Waits until the server has answered a PING.
    async fn settle(&mut self) {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        self.send(&frame(PING, 0, 0, &payload)).await;
        self.read_until(|_, frame| frame.kind == PING && frame.flags == ACK && frame.payload == payload).await;
    }

    async fn ends(&mut self, streams: &[u32]) {
        if !streams.iter().all(|stream| self.seen.has_ended(*stream)) {
            let ended = |client: &Self, _: &Frame| streams.iter().all(|stream| client.seen.has_ended(*stream));
            self.read_until(ended).await;
        }
    }

    async fn read_until(&mut self, is_enough: impl Fn(&Self, &Frame) -> bool) {
        let read = async {
            while !self.seen.is_closed() {
                let Some(frame) = self.next().await else {
                    self.seen.close();
                    break;
                };
                self.seen.take(&frame);
                if is_enough(self, &frame) {
                    break;
                }
            }
        };
        // what is missing shows in the comparison
        let _ = timeout(LONGEST, read).await;
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }
}
