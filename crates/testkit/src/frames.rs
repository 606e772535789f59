//! Raw HTTP/2 frames, for tests of what no HTTP/2 client sends.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// A connection on which the preface was sent.
pub struct Peer(TcpStream);

/// A frame: kind, flags, stream and payload.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
/// A flag of SETTINGS and PING.
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

impl Peer {
    /// Connects, and sends the preface and these bytes at once. They must begin with a SETTINGS frame.
    pub async fn connect_with(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes].concat()).await.expect("sent");
        Self(stream)
    }

    pub async fn connect(address: SocketAddr) -> Self {
        let mut peer = Self::connect_with(address, &frame(SETTINGS, 0, 0, &[])).await;
        // the server's settings are not checked, and it may send answers of any length
        peer.send(SETTINGS, ACK, 0, &[]).await;
        peer.send(WINDOW_UPDATE, 0, 0, &[0x3f, 0xff, 0xff, 0xff]).await;
        peer
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.write_all(&frame(kind, flags, stream, payload)).await.expect("sent");
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// Sends until the socket buffers are full, while the peer reads nothing. Returns the number of bytes sent.
    pub fn send_until_full(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while let Ok(more) = self.0.try_write(&bytes[sent..]) {
            sent += more;
            if sent == bytes.len() {
                break;
            }
        }
        sent
    }

    /// Sends a call without a message, with this header block.
    pub async fn call(&mut self, stream: u32, block: &[u8]) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, block).await;
    }

    /// Waits for the next frame of one of these kinds.
    pub async fn next(&mut self, kinds: &[u8]) -> Frame {
        self.next_or_end(kinds).await.expect("a frame")
    }

    /// The same; `None` if the peer closes the connection instead.
    pub async fn next_or_end(&mut self, kinds: &[u8]) -> Option<Frame> {
        let read = async {
            loop {
                let mut head = [0; 9];
                // a reset ends the connection too
                self.0.read_exact(&mut head).await.ok()?;
                let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
                let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
                self.0.read_exact(&mut payload).await.ok()?;
                if kinds.contains(&kind) {
                    return Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload });
                }
            }
        };
        timeout(PATIENCE, read).await.expect("in time")
    }

    /// Waits until the peer has processed everything sent so far. Returns the frames of these kinds that arrived
    /// meanwhile.
    pub async fn settle(&mut self, kinds: &[u8]) -> Vec<Frame> {
        self.send(PING, 0, 0, b"so far..").await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next(&[kinds, &[PING]].concat()).await;
            if frame.kind == PING && frame.flags == ACK {
                return frames;
            }
            frames.push(frame);
        }
    }
}

/// The first header fields of a call to the service, without the dynamic table: method, scheme, path and content type.
pub fn call(authority: &[u8]) -> Vec<u8> {
    let path = b"/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
    let content_type = b"\x0f\x10\x10application/grpc";
    [&b"\x83\x86\x04"[..], &[path.len() as u8], path, authority, content_type].concat()
}

/// Two header blocks of the same call: the first adds its fields to the dynamic table, as clients do, and the second
/// refers to them.
pub fn repeated_call() -> (Vec<u8>, &'static [u8]) {
    let path = b"/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
    let first = [&b"\x83\x86\x44"[..], &[path.len() as u8], path, b"\x41\x04edge\x5f\x10application/grpc"].concat();
    (first, b"\x83\x86\xc0\xbf\xbe")
}

/// Encodes a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
