//! Runs work on several threads, each with a current-thread runtime, in a time window that is fixed in advance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use load::{Config, Costs, Meter, Until};
use tokio::{runtime, sync::mpsc, time::sleep_until};

use super::RedisError;
use crate::sample::Sample;

/// The time in which all threads connect.
const LEAD: Duration = Duration::from_millis(300);

/// The window in which decisions count: from an instant until another instant, or until there are enough.
#[derive(Clone, Debug)]
pub(super) struct Span {
    measured: Instant,
    end: Option<Instant>,
    enough: u64,
    made: Arc<AtomicU64>,
}

impl Span {
    fn of(config: &Config) -> Self {
        let measured = Instant::now() + LEAD + config.warm_up;
        let (end, enough) = match config.until {
            Until::Elapsed(time) => (Some(measured + time), u64::MAX),
            Until::Sent(count) => (None, count.get()),
        };
        Self { measured, end, enough, made: Arc::default() }
    }

    /// Counts decisions that were just made.
    pub(super) fn count(&self, decisions: u64) {
        if Instant::now() >= self.measured && !self.has_ended() {
            self.made.fetch_add(decisions, Relaxed);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end) || self.made.load(Relaxed) >= self.enough
    }
}

/// Runs `job` on this many threads at the same time. It makes decisions until the span has ended.
pub(super) async fn spread<J, F>(
    threads: usize,
    config: &Config,
    meter: &mut impl Meter,
    job: J,
) -> Result<Sample, RedisError>
where
    J: Fn(usize, Span) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), RedisError>>,
{
    let span = Span::of(config);
    let (sender, mut results) = mpsc::channel(threads);
    for thread in 0..threads {
        let (job, sender, span) = (job.clone(), sender.clone(), span.clone());
        let work = move || {
            let done = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(job(thread, span)),
                Err(error) => Err(error.into()),
            };
            // the measurement has ended already if another thread has failed
            let _ = sender.blocking_send(done);
        };
        thread::Builder::new().name(format!("redis-{thread}")).spawn(work).map_err(RedisError::Network)?;
    }
    drop(sender);
    sleep_until(span.measured.into()).await;
    let before = meter.read().await;
    let mut after = None;
    if let Some(end) = span.end {
        sleep_until(end.into()).await;
        after = Some(meter.read().await);
    }
    for _ in 0..threads {
        results.recv().await.ok_or(RedisError::Thread)??;
    }
    let time = span.end.unwrap_or_else(Instant::now) - span.measured;
    let after = match after {
        Some(after) => after,
        None => meter.read().await,
    };
    Ok(sample(span.made.load(Relaxed), time, &after.since(&before)))
}

fn sample(decisions: u64, time: Duration, costs: &Costs) -> Sample {
    let each = |cost: Option<Duration>| (decisions > 0).then_some(cost?.as_secs_f64() * 1e6 / decisions as f64);
    Sample {
        rate: Some(decisions as f64 / time.as_secs_f64()),
        redis_cpu: each(costs.redis),
        generator_cpu: each(costs.own),
        ..Sample::default()
    }
}
