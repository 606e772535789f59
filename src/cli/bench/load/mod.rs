//! One run of load against one server: threads, their start, their end, and what it cost.
//!
//! ```text
//!  run ─▶ thread (one current-thread runtime each) ─▶ driver: one connection ─▶ lane: what is due, what became of it
//!   └── start, stop, progress, tallies ◀─┘               └ session (h2), alarm     └ schedule
//! ```

mod alarm;
mod connection;
mod lane;
mod schedule;
mod session;
mod tally;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until},
};

use self::{
    connection::Driver,
    lane::{Lane, Window},
    session::Session,
};
pub(super) use self::{
    lane::Shared,
    session::ConnectError,
    tally::{Connections, Tally},
};
use super::{
    cost::{Costs, Meters},
    plan::Until,
    target::{Place, Target},
};

/// Between all being connected and the first request.
const LEAD: Duration = Duration::from_millis(20);
const BETWEEN_REPORTS: Duration = Duration::from_millis(500);

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// Nobody answers there.
    #[error("cannot reach {target}: {error}; is the service running, and is this its gRPC port (8081 by default)?")]
    Unreachable {
        /// Whom.
        target: Target,
        /// Why not.
        error: ConnectError,
    },
    /// A thread or runtime cannot be had.
    #[error("cannot start a thread that makes load: {0}")]
    Thread(io::Error),
    /// A timer or the like failed in mid-run.
    #[error("a thread that makes load failed: {0}")]
    Failed(String),
}

/// What was seen in the measured time.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) tally: Tally,
    /// How long it was.
    pub(super) elapsed: Duration,
    /// What it cost.
    pub(super) costs: Costs,
    /// Whether it was ended early.
    pub(super) stopped: bool,
}

impl Measured {
    /// Answers a second.
    pub(super) fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.tally.arrived as f64 / seconds } else { 0.0 }
    }

    /// What was spent, in microseconds for each answer that came in the measured time.
    pub(super) fn micros_each(&self, cost: Duration) -> Option<f64> {
        let answers = self.tally.arrived;
        (answers > 0).then(|| cost.as_secs_f64() * 1e6 / answers as f64)
    }
}

/// How far a run is, for who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) elapsed: Duration,
    pub(super) answered: u64,
    pub(super) failed: u64,
}

/// Runs it. `watch` is told now and then how far it is; `stop` ends it early.
///
/// # Errors
/// If not all connections can be made before the start. What happens later is in the tally.
pub(super) async fn run(
    target: &Target,
    shared: &Arc<Shared>,
    meters: &mut Meters,
    mut watch: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
) -> Result<Measured, LoadError> {
    let unreachable = |error| LoadError::Unreachable { target: target.clone(), error };
    let place = Arc::new(target.resolve().await.map_err(|error| unreachable(error.into()))?);
    let threads = shared.plan.threads.get();
    let (said, mut hears) = mpsc::channel(2 * threads);
    let mut starts = Vec::new();
    for thread in 0..threads {
        let (start, started) = oneshot::channel();
        starts.push(start);
        let work = Work { thread, shared: Arc::clone(shared), place: Arc::clone(&place), said: said.clone() };
        let name = format!("load-{thread}");
        thread::Builder::new().name(name).spawn(move || work.run(started)).map_err(LoadError::Thread)?;
    }
    drop(said);
    for _ in 0..threads {
        match hears.recv().await {
            Some(Said::Connected) => {}
            Some(Said::Unreachable(error)) => return Err(unreachable(error)),
            Some(Said::Failed(error)) => return Err(LoadError::Failed(error)),
            Some(Said::Done(_)) | None => return Err(LoadError::Failed("it ended before the start".to_owned())),
        }
    }
    let window = Window::new(&shared.plan, Instant::now() + LEAD);
    for start in starts {
        // a thread that is gone has said why
        let _ = start.send(window);
    }

    let mut run = Running { shared, window, hears, stopped: false };
    let (tally, costs) = run.finish(meters, &mut watch, stop).await?;
    let last = tally.last.unwrap_or(window.measured);
    let elapsed = match window.end {
        Some(end) if !run.stopped => end - window.measured,
        _ => last - window.measured,
    };
    Ok(Measured { tally, elapsed, costs, stopped: run.stopped })
}

struct Running<'a> {
    shared: &'a Shared,
    window: Window,
    hears: mpsc::Receiver<Said>,
    stopped: bool,
}

impl Running<'_> {
    /// Waits until all threads are done. Gives what they saw, and what the measured time has cost.
    async fn finish(
        &mut self,
        meters: &mut Meters,
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
                said = self.hears.recv() => match said {
                    Some(Said::Done(tally)) => all.add(&tally),
                    Some(Said::Failed(error)) => return Err(LoadError::Failed(error)),
                    Some(Said::Connected | Said::Unreachable(_)) => {}
                    None => break,
                },
                () = wait_until(measured), if measured.is_some() => before = Some(meters.read().await),
                () = wait_until(end), if end.is_some() => after = Some(meters.read().await),
                () = stop.as_mut(), if !self.stopped => {
                    self.stopped = true;
                    self.shared.stop.store(true, Relaxed);
                    after = Some(meters.read().await);
                }
                _ = ticks.tick() => watch(self.progress()),
            }
        }
        // ended while it warmed up, it has cost nothing that was measured
        let Some(before) = before else { return Ok((all, Costs::default())) };
        let after = match after {
            Some(after) => after,
            None => meters.read().await,
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

/// What a thread says to the run.
enum Said {
    Connected,
    Unreachable(ConnectError),
    Failed(String),
    Done(Box<Tally>),
}

/// One thread's part.
struct Work {
    thread: usize,
    shared: Arc<Shared>,
    place: Arc<Place>,
    said: mpsc::Sender<Said>,
}

impl Work {
    fn run(self, started: oneshot::Receiver<Window>) {
        let said = self.said.clone();
        let last = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.load(started)),
            Err(error) => Some(Said::Failed(error.to_string())),
        };
        if let Some(last) = last {
            // nobody listens any more if another thread could not connect
            let _ = said.blocking_send(last);
        }
    }

    /// Connects, waits for the start, and makes load. `None` if there was no start.
    async fn load(self, started: oneshot::Receiver<Window>) -> Option<Said> {
        let mut sessions = Vec::new();
        for nth in self.shared.plan.connections_of(self.thread) {
            match Session::open(&self.place, &self.shared.authority).await {
                Ok(session) => sessions.push((nth, session)),
                Err(error) => return Some(Said::Unreachable(error)),
            }
        }
        self.said.send(Said::Connected).await.ok()?;
        let window = started.await.ok()?;
        sleep_until(window.start.into()).await;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut drivers = JoinSet::new();
        for (nth, session) in sessions {
            let (shared, place, tally) = (Arc::clone(&self.shared), Arc::clone(&self.place), Arc::clone(&tally));
            drivers.spawn(async move {
                let lane = Lane::new(&shared, window, nth);
                Driver { shared: &shared, place: &place, tally: &tally, lane }.run(session).await
            });
        }
        while let Some(ended) = drivers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(Said::Failed(error.to_string())),
                Err(error) => return Some(Said::Failed(error.to_string())),
            }
        }
        let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
        Some(Said::Done(Box::new(tally)))
    }
}

/// How long the measured time is at most, for who watches; `None` if it is a matter of requests.
pub(super) fn length(shared: &Shared) -> Option<Duration> {
    match shared.plan.until {
        Until::Elapsed(time) => Some(shared.plan.warm_up + time),
        Until::Sent(_) => None,
    }
}
