//! Series that are created from requests' values: detailed metrics, values in metrics, overrides, unknown domains. A
//! hard cap bounds them all together; beyond it, values are counted in one shared series.

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
    "Hits that were counted in the series \"other\" because of MAX_METRIC_SERIES.",
    &[],
);
const DOMAIN_NOT_FOUND: Family = Family::counter(
    "ratelimit_service_rate_limit_domain_not_found",
    "Descriptors of requests for a domain without rules.",
    &["domain"],
);

const SHARDS: usize = 16;

/// The most rules that are logged because of looks without `count_denied`.
const MAX_LOOK_WARNINGS: u32 = 100;

/// The time between two log lines about unknown domains.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// The name of the series, and of the domain, that values and domains beyond the cap share.
const OTHER: &str = "other";

/// Statistics that outlive the rule sets: the series that are created at run time, and their cap.
#[derive(Debug)]
pub struct Stats {
    hasher: Hasher,
    shards: [RwLock<SeriesSet>; SHARDS],
    /// One series for each unknown domain: its total hits are the descriptors that found no rules.
    unknown_domains: RwLock<SeriesSet>,
    other: Arc<Series>,
    other_domain: Arc<Series>,
    /// How many more series may be created.
    room: AtomicUsize,
    overflow: AtomicU64,
    look_warnings: AtomicU32,
    unknown_domain_requests: AtomicU64,
    /// The time of the last log line about an unknown domain, and the number of such requests until then.
    unknown_domain_line: Mutex<Option<(Instant, u64)>>,
}

impl Stats {
    /// Statistics without series, and with room for `max_series` of them.
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

    /// How often a value was counted in the series `other`.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow.load(Ordering::Relaxed)
    }

    /// `Some` if one more rule may be logged because of a look without `count_denied`; true if it is the last one.
    pub fn may_warn_about_look(&self) -> Option<bool> {
        let more = |warned: u32| (warned < MAX_LOOK_WARNINGS).then_some(warned + 1);
        let before = self.look_warnings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(before + 1 == MAX_LOOK_WARNINGS)
    }

    /// Counts the descriptors of a request for a domain without rules.
    pub fn domain_not_found(&self, domain: &[u8], descriptors: u64) {
        let domain = name::text(domain);
        let name = SeriesName::new(&domain);
        let hash = self.hash(name.parts());
        let series = self.find_or_add(&self.unknown_domains, hash, name).unwrap_or_else(|| self.other_domain.clone());
        series.record_failed(Charge::Take(descriptors));
    }

    /// Counts a request for an unknown domain. Returns the number of such requests since the last log line if another
    /// one is due.
    pub fn unknown_domain_line_due(&self) -> Option<u64> {
        let total = self.unknown_domain_requests.fetch_add(1, Ordering::Relaxed) + 1;
        // if another worker holds the lock, its line is enough
        let mut line = self.unknown_domain_line.try_lock().ok()?;
        let before = match *line {
            Some((last, _)) if last.elapsed() < BETWEEN_LINES => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *line = Some((Instant::now(), total));
        Some(total.saturating_sub(before))
    }

    /// The unknown domains in requests, each with the number of descriptors.
    #[must_use]
    pub fn domains_not_found(&self) -> Vec<(Arc<str>, u64)> {
        let mut other = Some(&self.other_domain);
        let known = read(&self.unknown_domains);
        let mut all: Vec<_> = known
            .iter()
            .map(|series| {
                let mut count = series.get(Figure::TotalHits);
                // a domain that is called "other" shares its series with those beyond the cap
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

    /// The series of this name, created if there is room; `None` if there is not.
    pub(super) fn series(&self, hash: u64, name: SeriesName<'_>) -> Option<Arc<Series>> {
        // a value may be "other" too
        if name.parts() == self.other.name().parts() {
            return Some(self.other.clone());
        }
        self.find_or_add(self.shard(hash), hash, name)
    }

    /// Removes and returns a series, for a rule that now has its name.
    pub(super) fn adopt(&self, hash: u64, name: NameRef<'_>) -> Option<Arc<Series>> {
        // looked up first, so that building a table for a million rules does not take a million write locks
        read(self.shard(hash)).find(hash, name)?;
        let series = write(self.shard(hash)).remove(hash, name)?;
        self.room.fetch_add(1, Ordering::Relaxed);
        Some(series)
    }

    /// The series of all values beyond the cap.
    pub(super) fn other(&self) -> &Arc<Series> {
        &self.other
    }

    pub(super) fn all(&self) -> Vec<Arc<Series>> {
        self.shards.iter().flat_map(|shard| read(shard).iter().cloned().collect::<Vec<_>>()).collect()
    }

    fn shard(&self, hash: u64) -> &RwLock<SeriesSet> {
        // bits other than those by which a table chooses its bucket
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
        // Without room the write lock is never taken, so that a flood of new values does not contend for it.
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

// A panic does not leave a set inconsistent, because each change is one call: a poisoned lock can be used.
fn read(set: &RwLock<SeriesSet>) -> RwLockReadGuard<'_, SeriesSet> {
    set.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(set: &RwLock<SeriesSet>) -> RwLockWriteGuard<'_, SeriesSet> {
    set.write().unwrap_or_else(PoisonError::into_inner)
}
