//! The statistics of the gRPC server. All of them change per connection, none per call.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::{Collect, Families, Family};
use tokio::runtime::RuntimeMetrics;

use super::probe::WorkerProbe;

const CONNECTIONS: Family = Family::gauge("tollgate_connections", "Open gRPC connections.", &[]);
const ACCEPTED: Family =
    Family::counter("tollgate_connections_accepted_total", "gRPC connections that were accepted.", &[]);
const REFUSED: Family = Family::counter(
    "tollgate_connections_refused_total",
    "gRPC connections that were closed at once because too many were open.",
    &[],
);
const AGED_OUT: Family = Family::counter(
    "tollgate_connections_aged_out_total",
    "gRPC connections that were sent GOAWAY because of their age (GRPC_MAX_CONNECTION_AGE).",
    &[],
);
/// The tasks of each runtime of the process. The owner of a runtime adds its series.
pub const TASKS: Family =
    Family::gauge("tollgate_tasks", "Tasks that have not ended, by runtime: workers, background.", &["runtime"]);

/// Counts since the start, the number of open connections, and the workers' health probes.
#[derive(Debug)]
pub struct Stats {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) no_preface: AtomicU64,
    pub(super) aged_out: AtomicU64,
    pub(super) forced: AtomicU64,
    /// Open connections by worker.
    pub(super) open: Box<[AtomicUsize]>,
    /// By worker.
    pub(super) probes: Box<[WorkerProbe]>,
    /// The metrics of the workers' runtimes, once all workers run.
    pub(super) runtimes: OnceLock<Box<[RuntimeMetrics]>>,
}

impl Stats {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            no_preface: AtomicU64::new(0),
            aged_out: AtomicU64::new(0),
            forced: AtomicU64::new(0),
            open: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            probes: (0..workers).map(|_| WorkerProbe::default()).collect(),
            runtimes: OnceLock::new(),
        }
    }

    /// Probes whether each worker runs its tasks. Returns a description of one that has not answered for longer than
    /// `patience`.
    #[must_use]
    pub fn stuck(&self, patience: Duration) -> Option<String> {
        let waited = self.probes.iter().map(WorkerProbe::probe).collect::<Vec<_>>();
        let (worker, waited) = waited.into_iter().enumerate().find(|(_, waited)| *waited > patience)?;
        Some(format!("worker {worker} has run no task for {} s", waited.as_secs()))
    }

    /// Connections accepted, including those that were then refused.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections closed at once, because too many were open and the peer of each had sent something, or because their
    /// worker's queue was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections closed because the peer sent no HTTP/2 preface, or not before the timeout or its eviction.
    #[must_use]
    pub fn no_preface(&self) -> u64 {
        self.no_preface.load(Ordering::Relaxed)
    }

    /// Connections that were sent GOAWAY because of their age.
    #[must_use]
    pub fn aged_out(&self) -> u64 {
        self.aged_out.load(Ordering::Relaxed)
    }

    /// Connections closed while calls may have been open: after the grace that follows their age, or after the deadline
    /// of the drain.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.forced.load(Ordering::Relaxed)
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open_by_worker().sum()
    }

    /// Tasks of the workers that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.runtimes.get().into_iter().flatten().map(RuntimeMetrics::num_alive_tasks).sum()
    }

    /// Connections open now, by worker.
    pub fn open_by_worker(&self) -> impl Iterator<Item = usize> {
        self.open.iter().map(|open| open.load(Ordering::Relaxed))
    }
}

/// The statistics of a server that may not have started yet: all are zero until then.
#[derive(Debug, Default)]
pub struct LateStats(OnceLock<Arc<Stats>>);

impl LateStats {
    /// Sets the statistics of the server that has started. Further calls have no effect.
    pub fn set(&self, stats: Arc<Stats>) {
        let _ = self.0.set(stats);
    }

    /// See [`Stats::stuck`]. `None` before the server has started.
    #[must_use]
    pub fn stuck(&self, patience: Duration) -> Option<String> {
        self.0.get()?.stuck(patience)
    }
}

impl Collect for LateStats {
    fn collect(&self, families: &mut Families) {
        let number = |of: fn(&Stats) -> u64| self.0.get().map_or(0, |stats| of(stats));
        families.add(&CONNECTIONS, &[], number(|stats| stats.open() as u64));
        families.add(&ACCEPTED, &[], number(Stats::accepted));
        families.add(&REFUSED, &[], number(Stats::refused));
        families.add(&AGED_OUT, &[], number(Stats::aged_out));
        families.add(&TASKS, &["workers"], number(|stats| stats.tasks() as u64));
    }
}

/// Adds one to a counter.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::runtime::Handle;

    use super::*;

    #[tokio::test]
    async fn each_family_shows_its_own_number() {
        let late = LateStats::default();
        let expected = |[accepted, aged_out, refused, open, tasks]: [u64; 5]| {
            [
                format!("tollgate_connections {open}"),
                format!("tollgate_connections_accepted_total {accepted}"),
                format!("tollgate_connections_aged_out_total {aged_out}"),
                format!("tollgate_connections_refused_total {refused}"),
                format!("tollgate_tasks{{runtime=\"workers\"}} {tasks}"),
            ]
        };
        assert_eq!(metrics::series(&late), expected([0; 5]), "it has not started");

        let stats = Stats::new(2);
        stats.accepted.store(1, Ordering::Relaxed);
        stats.aged_out.store(2, Ordering::Relaxed);
        stats.refused.store(3, Ordering::Relaxed);
        stats.open[0].store(4, Ordering::Relaxed);
        stats.open[1].store(6, Ordering::Relaxed);
        // not exported
        stats.no_preface.store(30, Ordering::Relaxed);
        stats.forced.store(40, Ordering::Relaxed);
        let tasks: Vec<_> = (0..5).map(|_| tokio::spawn(pending::<()>())).collect();
        // two workers, which share one runtime here, so that its tasks count twice
        stats.runtimes.set([(); 2].map(|()| Handle::current().metrics()).into()).expect("not set yet");
        late.set(Arc::new(stats));
        assert_eq!(metrics::series(&late), expected([1, 2, 3, 10, 2 * tasks.len() as u64]));
    }
}
