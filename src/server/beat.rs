//! Whether a worker runs its tasks: it is asked, and answers when it comes to it. Nothing happens while nobody asks.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The question to one worker.
#[derive(Debug, Default)]
pub(super) struct Beat {
    /// Since when the question has been open.
    asked: Mutex<Option<Instant>>,
    ask: Notify,
}

impl Beat {
    /// Asks, unless that has been done; for how long the question has been open.
    pub(super) fn ask(&self) -> Duration {
        let since = *self.asked.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.ask.notify_one();
        since.elapsed()
    }

    /// Answers, for as long as this runs.
    pub(super) async fn answer(&self) {
        loop {
            self.ask.notified().await;
            *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_open_until_the_worker_comes_to_it() {
        let beat = Beat::default();
        let since = || *beat.asked.lock().expect("no panic");
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
    }
}
