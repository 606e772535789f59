//! What a server does with its calls, behind one trait.

use std::{task::Context, time::Instant};

use crate::{ErrorCode, Head, Reply};

/// Answers the calls of one connection. Every method returns at once; what has to wait is polled.
pub trait Handler {
    /// What is kept of a call, from its head until its reply is whole. Dropped at once if the peer resets the stream or
    /// the connection ends.
    type Call;

    /// A request's head has come. Its body follows by [`Handler::data`], at least once, also if it is empty.
    fn open(&mut self, head: &Head<'_>, now: Instant) -> Opened<Self::Call>;

    /// A part of the body has come. With `is_end` it was the last one, and nothing follows.
    ///
    /// The bytes stay charged to the windows of stream and connection until [`Reply::release`] gives them back or the
    /// stream is closed.
    fn data(&mut self, call: &mut Self::Call, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress;

    /// The call has begun to wait, or its waker or that of another call was used, or there is room for more of its
    /// reply again: it could not send all the last time, or asked for room, and none was left.
    fn poll(&mut self, call: &mut Self::Call, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress;

    /// The request has not ended in time. If it is not [`Progress::Done`] then, the stream is reset.
    fn expire(&mut self, call: &mut Self::Call, reply: &mut Reply<'_>) -> Progress;

    /// Something was rejected, on this connection, before a call came of it.
    fn report(&mut self, event: Event);
}

/// A call that has begun.
#[derive(Debug)]
pub struct Opened<C> {
    /// What is kept of it.
    pub call: C,
    /// When [`Handler::expire`] is due, unless the request has ended by then. `None` for one that may go on for ever,
    /// as that of a stream in both directions does.
    pub until: Option<Instant>,
    /// Whether it is polled before any of the request's body has come, as with [`Progress::Waiting`].
    pub is_waiting: bool,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The rest of the request is wanted.
    Receiving,
    /// It has to wait: [`Handler::poll`] is due when its waker is used, or when the reply has room again.
    Waiting,
    /// The reply is whole; [`Reply`] holds what could not be sent yet. The rest of the request is discarded.
    Done,
}

/// What was rejected, or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream was reset.
    Reset {
        /// With this code.
        code: ErrorCode,
        /// What was wrong.
        why: &'static str,
    },
    /// The connection is closed with all its calls, for an error of its peer.
    Closed {
        /// With this code; [`ErrorCode::ENHANCE_YOUR_CALM`] if a bound was met.
        code: ErrorCode,
        /// What was wrong.
        why: &'static str,
    },
    /// The peer did not go on in time with what it had begun, and the connection is closed.
    TooSlow {
        /// With what.
        why: &'static str,
    },
    /// Fields of a request were dropped, for its list was longer than may be. The call goes on.
    FieldsDropped,
}
