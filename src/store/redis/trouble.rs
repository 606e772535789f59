//! Tells the log what Redis says when it refuses, or says what makes no sense: a line now and then, not one for each request.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Answer, GroupError};

/// Between two lines.
const QUIET: Duration = Duration::from_secs(10);

/// When the last line was written, and how much was left out since. Shared by the stores of all workers.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<(Option<Instant>, u64)>);

impl Trouble {
    /// A whole call was refused in these words.
    pub(super) fn refused(&self, text: &str) {
        self.tell("redis refused a call", &text);
    }

    /// The reply to a call makes no sense.
    pub(super) fn unreadable(&self, error: &dyn Display) {
        self.tell("redis' reply cannot be read", error);
    }

    /// Hits that belong together have counters that may be on different servers.
    pub(super) fn divided(&self) {
        self.tell(
            "a request that is all or nothing was not counted, because a call to this Redis may carry one key",
            &"use one rate_limit for each descriptor, no `atomic: true` and no \
              STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT; or, if one server has all keys, set REDIS_KEYS_PER_CALL=many",
        );
    }

    /// Groups of a call may have been refused. Their keys hold what clients sent, so they are not told.
    pub(super) fn watch(&self, answers: &[Answer]) {
        for answer in answers {
            match answer {
                Ok(_) => {}
                Err(GroupError::Refused { text, .. }) => self.tell("redis refused a counter", text),
                Err(GroupError::Diverged { .. }) => self.tell(
                    "the script and this service disagree on a counter",
                    &"report it with the versions of both and the CPU",
                ),
            }
        }
    }

    fn tell(&self, what: &str, words: &dyn Display) {
        let now = Instant::now();
        let left_out = {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if told.0.is_some_and(|last| now.duration_since(last) < QUIET) {
                told.1 += 1;
                return;
            }
            std::mem::replace(&mut *told, (Some(now), 0)).1
        };
        tracing::warn!(left_out, "{what}: {words}");
    }
}
