//! A proxy between a client and the service that observes the client's PINGs and the service's answers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use testkit::{
    eventually,
    frames::{ACK, PING},
};

/// The client preface.
const PREFACE: usize = 24;

pub struct Tap {
    pub address: SocketAddr,
    pings: Arc<Mutex<Pings>>,
    task: JoinHandle<()>,
}

/// The payloads of the PINGs.
#[derive(Clone, Debug, Default)]
struct Pings {
    asked: Vec<[u8; 8]>,
    answered: Vec<[u8; 8]>,
}

impl Tap {
    /// Starts a tap in front of this address.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let pings = Arc::<Mutex<Pings>>::default();
        let task = tokio::spawn(accept(listener, to, Arc::clone(&pings)));
        Self { address, pings, task }
    }

    /// Waits until this many PINGs with this payload, or with any, have been answered.
    pub async fn has_seen_answered(&self, payload: Option<[u8; 8]>, count: usize) {
        eventually(&format!("{count} PINGs of {payload:?} to be answered"), async || {
            let pings = self.pings.lock().expect("no panic").clone();
            let same = pings.answered.iter().filter(|answered| payload.is_none_or(|payload| payload == **answered));
            (same.count() >= count).then_some(())
        })
        .await;
    }

    /// The number of answered PINGs. Asserts that they were answered in order, and none was left out.
    pub fn answered(&self) -> usize {
        let pings = self.pings.lock().expect("no panic").clone();
        assert!(pings.asked.starts_with(&pings.answered), "{pings:?}");
        pings.answered.len()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, pings: Arc<Mutex<Pings>>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("accepted");
        let pings = Arc::clone(&pings);
        connections.spawn(async move {
            let server = TcpStream::connect(to).await.expect("connected");
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            let asks = relay(from_client, to_server, PREFACE, |flags, payload| {
                if flags & ACK == 0 {
                    pings.lock().expect("no panic").asked.push(payload);
                }
            });
            let answers = relay(from_server, to_client, 0, |flags, payload| {
                if flags & ACK != 0 {
                    pings.lock().expect("no panic").answered.push(payload);
                }
            });
            tokio::join!(asks, answers);
        });
    }
}

/// Forwards what arrives, and calls `seen` with the flags and payload of each PING.
async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut skipped: usize,
    mut seen: impl FnMut(u8, [u8; 8]),
) {
    let (mut unread, mut bytes) = (Vec::new(), vec![0; 65_536]);
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        unread.extend_from_slice(&bytes[..length]);
        let preface = skipped.min(unread.len());
        unread.drain(..preface);
        skipped -= preface;
        while let Some(&[l0, l1, l2, kind, flags, _, _, _, _]) = unread.first_chunk() {
            let whole = 9 + u32::from_be_bytes([0, l0, l1, l2]) as usize;
            if unread.len() < whole {
                break;
            }
            if kind == PING {
                seen(flags, unread[9..whole].try_into().expect("eight bytes"));
            }
            unread.drain(..whole);
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
