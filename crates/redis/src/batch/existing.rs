//! Counters that are known to exist, so that none has to be imported for them: only in windows that began before this
//! process knew the server.

use std::{
    collections::HashSet,
    hash::BuildHasher as _,
    sync::{Mutex, PoisonError},
};

use limiter::domain::CounterKey;

use super::super::named::NamedWindow;

/// Hashes of counters.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// The hashes of keys and starts of windows.
    hashes: Mutex<HashSet<u64, foldhash::fast::RandomState>>,
    hasher: foldhash::quality::RandomState,
}

impl Existing {
    /// The most that are remembered; beyond that, all are forgotten.
    const MOST: usize = 1 << 16;

    pub(super) fn has(&self, key: &CounterKey, window: NamedWindow) -> bool {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.hash(key, window))
    }

    pub(super) fn note(&self, key: &CounterKey, window: NamedWindow) {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() >= Self::MOST {
            hashes.clear();
        }
        hashes.insert(self.hash(key, window));
    }

    fn hash(&self, key: &CounterKey, window: NamedWindow) -> u64 {
        self.hasher.hash_one((key, window.start_seconds()))
    }
}

#[cfg(test)]
mod tests {
    use limiter::domain::{Charge, Group, Hit, Limit, Unit};

    use super::*;
    use crate::Server;

    #[test]
    fn it_remembers_a_bounded_number_of_counters() {
        let key = |number: usize| CounterKey::from_bytes(format!("{{{number}}}").as_bytes());
        let hit = Hit::new(key(0), Limit::fixed_window(1, Unit::Day), Charge::Take(1));
        let window = NamedWindow::of(&Group::single(hit.clone()), &hit, &Server::unknown()).expect("a named window");
        let existing = Existing::default();
        for number in 0..=Existing::MOST {
            assert!(!existing.has(&key(number), window));
            existing.note(&key(number), window);
        }
        assert!(existing.has(&key(Existing::MOST), window) && !existing.has(&key(0), window));
    }
}
