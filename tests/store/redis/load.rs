//! Steady load on a store, with books: for each counter, how many hits were answered and how many were not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use limiter::domain::{
    Algorithm, Charge, CounterKey, Group, Hit, Limit, RateLimiter as _, StoreError, Timestamp, Unit, Window,
};
use redis::{Client, RedisStore};
use tokio::task::JoinSet;

use testkit::until;

/// The number of concurrent tasks, each with one hit at a time.
pub const TASKS: u64 = 64;

/// The time of every check, so that no window ends.
pub const NOW: Timestamp = Timestamp::from_micros(28_333_334 * 60_000_000);

/// A limit that is never reached and that counts every hit. It is small enough per year that a bucket refills nothing
/// during a test, because a full bucket expires by the clock of the server.
pub fn wide(algorithm: Algorithm) -> Limit {
    Limit::new(algorithm, 200_000, Window::from(Unit::Year), None, Some(true)).expect("a limit")
}

pub fn take(key: &CounterKey, limit: Limit) -> Group {
    Group::single(Hit::new(key.clone(), limit, Charge::Take(1))).at(NOW)
}

/// The count of a counter that `take` has charged.
pub async fn count(store: &RedisStore<Client>, key: &CounterKey, limit: Limit) -> Result<u64, StoreError> {
    let group = Group::single(Hit::new(key.clone(), limit, Charge::LOOK)).at(NOW);
    store.check(group).await[0].map(|verdict| verdict.after)
}

pub fn keys(tag: &str, number: usize) -> Vec<CounterKey> {
    (0..number).map(|number| CounterKey::from_bytes(format!("load:{tag}:{number}").as_bytes())).collect()
}

/// The results of the hits on one counter.
struct Book {
    key: CounterKey,
    limit: Limit,
    answered: AtomicU64,
    unanswered: AtomicU64,
    /// The time of the last answer, and the longest time between two.
    gaps: Mutex<(Instant, Duration)>,
}

/// A load that runs until it is stopped.
pub struct Load {
    store: Arc<RedisStore<Client>>,
    books: Arc<Vec<Book>>,
    errors: Arc<Mutex<BTreeMap<String, u64>>>,
    going: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// The results of a load.
#[derive(Debug)]
pub struct Figures {
    /// Hits that were answered, over all counters.
    pub decisions: u64,
    /// Hits that Redis has counted.
    pub counted: u64,
    /// Hits that Redis may have counted without an answer.
    pub unanswered: u64,
    pub errors: BTreeMap<String, u64>,
    /// The longest time between two answers for one counter.
    pub longest_gap: Duration,
    /// Hits that were answered but that Redis does not have, over all counters.
    pub lost: u64,
}

impl Load {
    /// Uses all counters and algorithms in turn.
    pub fn start(store: &Arc<RedisStore<Client>>, keys: Vec<CounterKey>) -> Self {
        let book = |(number, key)| Book {
            key,
            limit: wide(Algorithm::ALL[number % Algorithm::ALL.len()]),
            answered: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            gaps: Mutex::new((Instant::now(), Duration::ZERO)),
        };
        let books: Arc<Vec<_>> = Arc::new(keys.into_iter().enumerate().map(book).collect());
        let mut load = Self {
            store: Arc::clone(store),
            books,
            errors: Arc::default(),
            going: Arc::new(AtomicBool::new(true)),
            tasks: JoinSet::new(),
        };
        let next = Arc::new(AtomicU64::new(0));
        for _ in 0..TASKS {
            let (store, books, going) = (Arc::clone(store), Arc::clone(&load.books), Arc::clone(&load.going));
            let (errors, next) = (Arc::clone(&load.errors), Arc::clone(&next));
            load.tasks.spawn(async move {
                while going.load(SeqCst) {
                    let book = &books[next.fetch_add(1, SeqCst) as usize % books.len()];
                    if let Err(error) = book.hit(&store).await {
                        *errors.lock().expect("no panic").entry(format!("{error:?}")).or_default() += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            });
        }
        load
    }

    /// Waits until every counter has had this many more answers.
    pub async fn answers(&self, more: u64) {
        let enough: Vec<_> = self.books.iter().map(|book| book.answered.load(SeqCst) + more).collect();
        until("every counter is answered", || {
            self.books.iter().zip(&enough).all(|(book, enough)| book.answered.load(SeqCst) >= *enough)
        })
        .await;
    }

    /// The number of hits that have failed.
    pub fn errors(&self) -> u64 {
        self.errors.lock().expect("no panic").values().sum()
    }

    /// Stops the load, and compares every counter with its book: Redis must have counted every answered hit, and may
    /// have counted any of the others.
    pub async fn stop(mut self) -> Figures {
        self.going.store(false, SeqCst);
        while let Some(task) = self.tasks.join_next().await {
            task.expect("no panic");
        }
        let mut figures = Figures {
            decisions: 0,
            counted: 0,
            unanswered: 0,
            errors: self.errors.lock().expect("no panic").clone(),
            longest_gap: Duration::ZERO,
            lost: 0,
        };
        for book in self.books.iter() {
            let (answered, unanswered) = (book.answered.load(SeqCst), book.unanswered.load(SeqCst));
            let count = count(&self.store, &book.key, book.limit).await.expect("the store has healed");
            assert!(
                count <= answered + unanswered,
                "charged more than once: {count} hits on {:?}, {answered} answered and {unanswered} not",
                book.key
            );
            figures.decisions += answered;
            figures.counted += count;
            figures.unanswered += unanswered;
            figures.lost += answered.saturating_sub(count);
            figures.longest_gap = figures.longest_gap.max(book.gaps.lock().expect("no panic").1);
        }
        figures
    }
}

impl Book {
    async fn hit(&self, store: &RedisStore<Client>) -> Result<(), StoreError> {
        match store.check(take(&self.key, self.limit)).await[0] {
            Ok(_) => {
                self.answered.fetch_add(1, SeqCst);
                let mut gaps = self.gaps.lock().expect("no panic");
                let now = Instant::now();
                *gaps = (now, gaps.1.max(now.saturating_duration_since(gaps.0)));
                Ok(())
            }
            Err(error) => {
                // the other errors say that nothing was charged
                if matches!(error, StoreError::Unanswered | StoreError::Unreadable) {
                    self.unanswered.fetch_add(1, SeqCst);
                }
                Err(error)
            }
        }
    }
}

impl Figures {
    /// Asserts that only these kinds of errors occurred.
    pub fn only(&self, kinds: &[&str]) {
        for kind in self.errors.keys() {
            assert!(kinds.contains(&kind.as_str()), "{self:?}");
        }
    }
}
