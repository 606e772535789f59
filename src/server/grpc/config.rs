//! The configuration of the gRPC server. Every value of these types is valid.

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
    /// The crate `wire` of this workspace.
    Wire,
    /// The crate `hyper`.
    Hyper,
}

/// The workers and the limits of their connections. A duration of zero means "never" only where it is documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The number of worker threads.
    pub workers: NonZeroUsize,
    /// The age at which a connection is sent GOAWAY, plus or minus a tenth. Zero: never, as in grpc-go.
    pub max_connection_age: Duration,
    /// How long calls may continue after that GOAWAY before the connection is closed. Zero: for ever, as in grpc-go.
    pub max_connection_age_grace: Duration,
    /// The maximum number of concurrent calls on one connection; further calls wait at the client.
    pub max_concurrent_streams: NonZeroU32,
    /// The maximum size of the headers of one call, in bytes as HTTP/2 counts them (`SETTINGS_MAX_HEADER_LIST_SIZE`).
    pub max_header_list_size: u32,
    /// The implementation of HTTP/2.
    pub http2: Http2,
    /// The flow control window of a connection with [`Http2::Wire`]: how many bytes of unfinished requests it may hold.
    /// See [`window_for`].
    pub connection_window: u32,
    /// The flow control window of a stream with [`Http2::Wire`], which determines the longest message. See
    /// [`window_for`].
    pub stream_window: u32,
    /// Limits that have no setting.
    pub limits: ConnectionLimits,
}

/// Limits on the resources that connections use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The maximum number of open connections, of all workers together. For a further one, the connection that has
    /// waited longest for its peer's first bytes is evicted; if all peers have sent something, the new one is rejected.
    pub max_connections: usize,
    /// How long a peer may take for the TLS handshake and the HTTP/2 preface together.
    pub preface_timeout: Duration,
    /// How long a TCP connection may be silent before the kernel probes the peer. Whole seconds; zero: never.
    pub keepalive_interval: Duration,
    /// How long the peer's kernel may take to acknowledge a probe, or a response, before the connection is closed.
    pub keepalive_timeout: Duration,
    /// How many bytes of responses may wait to be sent on one stream, with [`Http2::Hyper`].
    pub max_send_buffer_size: usize,
    /// How many streams of one connection its peer may open and reset before the worker has seen them, with
    /// [`Http2::Hyper`]; a further one closes the connection (the rapid reset attack).
    ///
    /// A peer that cancels calls after a few milliseconds, as Envoy does, leaves thousands of them in the socket while
    /// the worker does not run: a container with CPU throttling can be stopped for most of every 100 ms. Closing the
    /// connection would then fail every other call on it as well. So the limit is above what one turn of a connection
    /// reads, 17 KiB, after which the worker sees every stream. Such a stream holds about 1 KiB and the headers that
    /// arrived in that turn.
    pub max_pending_reset_streams: usize,
    /// How many bytes of responses may wait for peers that do not read them, in the whole process, with
    /// [`Http2::Wire`].
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

/// The size of an HTTP/2 flow control window for this many bytes of messages and their framing.
#[must_use]
pub fn window_for(bytes: usize) -> u32 {
    const FRAMING: usize = 16 << 10;
    u32::try_from(bytes.saturating_add(FRAMING)).unwrap_or(u32::MAX)
}

/// What the server shares with the rest of the process.
#[derive(Clone, Debug, Default)]
pub struct ServerContext {
    /// The TLS configuration; `None`: connections are plaintext.
    pub tls: Option<Arc<ServerTls>>,
    /// Where calls and connections that are rejected are counted.
    pub rejections: Arc<Rejections>,
}

/// Identifies a worker, by its number from 0. Displayed as the name of its thread: `worker-0`.
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
