//! The progress line on a terminal, and the signal that ends a run early.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    report::format::{count, things},
    run::Progress,
};

/// A line on standard error that is overwritten at each update. Writes nothing if standard error is not a terminal.
#[derive(Debug)]
pub struct Line {
    shown: bool,
    title: String,
    length: Option<Duration>,
    before: Option<Progress>,
}

impl Default for Line {
    fn default() -> Self {
        Self { shown: io::stderr().is_terminal(), title: String::new(), length: None, before: None }
    }
}

impl Line {
    /// Starts a run with its title, and its duration if that is known.
    pub fn begin(&mut self, title: &str, length: Option<Duration>) {
        self.title = if title.is_empty() { String::new() } else { format!("{title}: ") };
        self.length = length;
        self.before = None;
    }

    /// Shows the progress, and the rate since the last call.
    pub fn show(&mut self, progress: Progress) {
        let before = self.before.replace(progress);
        self.say(&format!("{}{}", self.title, text(progress, before, self.length)));
    }

    /// Shows a text instead.
    pub fn say(&self, text: &str) {
        if self.shown {
            // a run continues without its terminal
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }

    /// Clears the line.
    pub fn clear(&self) {
        self.say("");
    }
}

fn text(now: Progress, before: Option<Progress>, length: Option<Duration>) -> String {
    let of = length.map_or_else(String::new, |length| format!(" of {}", seconds(length)));
    let failed = if now.failed > 0 { format!(", {}", things(now.failed, "error")) } else { String::new() };
    let since = before.map_or(Duration::ZERO, |before| before.elapsed);
    let seconds_since = (now.elapsed.saturating_sub(since)).as_secs_f64();
    let answered = now.answered - before.map_or(0, |before| before.answered);
    let rate = if seconds_since > 0.0 { (answered as f64 / seconds_since).round() as u64 } else { 0 };
    format!("{}{of}: {} answers/s, {} in all{failed}", seconds(now.elapsed), count(rate), count(now.answered))
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

/// Completes on SIGINT or SIGTERM. From this call on, these signals do not terminate the process by themselves.
///
/// # Errors
/// If no handler can be installed.
pub fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_rate_since_the_previous_one() {
        let at = |seconds, answered, failed| Progress { elapsed: Duration::from_secs(seconds), answered, failed };
        assert_eq!(text(at(0, 0, 0), None, None), "0 s: 0 answers/s, 0 in all");
        let length = Some(Duration::from_secs(11));
        assert_eq!(text(at(4, 9000, 0), Some(at(2, 4000, 0)), length), "4 s of 11 s: 2 500 answers/s, 9 000 in all");
        assert!(text(at(4, 9000, 1), None, length).ends_with("9 000 in all, 1 error"));
    }
}
