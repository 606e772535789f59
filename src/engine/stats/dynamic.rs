//! Series that requests make up: detailed metrics, values in metrics, overrides, unknown domains. A hard cap bounds
//! them all together; past it they fall into one series.

use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::{Collect, Families, Family};

use super::{
    Figure, Series, SeriesName,
    name::{self, NameRef},
    series::{Hasher, SeriesSet},
};
use limiter::domain::Charge;

const OVERFLOW: Family = Family::counter(
    "tollgate_metric_series_overflow_total",
    "Hits counted in series \"other\" because there was no room for a series of their own (MAX_METRIC_SERIES).",
    &[],
);
const DOMAIN_NOT_FOUND: Family = Family::counter(
    "ratelimit_service_rate_limit_domain_not_found",
    "Descriptors that came for a domain without rules.",
    &["domain"],
);

const SHARDS: usize = 16;

/// The most rules that the log names as looked at without `count_denied`.
const MAX_LOOK_WARNINGS: u32 = 100;

/// Between two log lines about unknown domains.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// The name of the series, and the domain, into which what has no room falls.
const OTHER: &str = "other";

/// What outlives the rule sets: series that are made at run time, and their cap.
#[derive(Debug)]
pub struct Stats {
    hasher: Hasher,
    shards: [RwLock<SeriesSet>; SHARDS],
    /// One series for each unknown domain: its total hits are the descriptors that found no rules.
    unknown_domains: RwLock<SeriesSet>,
    other: Arc<Series>,
    other_domain: Arc<Series>,
    room: AtomicUsize,
    overflow: AtomicU64,
    look_warnings: AtomicU32,
    unknown_domain_requests: AtomicU64,
    /// When the log named one last, and how many requests there were until then.
    unknown_domain_line: Mutex<Option<(Instant, u64)>>,
}

impl Stats {
    /// No series yet, and room for `max_series` (MAX_METRIC_SERIES).
    #[must_use]
    pub fn new(max_series: usize) -> Arc<Self> {
        Arc::new(Self {
            hasher: Hasher::default(),
            shards: Default::default(),
            unknown_domains: RwLock::default(),
            other: keep(SeriesName::new(OTHER).level(OTHER, None)),
            other_domain: keep(SeriesName::new(OTHER)),
            room: AtomicUsize::new(max_series),
            overflow: AtomicU64::new(0),
            look_warnings: AtomicU32::new(0),
            unknown_domain_requests: AtomicU64::new(0),
            unknown_domain_line: Mutex::new(None),
        })
    }

    /// How often a value had to be counted in the `other` series.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow.load(Ordering::Relaxed)
    }

    /// Whether one more rule may be logged as looked at without `count_denied`, and if so whether it is the last one.
    pub fn may_warn_of_look(&self) -> Option<bool> {
        let more = |warned: u32| (warned < MAX_LOOK_WARNINGS).then_some(warned + 1);
        let before = self.look_warnings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(before + 1 == MAX_LOOK_WARNINGS)
    }

    /// Counts descriptors that came for a domain without rules.
    pub fn domain_not_found(&self, domain: &[u8], descriptors: u64) {
        let domain = name::text(domain);
        let name = SeriesName::new(&domain);
        let hash = self.hash(name.parts());
        let series = self.find_or_add(&self.unknown_domains, hash, name).unwrap_or_else(|| self.other_domain.clone());
        series.record_failed(Charge::Take(descriptors));
    }

    /// Counts a request for an unknown domain. If a log line is due, how many requests it stands for.
    pub fn unknown_domain_line_due(&self) -> Option<u64> {
        let total = self.unknown_domain_requests.fetch_add(1, Ordering::Relaxed) + 1;
        // where another worker holds the lock, its line is enough
        let mut line = self.unknown_domain_line.try_lock().ok()?;
        let before = match *line {
            Some((last, _)) if last.elapsed() < BETWEEN_LINES => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *line = Some((Instant::now(), total));
        Some(total.saturating_sub(before))
    }

    /// Unknown domains that were asked for, each with the descriptors that came for it.
    #[must_use]
    pub fn domains_not_found(&self) -> Vec<(Arc<str>, u64)> {
        let mut other = Some(&self.other_domain);
        let known = read(&self.unknown_domains);
        let mut all: Vec<_> = known
            .iter()
            .map(|series| {
                let mut count = series.get(Figure::TotalHits);
                // A domain of that very name shares its series with those that have no room.
                if &**series.name().domain() == OTHER {
                    count += other.take().map_or(0, |other| other.get(Figure::TotalHits));
                }
                (series.name().domain().clone(), count)
            })
            .collect();
        all.extend(other.map(|other| (other.name().domain().clone(), other.get(Figure::TotalHits))));
        all.retain(|(_, count)| *count > 0);
        all
    }

    pub(super) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub(super) fn hash(&self, name: NameRef<'_>) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The series of this name, made if there is room; None if there is not.
    pub(super) fn series(&self, hash: u64, name: SeriesName<'_>) -> Option<Arc<Series>> {
        // A value may bear the very name.
        if name.parts() == self.other.name().parts() {
            return Some(self.other.clone());
        }
        self.find_or_add(self.shard(hash), hash, name)
    }

    /// Takes a series out, for a rule that now bears its name.
    pub(super) fn adopt(&self, hash: u64, name: NameRef<'_>) -> Option<Arc<Series>> {
        // Looked up first, so that building a table for a million rules takes no write lock for each.
        read(self.shard(hash)).find(hash, name)?;
        let series = write(self.shard(hash)).remove(hash, name)?;
        self.room.fetch_add(1, Ordering::Relaxed);
        Some(series)
    }

    /// The series of all that had no room.
    pub(super) fn other(&self) -> &Arc<Series> {
        &self.other
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.shards.iter().flat_map(|shard| read(shard).iter().cloned().collect::<Vec<_>>()).collect()
    }

    fn shard(&self, hash: u64) -> &RwLock<SeriesSet> {
        // Bits that the tables themselves do not begin with.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    fn find_or_add(&self, set: &RwLock<SeriesSet>, hash: u64, name: SeriesName<'_>) -> Option<Arc<Series>> {
        // the cap bounds the number of series, this bounds their memory
        if name.len() > name::MAX_DYNAMIC {
            self.overflow.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if let Some(series) = read(set).find(hash, name.parts()) {
            return Some(series.clone());
        }
        // Without room nothing is written, so a flood of fresh values never takes the write lock.
        if self.room.load(Ordering::Relaxed) > 0 {
            let mut set = write(set);
            if let Some(series) = set.find(hash, name.parts()) {
                return Some(series.clone());
            }
            if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok() {
                let series = keep(name);
                set.insert(hash, series.clone(), &self.hasher);
                return Some(series);
            }
        }
        self.overflow.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Collect for Stats {
    fn collect(&self, families: &mut Families) {
        families.add(&OVERFLOW, &[], self.overflow());
        for (domain, count) in self.domains_not_found() {
            families.add(&DOMAIN_NOT_FOUND, &[&domain], count);
        }
    }
}

fn keep(name: SeriesName<'_>) -> Arc<Series> {
    let domain = Arc::from(name.domain());
    Series::new(name.keep(domain))
}

// A panic while a set is held leaves it whole: each change is one call.
fn read(set: &RwLock<SeriesSet>) -> RwLockReadGuard<'_, SeriesSet> {
    set.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(set: &RwLock<SeriesSet>) -> RwLockWriteGuard<'_, SeriesSet> {
    set.write().unwrap_or_else(PoisonError::into_inner)
}
