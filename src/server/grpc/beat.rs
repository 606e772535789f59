//! Health probes of a worker: a probe is answered as soon as the worker runs its tasks. Without probes nothing runs.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The probe of one worker.
#[derive(Debug, Default)]
pub(super) struct Beat {
    question: Mutex<Question>,
    ask: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Question {
    /// No probe is open.
    #[default]
    None,
    /// A probe is open since this time.
    Open(Instant),
    /// The worker has ended normally, with all its connections. It answers no probes.
    Over,
}

impl Beat {
    /// Opens a probe, unless one is open; returns for how long it has been open.
    pub(super) fn ask(&self) -> Duration {
        let mut question = self.lock();
        let since = match *question {
            Question::Over => return Duration::ZERO,
            Question::Open(since) => since,
            Question::None => Instant::now(),
        };
        *question = Question::Open(since);
        self.ask.notify_one();
        since.elapsed()
    }

    /// The worker has ended, and not by a panic.
    pub(super) fn end(&self) {
        *self.lock() = Question::Over;
    }

    fn lock(&self) -> MutexGuard<'_, Question> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers probes, for as long as this runs.
    pub(super) async fn answer(&self) {
        loop {
            self.ask.notified().await;
            *self.lock() = Question::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_open_until_the_worker_comes_to_it() {
        let beat = Beat::default();
        let since = || match *beat.lock() {
            Question::Open(since) => Some(since),
            Question::None | Question::Over => None,
        };
        beat.ask();
        let first = since().expect("a question");
        std::thread::sleep(Duration::from_millis(20));
        assert!(beat.ask() >= Duration::from_millis(20) && since() == Some(first), "nobody answers");
        tokio::select! {
            () = beat.answer() => {}
            () = async { while since().is_some() { tokio::task::yield_now().await } } => {}
        }
        beat.ask();
        assert!(since() > Some(first), "it was answered, and this is another question");
        beat.end();
        assert_eq!(beat.ask(), Duration::ZERO, "it has ended");
    }
}
