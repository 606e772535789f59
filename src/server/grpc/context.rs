//! What the connections of a worker share: how they are opened, their limits, the parameters of HTTP/2.

use std::{sync::Arc, time::Duration};

use hyper::server::conn::http2;
use hyper_util::rt::TokioExecutor;

use super::{Http2, ServerConfig, ServerContext};
use crate::{rejections::Rejections, server::listen::Opening};

/// hyper's flow control window of a stream. Calls are read as they arrive; only a reflection stream whose client does
/// not read the responses is not.
const STREAM_WINDOW: u32 = 64 << 10;

/// hyper's flow control window of a connection. h2 derives from it how many short frames may be buffered; `turn` keeps
/// their number below that.
const CONNECTION_WINDOW: u32 = 128 << 10;

/// The least value of wire's limit on the encoded length of a header block, in bytes.
const LEAST_BLOCK: usize = 64 << 10;

/// What the connections of a worker share.
#[derive(Debug)]
pub(super) struct ConnectionContext {
    pub(super) opening: Opening,
    pub(super) http2: Http2,
    pub(super) hyper: http2::Builder<TokioExecutor>,
    pub(super) wire: Arc<wire::Config>,
    pub(super) buffers: wire::Buffers,
    pub(super) rejections: Arc<Rejections>,
    pub(super) age: Duration,
    pub(super) grace: Duration,
}

impl ConnectionContext {
    pub(super) fn new(config: &ServerConfig, context: &ServerContext, held: Arc<wire::HeldReplies>) -> Self {
        let limits = &config.limits;
        let max_streams = config.max_concurrent_streams.get();
        let mut hyper = http2::Builder::new(TokioExecutor::new());
        hyper
            // gRPC clients do not use a date, which would be a further header on each response.
            .auto_date_header(false)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_concurrent_streams(max_streams)
            .max_header_list_size(config.max_header_list_size)
            .max_send_buf_size(limits.max_send_buffer_size.min(u32::MAX as usize))
            .max_pending_accept_reset_streams(limits.max_pending_reset_streams);
        let wire = wire::Config {
            max_streams,
            stream_window: config.stream_window,
            connection_window: config.connection_window,
            max_field_list: config.max_header_list_size,
            max_block: (config.max_header_list_size as usize).saturating_mul(2).max(LEAST_BLOCK),
            held,
            ..wire::Config::default()
        };
        Self {
            opening: Opening::new(context.tls.clone(), limits.preface_timeout),
            http2: config.http2,
            hyper,
            wire: Arc::new(wire),
            buffers: wire::Buffers::default(),
            rejections: Arc::clone(&context.rejections),
            age: never_if_zero(config.max_connection_age),
            grace: never_if_zero(config.max_connection_age_grace),
        }
    }
}

fn never_if_zero(duration: Duration) -> Duration {
    if duration.is_zero() { Duration::MAX } else { duration }
}
