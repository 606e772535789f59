//! One exported series: a name and its figures, in one allocation; and sets of them by name.

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

/// A [`Row`] that has a name.
#[derive(Debug)]
pub struct Series {
    row: Row,
    looked_at: AtomicBool,
    name: Name,
}

impl Series {
    pub(super) fn new(name: Name) -> Arc<Self> {
        Arc::new(Self { row: Row::default(), looked_at: AtomicBool::new(false), name })
    }

    /// Notes that its rule was looked at; whether that is the first time.
    #[must_use]
    pub fn looked_at(&self) -> bool {
        // read first: a flag that every look wrote would be fought over by all workers
        !self.looked_at.load(Relaxed) && !self.looked_at.swap(true, Relaxed)
    }

    /// What it is exported with.
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

/// Series by name. The hasher is the caller's, so that a name is hashed once for several sets.
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
