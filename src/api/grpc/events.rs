//! What the crate wire rejects, as it is counted and logged.

use std::fmt;

use wire::{ErrorCode, Event};

use crate::rejections::Reason;

/// An event, described for the log.
pub(super) struct Described {
    /// How it is counted.
    pub(super) reason: Reason,
    code: Option<ErrorCode>,
    why: &'static str,
    then: &'static str,
}

impl From<Event> for Described {
    fn from(event: Event) -> Self {
        match event {
            Event::FieldsDropped => {
                let why = "the headers of a request are longer than MAX_HEADER_LIST_BYTES";
                let then = "what is beyond was dropped, and the call decided all the same";
                Self { reason: Reason::HeadersTooLarge, code: None, why, then }
            }
            Event::Reset { code, why } => {
                let reason = match code {
                    ErrorCode::PROTOCOL_ERROR => Reason::StreamProtocol,
                    ErrorCode::REFUSED_STREAM => Reason::StreamRefused,
                    _ => Reason::StreamOther,
                };
                Self { reason, code: Some(code), why, then: "the stream was reset" }
            }
            Event::Closed { code, why } => {
                let is_flood = code == ErrorCode::ENHANCE_YOUR_CALM;
                let reason = if is_flood { Reason::Flood } else { Reason::ConnectionError };
                Self { reason, code: Some(code), why, then: "the connection was closed with all its calls" }
            }
            Event::TooSlow { why } => {
                Self { reason: Reason::TooSlow, code: None, why, then: "the connection was closed" }
            }
        }
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, why, then, .. } = self;
        match code {
            Some(code) => write!(f, "{code}: {why}; {then}"),
            None => write!(f, "{why}; {then}"),
        }
    }
}
