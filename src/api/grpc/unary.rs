//! The interface of a unary method: the bytes of a message in, the bytes of the answer's frame out.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
    time::Instant,
};

use tonic::Code;

use crate::rejections::Reason;

/// A unary method. It appends an answer to `out` as one gRPC frame, or nothing.
pub trait Unary: fmt::Debug + Send + Sync + 'static {
    /// An answer that is not ready yet.
    type Pending: PendingAnswer;

    /// Answers a complete, uncompressed message without waiting. `deadline`: deadline from `grpc-timeout`, less a
    /// response margin.
    fn answer(&self, message: &[u8], deadline: Option<Instant>, out: &mut Vec<u8>) -> Outcome<Self::Pending>;

    /// Appends the answer to a request that is rejected for this reason, if a setting replaces the error by an answer.
    /// Returns whether it does.
    fn answer_undecidable(&self, reason: Reason, out: &mut Vec<u8>) -> bool;
}

/// The result of [`Unary::answer`].
#[derive(Debug)]
#[must_use = "a pending answer is abandoned when this is dropped"]
pub enum Outcome<P> {
    /// The answer was appended.
    Answered(Option<Note>),
    /// There is no answer, for this reason.
    Rejected(Rejection),
    /// The answer is not ready yet.
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

/// An answer that is not ready yet. Dropping it abandons the call.
pub trait PendingAnswer: fmt::Debug + Send + Unpin + 'static {
    /// Appends the answer when it is ready. Like a future, it must not be polled again after that.
    fn poll_answer(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Rejection>>;
}

/// The pending answer of a method that never waits: there is none.
impl PendingAnswer for Infallible {
    fn poll_answer(&mut self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<Result<(), Rejection>> {
        match *self {}
    }
}

/// Additional information in the response headers, which Envoy ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// `x-tollgate-domain: unknown`: no rules have the request's domain.
    UnknownDomain,
}

/// The error of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// The gRPC status code.
    pub code: Code,
    /// The status message. It must not contain values that a client sent.
    pub message: String,
    /// The reason to count it under; `None` if it is not counted as a rejection, such as a failure of the store.
    pub reason: Option<Reason>,
}
