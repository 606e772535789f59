//! An exported series: a name and its figures, in one allocation. And sets of series by name.

use std::{
    fmt,
    hash::BuildHasher,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;

use super::{
    Labels, Row,
    name::{Name, NameRef},
};

pub(super) type Hasher = foldhash::quality::RandomState;

/// A [`Row`] with a name.
#[derive(Debug)]
pub struct Series {
    row: Row,
    /// The rule has been checked without charging.
    looked_at: AtomicBool,
    name: Name,
}

impl Series {
    pub(super) fn new(name: Name) -> Arc<Self> {
        Arc::new(Self { row: Row::default(), looked_at: AtomicBool::new(false), name })
    }

    /// Records a look at the rule. Returns whether it is the first one.
    #[must_use]
    pub fn mark_looked_at(&self) -> bool {
        // read first: if every look wrote the flag, all workers would contend for its cache line
        !self.looked_at.load(Relaxed) && !self.looked_at.swap(true, Relaxed)
    }

    /// The labels that the series is exported with.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        self.name.parts().labels()
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }
}

impl Deref for Series {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
}

/// A set of series by name. The caller hashes, so that a name is hashed once for several sets.
#[derive(Default)]
pub(super) struct SeriesSet(HashTable<Arc<Series>>);

impl SeriesSet {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(HashTable::with_capacity(capacity))
    }

    pub(super) fn find(&self, hash: u64, name: NameRef<'_>) -> Option<&Arc<Series>> {
        self.0.find(hash, |series| series.name.parts() == name)
    }

    /// Adds a series whose name is not in the set.
    pub(super) fn insert(&mut self, hash: u64, series: Arc<Series>, hasher: &Hasher) {
        self.0.insert_unique(hash, series, |series| hasher.hash_one(series.name.parts()));
    }

    pub(super) fn remove(&mut self, hash: u64, name: NameRef<'_>) -> Option<Arc<Series>> {
        let entry = self.0.find_entry(hash, |series| series.name.parts() == name).ok()?;
        Some(entry.remove().0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.0.iter()
    }
}

impl fmt::Debug for SeriesSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeriesSet({})", self.0.len())
    }
}
