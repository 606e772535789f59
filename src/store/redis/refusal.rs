//! What an error that Redis answered with means for the store.

use crate::domain::Refusal;

/// The first word of an error: its code.
pub(super) fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// An error of this code, as the store tells it.
pub(super) fn of(code: &str) -> Refusal {
    match code {
        "READONLY" | "NOREPLICAS" => Refusal::ReadOnly,
        "OOM" => Refusal::OutOfMemory,
        "WRONGTYPE" | "WRONGVALUE" => Refusal::WrongType,
        "NOPERM" | "NOAUTH" | "WRONGPASS" => Refusal::NotPermitted,
        "LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "CLOCK" => Refusal::NotReady,
        _ => Refusal::Other,
    }
}

/// How to send a call once more, after an error that proves that nothing of it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// At once, with the text of the script.
    WithText,
    /// After a pause, in parts if it has several groups.
    Apart,
    /// After a pause.
    Later,
}

/// What may be done after an error of this code; `None`: nothing, it may have run or would fail again.
pub(super) fn again(code: &str) -> Option<Again> {
    match code {
        "NOSCRIPT" => Some(Again::WithText),
        "TRYAGAIN" => Some(Again::Apart),
        // the script's own: the next call is made for the time that this one told
        "CLOCK" => Some(Again::Later),
        "MOVED" | "ASK" | "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "READONLY" => Some(Again::Later),
        _ => None,
    }
}
