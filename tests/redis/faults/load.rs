//! A steady load: a fixed number of requests per second, independent of earlier answers, and the result of each.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use hyper::Method;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

pub use limiter::domain::FailureMode as Mode;

use testkit::{
    http::Client,
    rls::{Rls, client, request},
};

/// A request without an answer after this time has none: it is far beyond every deadline.
const HUNG: Duration = Duration::from_secs(60);
/// How often the load sends requests; several at a time for high rates.
const TICK: Duration = Duration::from_millis(1);
/// One of this many requests is for the tight counter, while there is one.
const TIGHT_EVERY: u64 = 4;
/// The wide counters, used in turn.
const WIDE: u64 = 16;

/// Where the load sends its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// To Envoy over HTTP, with Tollgate behind it.
    Envoy(SocketAddr),
    /// To Tollgate over gRPC, on enough connections for every worker to have some.
    Tollgate(SocketAddr),
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass.
    Pass,
    /// It is over its limit.
    Over,
    /// There was an answer, and it was an error.
    Error,
    /// There was no answer.
    Hung,
}

/// The result of one request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub mode: Mode,
    /// Whether it was for the tight counter.
    pub tight: bool,
    pub sent: Instant,
    pub took: Duration,
    pub outcome: Outcome,
    /// Whether a failure mode answered instead of Redis.
    pub degraded: bool,
}

impl Sample {
    /// Whether Redis decided it.
    pub fn is_of_redis(&self) -> bool {
        matches!(self.outcome, Outcome::Pass | Outcome::Over) && !self.degraded
    }

    pub fn done(&self) -> Instant {
        self.sent + self.took
    }
}

/// A load that runs until it is stopped, on a thread and runtime of its own so that nothing delays it.
pub struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    point: Point,
    modes: Vec<Mode>,
    rate: u32,
    going: AtomicBool,
    paused: AtomicBool,
    tight: AtomicBool,
    asked: AtomicU64,
    answered: AtomicU64,
    samples: Mutex<Vec<Sample>>,
}

impl Load {
    /// Sends `rate` requests per second, for each of these modes in turn.
    pub fn start(point: Point, rate: u32, modes: &[Mode]) -> Self {
        let shared = Arc::new(Shared {
            point,
            modes: modes.to_vec(),
            rate,
            going: AtomicBool::new(true),
            paused: AtomicBool::new(false),
            tight: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            samples: Mutex::default(),
        });
        let run = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run.run());
        });
        Self { shared, thread }
    }

    /// Sets whether some of the requests are for a tight counter.
    pub fn set_tight(&self, tight: bool) {
        self.shared.tight.store(tight, Relaxed);
    }

    /// The results so far, in the order of the answers.
    pub fn samples(&self) -> Vec<Sample> {
        self.shared.lock().clone()
    }

    /// Returns and clears the results so far.
    pub fn take(&self) -> Vec<Sample> {
        std::mem::take(&mut self.shared.lock())
    }

    /// Pauses or resumes the load.
    pub fn pause(&self, paused: bool) {
        self.shared.paused.store(paused, Relaxed);
    }

    /// Whether no request is in flight.
    pub fn is_quiet(&self) -> bool {
        self.shared.asked.load(Relaxed) == self.shared.answered.load(Relaxed)
    }

    /// Stops the load and returns all results.
    pub fn stop(self) -> Vec<Sample> {
        self.shared.going.store(false, Relaxed);
        self.thread.join().expect("the load ran to its end");
        std::mem::take(&mut self.shared.lock())
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        let asker = Asker::new(self.point);
        let each = (TICK * self.rate).as_secs_f64().max(1.0).round() as u32;
        let mut ticks = interval(Duration::from_secs(1) * each / self.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut asked = JoinSet::new();
        while self.going.load(Relaxed) {
            ticks.tick().await;
            let now = if self.paused.load(Relaxed) { 0 } else { each };
            for _ in 0..now {
                let (shared, asker) = (Arc::clone(&self), asker.clone());
                let number = self.asked.fetch_add(1, Relaxed);
                asked.spawn(async move { shared.ask(asker, number).await });
            }
            while asked.try_join_next().is_some_and(|end| end.map(|()| true).expect("no panic")) {}
        }
        while let Some(end) = asked.join_next().await {
            end.expect("no panic");
        }
    }

    async fn ask(&self, asker: Asker, number: u64) {
        let modes = self.modes.len() as u64;
        let (mode, turn) = (self.modes[(number % modes) as usize], number / modes);
        let tight = turn.is_multiple_of(TIGHT_EVERY) && self.tight.load(Relaxed);
        let sent = Instant::now();
        let answer = timeout(HUNG, asker.ask(mode, tight, turn)).await;
        let took = sent.elapsed();
        let (outcome, degraded) = answer.unwrap_or((Outcome::Hung, false));
        self.lock().push(Sample { mode, tight, sent, took, outcome, degraded });
        self.answered.fetch_add(1, Relaxed);
    }
}

/// Sends one request.
#[derive(Clone)]
enum Asker {
    Envoy(Client, SocketAddr),
    Tollgate([Rls; 2]),
}

impl Asker {
    fn new(point: Point) -> Self {
        match point {
            Point::Envoy(address) => Self::Envoy(Client::new(), address),
            Point::Tollgate(address) => Self::Tollgate([client(address), client(address)]),
        }
    }

    /// The answer, and whether a failure mode gave it.
    async fn ask(self, mode: Mode, tight: bool, turn: u64) -> (Outcome, bool) {
        let key = if tight { "tight" } else { "wide" };
        let wide = (turn % WIDE).to_string();
        match self {
            Self::Envoy(client, address) => {
                let value = if tight { "through-envoy" } else { &wide };
                let header = format!("x-{key}");
                let headers = [("x-mode", mode.name()), (header.as_str(), value)];
                match client.send(Method::GET, address, "/", &headers, "").await {
                    Ok(answer) => {
                        let outcome = match answer.status.as_u16() {
                            200 => Outcome::Pass,
                            429 => Outcome::Over,
                            500 => Outcome::Error,
                            other => panic!("envoy answers {other}"),
                        };
                        (outcome, answer.header("x-tollgate-degraded").is_some())
                    }
                    Err(error) => panic!("envoy gives no answer: {error}"),
                }
            }
            Self::Tollgate(mut clients) => {
                let value = if tight { "direct" } else { &wide };
                let request = request("faults", &[&[("mode", mode.name()), (key, value)]]);
                match clients[(turn % 2) as usize].should_rate_limit(request).await {
                    Ok(answer) => of(answer.get_ref()),
                    Err(status) if status.code() == tonic::Code::Unavailable => (Outcome::Error, false),
                    Err(status) => panic!("tollgate answers {status:?}"),
                }
            }
        }
    }
}

fn of(answer: &RateLimitResponse) -> (Outcome, bool) {
    let outcome = if answer.overall_code() == Code::Ok { Outcome::Pass } else { Outcome::Over };
    (outcome, answer.response_headers_to_add.iter().any(|header| header.key == "x-tollgate-degraded"))
}
