//! Whether a worker runs its tasks: it is asked, and answers when it comes to it. Nothing happens while nobody asks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The question to one worker.
#[derive(Debug, Default)]
pub(super) struct Beat {
    question: Mutex<Question>,
    ask: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Question {
    /// Nobody has asked, or it was answered.
    #[default]
    None,
    /// Asked at this time.
    Open(Instant),
    /// The worker has ended as it should, with all its connections. It owes no answer.
    Over,
}

impl Beat {
    /// Asks, unless that has been done; for how long the question has been open.
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

    /// Answers, for as long as this runs.
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
        let first = beat.ask();
        std::thread::sleep(Duration::from_millis(20));
        assert!(beat.ask() >= first + Duration::from_millis(20), "nobody answers");
        tokio::select! {
            () = beat.answer() => {}
            () = async { while *beat.lock() != Question::None { tokio::task::yield_now().await } } => {}
        }
        let again = beat.ask();
        assert_ne!(*beat.lock(), Question::None, "{again:?}");
        beat.end();
        assert_eq!(beat.ask(), Duration::ZERO, "it has ended");
    }
}
