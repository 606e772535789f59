//! Logs refusals and unreadable replies of Redis: at most one line in ten seconds, not one for each request.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Answer, GroupError};

/// The least time between two lines.
const QUIET: Duration = Duration::from_secs(10);

/// When the last line was logged, and how many lines were suppressed since. Shared by the stores of all workers.
#[derive(Debug, Default)]
pub(super) struct ErrorLog(Mutex<(Option<Instant>, u64)>);

impl ErrorLog {
    /// Logs that a whole call was refused with this error.
    pub(super) fn refused(&self, text: &str) {
        self.log("redis refused a call", &text);
    }

    /// Logs that the reply to a call cannot be decoded.
    pub(super) fn unreadable(&self, error: &dyn Display) {
        self.log("redis' reply cannot be read", error);
    }

    /// Logs that a request was refused because its hits are charged all or none, and their counters may be on different
    /// servers.
    pub(super) fn divided(&self) {
        self.log(
            "a request that is all or nothing was not counted, because a call to this Redis may carry only one key",
            &"use one rate_limit for each descriptor, no `atomic: true` and no \
              STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT; or, if one server has all keys, set REDIS_KEYS_PER_CALL=many",
        );
    }

    /// Logs the errors of single groups of a call, without the keys: these contain what clients sent.
    pub(super) fn watch(&self, answers: &[Answer]) {
        for answer in answers {
            match answer {
                Ok(_) => {}
                Err(GroupError::Refused { text, .. }) => self.log("redis refused a counter", text),
                Err(GroupError::Diverged { .. }) => self.log(
                    "the script and this service disagree on a counter",
                    &"report it with the versions of both and the CPU",
                ),
            }
        }
    }

    fn log(&self, what: &str, detail: &dyn Display) {
        let now = Instant::now();
        let left_out = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0.is_some_and(|last| now.duration_since(last) < QUIET) {
                state.1 += 1;
                return;
            }
            std::mem::replace(&mut *state, (Some(now), 0)).1
        };
        tracing::warn!(left_out, "{what}: {detail}");
    }
}
