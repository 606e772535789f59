//! Steady load: so many requests a second, whatever becomes of those before, and what became of each.

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

/// Who has no answer after this will have none: it is far beyond every deadline.
const HUNG: Duration = Duration::from_secs(60);
/// The load asks this often, for a few at a time if it is to be more.
const TICK: Duration = Duration::from_millis(1);
/// Of so many requests one is for the tight counter, while there is one.
const TIGHT_EVERY: u64 = 4;
/// Wide counters that take turns.
const WIDE: u64 = 16;

/// Where the load asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Over HTTP, with Tollgate behind it.
    Envoy(SocketAddr),
    /// Over gRPC, on connections enough for every worker to have some.
    Tollgate(SocketAddr),
}

/// What a request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It may pass.
    Pass,
    /// It is over its limit.
    Over,
    /// There was an answer, and it was an error.
    Error,
    /// Nothing.
    Hung,
}

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub mode: Mode,
    /// Whether it was for the tight counter.
    pub tight: bool,
    pub sent: Instant,
    pub took: Duration,
    pub told: Told,
    /// Whether a failure mode answered in place of Redis.
    pub degraded: bool,
}

impl Sample {
    /// Whether Redis decided.
    pub fn is_of_redis(&self) -> bool {
        matches!(self.told, Told::Pass | Told::Over) && !self.degraded
    }

    pub fn done(&self) -> Instant {
        self.sent + self.took
    }
}

/// Load that goes on until it is stopped, on a thread and a runtime of its own so that it is not held up.
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
    /// `rate` requests a second, for each of these modes in turn.
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

    /// Whether some of the requests are for a tight counter, from now on.
    pub fn set_tight(&self, tight: bool) {
        self.shared.tight.store(tight, Relaxed);
    }

    /// What has been seen up to now, in the order of the answers.
    pub fn samples(&self) -> Vec<Sample> {
        self.shared.lock().clone()
    }

    /// The same, which is then forgotten.
    pub fn take(&self) -> Vec<Sample> {
        std::mem::take(&mut self.shared.lock())
    }

    /// Asks nothing for a while, or goes on.
    pub fn pause(&self, paused: bool) {
        self.shared.paused.store(paused, Relaxed);
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.shared.asked.load(Relaxed) == self.shared.answered.load(Relaxed)
    }

    /// Ends it; everything that was seen.
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
        let (told, degraded) = answer.unwrap_or((Told::Hung, false));
        self.lock().push(Sample { mode, tight, sent, took, told, degraded });
        self.answered.fetch_add(1, Relaxed);
    }
}

/// Asks one question.
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

    /// What it is told, and whether by a failure mode.
    async fn ask(self, mode: Mode, tight: bool, turn: u64) -> (Told, bool) {
        let key = if tight { "tight" } else { "wide" };
        let wide = (turn % WIDE).to_string();
        match self {
            Self::Envoy(client, address) => {
                let value = if tight { "through-envoy" } else { &wide };
                let header = format!("x-{key}");
                let headers = [("x-mode", mode.name()), (header.as_str(), value)];
                match client.send(Method::GET, address, "/", &headers, "").await {
                    Ok(answer) => {
                        let told = match answer.status.as_u16() {
                            200 => Told::Pass,
                            429 => Told::Over,
                            500 => Told::Error,
                            other => panic!("envoy answers {other}"),
                        };
                        (told, answer.header("x-tollgate-degraded").is_some())
                    }
                    Err(error) => panic!("envoy gives no answer: {error}"),
                }
            }
            Self::Tollgate(mut clients) => {
                let value = if tight { "direct" } else { &wide };
                let request = request("faults", &[&[("mode", mode.name()), (key, value)]]);
                match clients[(turn % 2) as usize].should_rate_limit(request).await {
                    Ok(answer) => of(answer.get_ref()),
                    Err(status) if status.code() == tonic::Code::Unavailable => (Told::Error, false),
                    Err(status) => panic!("tollgate answers {status:?}"),
                }
            }
        }
    }
}

fn of(answer: &RateLimitResponse) -> (Told, bool) {
    let told = if answer.overall_code() == Code::Ok { Told::Pass } else { Told::Over };
    (told, answer.response_headers_to_add.iter().any(|header| header.key == "x-tollgate-degraded"))
}
