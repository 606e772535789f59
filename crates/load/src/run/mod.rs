//! One run of load against one server: its threads, start and end, and its cost.
//!
//! ```text
//!  run ─▶ thread (one current-thread runtime each) ─▶ driver: one connection ─▶ lane: what is due, how it ended
//!   └── start, stop, progress, tallies ◀─┘               └ session (h2), alarm     └ schedule
//! ```

mod alarm;
mod connection;
mod lane;
mod schedule;
mod session;
mod tally;
mod thread;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep_until},
};

pub use self::{
    alarm::Alarm,
    schedule::Schedule,
    session::ConnectError,
    tally::{Connections, Occurred, Tally},
};
use self::{
    lane::{Shared, Window},
    thread::{Event, Thread},
};
use crate::{
    cpu::{Costs, Meter},
    scenario::Scenario,
    target::Target,
};

/// The time between the last connection and the first request.
const LEAD: Duration = Duration::from_millis(20);
const BETWEEN_REPORTS: Duration = Duration::from_millis(500);

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The server is unreachable, or does not speak HTTP/2.
    #[error("cannot reach {target}: {error}; is the service running, and is this its gRPC port (8081 by default)?")]
    Unreachable {
        /// The server.
        target: Target,
        /// The reason.
        error: ConnectError,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread that makes load: {0}")]
    Thread(io::Error),
    /// A runtime or a timer failed.
    #[error("a thread that makes load failed: {0}")]
    Failed(String),
}

/// The results of the measured time.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Counts and latencies.
    pub tally: Tally,
    /// The length of the measured time.
    pub elapsed: Duration,
    /// The CPU time of the measured time.
    pub costs: Costs,
    /// Whether the run was ended early.
    pub stopped: bool,
}

impl Measured {
    /// Responses per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.tally.arrived as f64 / seconds } else { 0.0 }
    }

    /// A cost in microseconds for each response in the measured time; `None` if there was none.
    #[must_use]
    pub fn micros_each(&self, cost: Duration) -> Option<f64> {
        let answers = self.tally.arrived;
        (answers > 0).then(|| cost.as_secs_f64() * 1e6 / answers as f64)
    }
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The time since its start.
    pub elapsed: Duration,
    /// Requests that were answered, including the warm-up.
    pub answered: u64,
    /// Requests that failed, including the warm-up.
    pub failed: u64,
}

impl Scenario {
    /// Runs the load. `watch` is called twice a second; when `stop` completes, the run ends early.
    ///
    /// # Errors
    /// If some connections cannot be opened before the start. Later failures are counted in the tally.
    pub async fn run(
        &self,
        meter: &mut impl Meter,
        mut watch: impl FnMut(Progress),
        stop: impl Future<Output = ()>,
    ) -> Result<Measured, LoadError> {
        let unreachable = |error| LoadError::Unreachable { target: self.target.clone(), error };
        let resolved = Arc::new(self.target.resolve().await.map_err(|error| unreachable(error.into()))?);
        let shared = Arc::new(Shared::new(self.config, self.requests.clone(), self.target.authority()));
        let threads = self.config.threads.get();
        let (sender, mut events) = mpsc::channel(2 * threads);
        let mut starts = Vec::new();
        for number in 0..threads {
            let (start, started) = oneshot::channel();
            starts.push(start);
            let (shared, resolved, events) = (Arc::clone(&shared), Arc::clone(&resolved), sender.clone());
            Thread { number, shared, resolved, events }.spawn(started).map_err(LoadError::Thread)?;
        }
        drop(sender);
        for _ in 0..threads {
            match events.recv().await {
                Some(Event::Connected) => {}
                Some(Event::Unreachable(error)) => return Err(unreachable(error)),
                Some(Event::Failed(error)) => return Err(LoadError::Failed(error)),
                Some(Event::Done(_)) | None => return Err(LoadError::Failed("it ended before the start".to_owned())),
            }
        }
        let window = Window::new(&self.config, Instant::now() + LEAD);
        for start in starts {
            // a thread that has ended has sent the reason before
            let _ = start.send(window);
        }
        let mut running = Running { shared: &shared, window, events, stopped: false };
        let (tally, costs) = running.finish(meter, &mut watch, stop).await?;
        let last = tally.last.unwrap_or(window.measured);
        let elapsed = match window.end {
            Some(end) if !running.stopped => end - window.measured,
            _ => last - window.measured,
        };
        Ok(Measured { tally, elapsed, costs, stopped: running.stopped })
    }
}

struct Running<'a> {
    shared: &'a Shared,
    window: Window,
    events: mpsc::Receiver<Event>,
    stopped: bool,
}

impl Running<'_> {
    /// Waits until all threads are done. Returns their tallies, and the cost of the measured time.
    async fn finish(
        &mut self,
        meter: &mut impl Meter,
        watch: &mut impl FnMut(Progress),
        stop: impl Future<Output = ()>,
    ) -> Result<(Tally, Costs), LoadError> {
        let mut ticks = interval(BETWEEN_REPORTS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        let (mut all, mut before, mut after) = (Tally::default(), None, None);
        loop {
            let measured = Some(self.window.measured).filter(|_| before.is_none());
            let end = self.window.end.filter(|_| after.is_none());
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Done(tally)) => all.add(&tally),
                    Some(Event::Failed(error)) => return Err(LoadError::Failed(error)),
                    Some(Event::Connected | Event::Unreachable(_)) => {}
                    None => break,
                },
                () = wait_until(measured), if measured.is_some() => before = Some(meter.read().await),
                () = wait_until(end), if end.is_some() => after = Some(meter.read().await),
                () = stop.as_mut(), if !self.stopped => {
                    self.stopped = true;
                    self.shared.stop.store(true, Relaxed);
                    after = Some(meter.read().await);
                }
                _ = ticks.tick() => watch(self.progress()),
            }
        }
        // ended during its warm-up: nothing was measured, so there is no cost
        let Some(before) = before else { return Ok((all, Costs::default())) };
        let after = match after {
            Some(after) => after,
            None => meter.read().await,
        };
        Ok((all, after.since(&before)))
    }

    fn progress(&self) -> Progress {
        Progress {
            elapsed: Instant::now().saturating_duration_since(self.window.start),
            answered: self.shared.answered.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
        }
    }
}

async fn wait_until(end: Option<Instant>) {
    if let Some(end) = end {
        sleep_until(end.into()).await;
    }
}
