//! A unary method as the gRPC port serves it: the bytes of a message in, those of the answer out.

use std::{fmt, time::Instant};

use bytes::Bytes;
use tonic::Code;

use super::frame;
use crate::{domain::BoxFuture, rejections::Reason};

/// A unary method.
pub trait Unary: fmt::Debug + Send + Sync {
    /// Answers one message, which came whole and is not compressed. `deadline` is when its caller no longer gains by an
    /// answer.
    fn call(&self, message: Bytes, deadline: Option<Instant>) -> Reply;

    /// What to answer to a request that is rejected for this reason, in place of the error that says why; `None`: that error.
    fn undecidable(&self, reason: Reason) -> Option<Answer>;
}

/// What a method makes of a message.
pub enum Reply {
    /// It had not to wait.
    Ready(Result<Answer, Rejection>),
    /// It waits.
    Pending(BoxFuture<'static, Result<Answer, Rejection>>),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// An encoded answer, framed as gRPC has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) frame: Bytes,
    pub(super) note: Option<Note>,
}

/// What the head of an answer says to those who look: Envoy does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// `x-tollgate-domain: unknown`: no rules have the request's domain.
    UnknownDomain,
}

impl Answer {
    /// An answer of one frame, which holds its whole message.
    #[must_use]
    pub fn framed(frame: Vec<u8>) -> Self {
        Self { frame: frame.into(), note: None }
    }

    /// The same with a note.
    #[must_use]
    pub fn with(self, note: Option<Note>) -> Self {
        Self { note, ..self }
    }

    /// The message, without the frame's prefix.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.frame.get(frame::PREFIX..).unwrap_or_default()
    }
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
