//! Errors in a reply of the script: of the whole reply, or of one group.

use limiter::domain::CounterKey;

/// A reply that the script of this build cannot have returned for the call. What was charged is unknown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplyError {
    /// The reply ends early.
    #[error(
        "redis' reply has {length} bytes, too few for the {wanted} expected at byte {at}: did a proxy truncate it?"
    )]
    Short {
        /// Where the missing part would begin.
        at: usize,
        /// The length of the missing part, in bytes.
        wanted: usize,
        /// The reply's length.
        length: usize,
    },
    /// The reply continues after the last group.
    #[error("redis' reply has {length} bytes, but this call's groups take {used}: is it the reply to another call?")]
    Long {
        /// Bytes that were read.
        used: usize,
        /// The reply's length.
        length: usize,
    },
    /// A byte that should name the kind of the next part has another value.
    #[error("redis' reply has an unknown mark {byte} at byte {at}: is it the reply to another call?")]
    Mark {
        /// The byte.
        byte: u8,
        /// Its position.
        at: usize,
    },
    /// The reply has an error of a counter that the group does not have.
    #[error("redis' reply names counter {counter} of a group that has {counters}: is it the reply to another call?")]
    Counter {
        /// The number in the reply; 1 is the first.
        counter: u32,
        /// How many there are.
        counters: usize,
    },
    /// The time in the reply is out of range.
    #[error("redis' reply has the time {0} µs, which is out of range: did a proxy change it?")]
    Time(f64),
}

/// Why one group of a call has no verdicts. Other groups of the call may have theirs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Redis refused to read or write a counter.
    #[error("redis refused counter {key}: {text}")]
    Refused {
        /// The counter.
        key: CounterKey,
        /// Redis' own words; see [`GroupError::code`].
        text: Box<str>,
    },
    /// The script charged a counter that the service would not have charged, or the reverse: they round differently.
    #[error("the script and this service disagree on counter {key}; report it with the versions of both and the CPU")]
    Diverged {
        /// The counter.
        key: CounterKey,
    },
}

impl GroupError {
    /// Redis refused `key` with this error. Redis 6 prefixes some errors with the line of the script, which is removed.
    pub(super) fn refused(key: CounterKey, text: &str) -> Self {
        let plain = text
            .strip_prefix("@user_script: ")
            .and_then(|rest| rest.split_once(": "))
            .map_or(text, |(_line, words)| words.strip_prefix('-').unwrap_or(words));
        Self::Refused { key, text: plain.trim_end().into() }
    }

    /// The error code: `WRONGTYPE`, `READONLY`, `OOM`, `NOPERM`, …. Two are the script's own: `WRONGVALUE`, for a
    /// string that is not a counter, and `CLOCK`, for a calendar that was sent for another time. Empty for an error
    /// that does not come from Redis.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { text, .. } => text.split(' ').next().unwrap_or_default(),
            Self::Diverged { .. } => "",
        }
    }
}
