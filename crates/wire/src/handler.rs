//! The interface between connections and a server's calls.

use std::{task::Context, time::Instant};

use crate::{ErrorCode, Head, Reply};

/// Answers the calls of one connection. No method blocks; a call that has to wait is polled.
pub trait Handler {
    /// The state of a call, from its head until its reply is complete. Dropped immediately if the peer resets the
    /// stream or the connection ends.
    type Call;

    /// Handles the head of a request. The body follows by [`Handler::data`], which is called at least once, even if the
    /// body is empty.
    fn open(&mut self, head: &Head<'_>, now: Instant) -> Opened<Self::Call>;

    /// Handles a part of the body. If `is_end` is set it is the last one.
    ///
    /// The bytes count against the receive windows of stream and connection until [`Reply::release`] returns them or
    /// the stream is closed.
    fn data(&mut self, call: &mut Self::Call, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress;

    /// Continues a call: it has just begun to wait, its waker or that of another call was used, or there is room for
    /// more of its reply after it could not send everything or asked for room and there was none.
    fn poll(&mut self, call: &mut Self::Call, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress;

    /// Handles a request that has not ended in time. Unless this returns [`Progress::Done`], the stream is reset.
    fn expire(&mut self, call: &mut Self::Call, reply: &mut Reply<'_>) -> Progress;

    /// Reports that something was rejected on this connection before it became a call.
    fn report(&mut self, event: Event);
}

/// A call that has begun.
#[derive(Debug)]
pub struct Opened<C> {
    /// The state of the call.
    pub call: C,
    /// When [`Handler::expire`] is due unless the request has ended by then; `None` if the request may last forever, as
    /// that of a bidirectional stream may.
    pub until: Option<Instant>,
    /// Whether to poll it before any of the request's body arrives, as after [`Progress::Waiting`].
    pub is_waiting: bool,
}

/// The state of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It needs the rest of the request.
    Receiving,
    /// It waits: [`Handler::poll`] is due when its waker is used, or when the reply has room again.
    Waiting,
    /// The reply is complete; [`Reply`] holds what could not be sent yet. The rest of the request is discarded.
    Done,
}

/// What was rejected or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream was reset.
    Reset {
        /// The error code sent.
        code: ErrorCode,
        /// The reason.
        why: &'static str,
    },
    /// The connection was closed with all its calls because of an error of the peer.
    Closed {
        /// The error code sent; [`ErrorCode::ENHANCE_YOUR_CALM`] if a limit was exceeded.
        code: ErrorCode,
        /// The reason.
        why: &'static str,
    },
    /// The connection was closed because the peer did not complete in time what it had begun.
    TooSlow {
        /// The reason.
        why: &'static str,
    },
    /// Fields of a request were dropped because its list was too long. The call continues.
    FieldsDropped,
}
