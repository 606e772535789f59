//! What can be set about the server, as values that are always valid.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use crate::rejections::Rejections;
use tls::ServerTls;

/// The implementation of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// The crate wire.
    Wire,
    /// hyper.
    Hyper,
}

/// How the server treats its connections. Durations of zero mean "never" only where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// How many worker threads serve connections.
    pub workers: NonZeroUsize,
    /// The age at which a connection is sent GOAWAY, give or take a tenth. Zero: never, as in grpc-go.
    pub max_connection_age: Duration,
    /// How long calls may go on after that before the connection is closed. Zero: for ever, as in grpc-go.
    pub max_connection_age_grace: Duration,
    /// Calls that one connection may have open at a time; the rest wait at the client.
    pub max_concurrent_streams: NonZeroU32,
    /// Bytes of headers that one call may have, as HTTP/2 counts them.
    pub max_header_list_size: u32,
    /// The implementation of HTTP/2.
    pub http2: Http2,
    /// Bytes of unfinished requests that one connection may hold, with [`Http2::Wire`]. See [`window_for`].
    pub connection_window: u32,
    /// Bytes that one call may send before they are read, with [`Http2::Wire`]: the longest message. See
    /// [`window_for`].
    pub stream_window: u32,
    /// What no setting changes.
    pub limits: ConnectionLimits,
}

/// What connections may take of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections of all workers together. For one more, the connection that has waited longest for its peer's
    /// first bytes is evicted; if all peers have sent something, the new one is refused.
    pub max_connections: usize,
    /// How long a peer may take for the TLS handshake and the HTTP/2 preface, together.
    pub preface_timeout: Duration,
    /// How long a TCP connection may be silent before the kernel probes the peer. Whole seconds; zero: never.
    pub keepalive_interval: Duration,
    /// How long the peer's kernel may take to acknowledge a probe, or an answer, before the connection is closed.
    pub keepalive_timeout: Duration,
    /// Bytes of answers that may wait to be sent on one stream, with [`Http2::Hyper`].
    pub max_send_buffer_size: usize,
    /// Streams of one connection that its peer may open and reset before the worker has seen them, with
    /// [`Http2::Hyper`]; one more closes the connection (the rapid reset attack).
    ///
    /// A peer that cancels calls after a few milliseconds, as Envoy does, leaves thousands of them in the socket while
    /// the worker does not run: a container that is throttled stands still for most of 100 ms, again and again. Closing
    /// the connection would then fail every other call on it as well. So the bound is above what one turn of a
    /// connection reads, 17 KiB, after which the worker sees every stream. Such a stream holds about 1 KiB and the
    /// headers that came in that turn.
    pub max_pending_reset_streams: usize,
    /// Bytes of answers of the whole process that may wait for peers that do not read them, with [`Http2::Wire`].
    pub max_held_replies: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            preface_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            max_send_buffer_size: 256 << 10,
            max_pending_reset_streams: 1_000,
            max_held_replies: 64 << 20,
        }
    }
}

/// A window of HTTP/2 for so many bytes of messages, and for what frames them.
#[must_use]
pub fn window_for(bytes: usize) -> u32 {
    const FRAMING: usize = 16 << 10;
    u32::try_from(bytes.saturating_add(FRAMING)).unwrap_or(u32::MAX)
}

/// What the server shares with the rest of the process.
#[derive(Clone, Debug, Default)]
pub struct ServerContext {
    /// How connections are secured; `None`: not at all.
    pub tls: Option<Arc<ServerTls>>,
    /// Where calls and connections that are rejected are counted.
    pub rejections: Arc<Rejections>,
}

/// Which worker: 0 up to the number of workers. Displayed as the name of its thread, `worker-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub(super) usize);

impl WorkerId {
    /// The worker's number, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker-{}", self.0)
    }
}
