//! The dynamic table (RFC 7541, sections 2.3.2 and 4).

use std::collections::VecDeque;

use super::field::{Field, Header};

/// What an entry adds to the octets of its name and value when sizes are counted (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

/// The largest table that there can be.
const LARGEST: usize = 1 << 24;

/// Without an entry it has no memory. Its octets are at most one and a half times what it may hold: those of evicted
/// entries stay before the others until they are half as much as that.
#[derive(Debug)]
pub(super) struct Table {
    /// Names and values, of the oldest entry first.
    bytes: Vec<u8>,
    /// The newest one first.
    entries: VecDeque<Entry>,
    /// The size of all entries.
    size: usize,
    /// What the peer's size updates allow.
    limit: usize,
    /// What our settings allow.
    max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its name begins; its value follows it.
    at: u32,
    name: u32,
    value: u32,
    header: Header,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        assert!(max <= LARGEST, "a table of more than {LARGEST} octets");
        Self { bytes: Vec::new(), entries: VecDeque::new(), size: 0, limit: max, max }
    }

    /// What our settings allow.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The entry with this index, from 0 for the newest one.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Field<'_>> {
        let entry = self.entries.get(index)?;
        let (name, rest) = self.bytes.get(entry.at as usize..)?.split_at_checked(entry.name as usize)?;
        Some(Field { header: entry.header, name, value: rest.get(..entry.value as usize)? })
    }

    /// Evicts what is above the new limit, which is at most what our settings allow.
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict(limit);
    }

    /// Adds an entry. One that is larger than the table leaves it empty (RFC 7541, section 4.4).
    pub(super) fn insert(&mut self, field: Field<'_>) {
        let length = field.name.len() + field.value.len();
        let Some(room) = self.limit.checked_sub(length + OVERHEAD) else {
            self.evict(0);
            return;
        };
        self.evict(room);
        self.reserve(length);
        // no cast loses anything: all are below one and a half times the largest table
        let entry = Entry {
            at: self.bytes.len() as u32,
            name: field.name.len() as u32,
            value: field.value.len() as u32,
            header: field.header,
        };
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
        self.entries.push_front(entry);
        self.size += length + OVERHEAD;
    }

    /// Evicts the oldest entries until the size is no more than this.
    fn evict(&mut self, size: usize) {
        while self.size > size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.name as usize + entry.value as usize + OVERHEAD;
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }

    /// Makes room for these octets, which the table may hold along with its entries.
    fn reserve(&mut self, length: usize) {
        let bound = self.max + self.max / 2;
        if self.bytes.len() + length > bound {
            // More than half of what the table may hold is evicted: each octet pays for moving two.
            let evicted = self.entries.back().map_or(0, |oldest| oldest.at);
            self.bytes.drain(..evicted as usize);
            for entry in &mut self.entries {
                entry.at -= evicted;
            }
        }
        let needed = self.bytes.len() + length;
        if needed > self.bytes.capacity() {
            let capacity = (2 * needed).min(bound);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    /// Its entries, the newest one first.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        (0..self.entries.len()).map_while(|index| self.get(index))
    }

    /// The size of all entries.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The octets that it has allocated.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}
