//! Errors of a reply, as a whole or for one group.

use limiter::domain::CounterKey;

/// A reply that the script of this build cannot have made for the call. What was charged is unknown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReplyError {
    /// It ends early.
    #[error("redis' reply ends after {length} bytes, but at byte {at} another {wanted} were due: did a proxy cut it?")]
    Short {
        /// Where the missing part would begin.
        at: usize,
        /// Its length.
        wanted: usize,
        /// The reply's length.
        length: usize,
    },
    /// It goes on after the last group.
    #[error("redis' reply has {length} bytes, {used} for the groups of this call: is it the reply to another one?")]
    Long {
        /// Bytes that were read.
        used: usize,
        /// The reply's length.
        length: usize,
    },
    /// A byte that should name the kind of the next part, and names none.
    #[error("redis' reply has {byte} at byte {at}, which is no mark: is it the reply to another call?")]
    Mark {
        /// The byte.
        byte: u8,
        /// Its position.
        at: usize,
    },
    /// An error of a counter that the group does not have.
    #[error("redis' reply tells of counter {counter} of a group that has {counters}: is it the reply to another call?")]
    Counter {
        /// The number in the reply; 1 is the first.
        counter: u32,
        /// How many there are.
        counters: usize,
    },
    /// Its time is no instant.
    #[error("redis' reply tells the time as {0} µs, which is none: did a proxy change it?")]
    Time(f64),
}

/// Why one group of a call has no verdicts. Its neighbours may have theirs.
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
    /// The script charged what the service would not have, or the reverse: they round differently.
    #[error("the script and this service disagree on counter {key}; report it with the versions of both and the CPU")]
    Diverged {
        /// The counter.
        key: CounterKey,
    },
}

impl GroupError {
    /// `key` was refused with this error. Redis 6 prefixes some with the line of the script, which is removed.
    pub(super) fn refused(key: CounterKey, text: &str) -> Self {
        let plain = text
            .strip_prefix("@user_script: ")
            .and_then(|rest| rest.split_once(": "))
            .map_or(text, |(_line, words)| words.strip_prefix('-').unwrap_or(words));
        Self::Refused { key, text: plain.trim_end().into() }
    }

    /// The error code: `WRONGTYPE`, `READONLY`, `OOM`, `NOPERM`, …; two are the script's own: `WRONGVALUE`, for a
    /// string that is no counter, and `CLOCK`, for a calendar that was sent for another time. Empty for an error that
    /// is not of Redis.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { text, .. } => text.split(' ').next().unwrap_or_default(),
            Self::Diverged { .. } => "",
        }
    }
}
