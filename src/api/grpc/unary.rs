//! A unary method as the gRPC port serves it: the bytes of a message in, those of the answer's frame out.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Instant,
};

use tonic::Code;

use crate::rejections::Reason;

/// A unary method. What is appended to `out` is an answer as one frame of gRPC, or nothing.
pub trait Unary: fmt::Debug + Send + Sync + 'static {
    /// An answer that has to be waited for.
    type Pending: PendingAnswer;

    /// Answers one message, which came whole and is not compressed, without waiting. `deadline` is when its caller no longer
    /// gains by an answer.
    fn answer(&self, message: &[u8], deadline: Option<Instant>, out: &mut Vec<u8>) -> Outcome<Self::Pending>;

    /// Appends what is answered to a request that is rejected for this reason, in place of the error that says why; whether
    /// there is such an answer.
    fn answer_undecidable(&self, reason: Reason, out: &mut Vec<u8>) -> bool;
}

/// What became of a message at once.
#[derive(Debug)]
#[must_use = "a pending answer is abandoned when this is dropped"]
pub enum Outcome<P> {
    /// The answer was appended.
    Answered(Option<Note>),
    /// There is none, for this reason.
    Rejected(Rejection),
    /// The answer has to be waited for.
    Pending(P),
}

impl<P> Outcome<P> {
    /// The same, with another type of what is pending.
    #[inline]
    pub(in crate::api) fn map_pending<Q>(self, map: impl FnOnce(P) -> Q) -> Outcome<Q> {
        match self {
            Self::Answered(note) => Outcome::Answered(note),
            Self::Rejected(rejection) => Outcome::Rejected(rejection),
            Self::Pending(pending) => Outcome::Pending(map(pending)),
        }
    }
}

/// An answer that waits. Dropped, it is abandoned.
pub trait PendingAnswer: fmt::Debug + Send + Unpin + 'static {
    /// Appends the answer once it is there. Like a future, it must not be polled again after that.
    fn poll_answer(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Rejection>>;
}

/// Of a method that answers at once.
impl PendingAnswer for Infallible {
    fn poll_answer(&mut self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<Result<(), Rejection>> {
        match *self {}
    }
}

/// What the head of an answer says to those who look: Envoy does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// `x-tollgate-domain: unknown`: no rules have the request's domain.
    UnknownDomain,
}

/// Why a method has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// The status code.
    pub code: Code,
    /// The status message. Must not hold values that a client sent.
    pub message: String,
    /// How it is counted; `None`: not here, for the fault is neither the request's nor the lack of rules.
    pub reason: Option<Reason>,
}
