//! Descriptions of the events that the crate wire reports, for counters and the log.

use std::fmt;

use wire::{ErrorCode, Event};

use crate::rejections::Reason;

/// An event, described for the log.
pub(super) struct Described {
    /// The reason to count it under.
    pub(super) reason: Reason,
    code: Option<ErrorCode>,
    cause: &'static str,
    consequence: &'static str,
}

impl From<Event> for Described {
    fn from(event: Event) -> Self {
        match event {
            Event::FieldsDropped => {
                let cause = "the headers of a request are longer than MAX_HEADER_LIST_BYTES";
                let consequence = "the headers beyond were dropped, and the call was decided without them";
                Self { reason: Reason::HeadersTooLarge, code: None, cause, consequence }
            }
            Event::Reset { code, why: cause } => {
                let reason = match code {
                    ErrorCode::PROTOCOL_ERROR => Reason::StreamProtocol,
                    ErrorCode::REFUSED_STREAM => Reason::StreamRefused,
                    _ => Reason::StreamOther,
                };
                Self { reason, code: Some(code), cause, consequence: "the stream was reset" }
            }
            Event::Closed { code, why: cause } => {
                let is_flood = code == ErrorCode::ENHANCE_YOUR_CALM;
                let reason = if is_flood { Reason::Flood } else { Reason::ConnectionError };
                Self { reason, code: Some(code), cause, consequence: "the connection was closed with all its calls" }
            }
            Event::TooSlow { why: cause } => {
                Self { reason: Reason::TooSlow, code: None, cause, consequence: "the connection was closed" }
            }
        }
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, cause, consequence, .. } = self;
        match code {
            Some(code) => write!(f, "{code}: {cause}; {consequence}"),
            None => write!(f, "{cause}; {consequence}"),
        }
    }
}
