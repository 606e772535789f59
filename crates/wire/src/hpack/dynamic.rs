//! The dynamic table (RFC 7541, sections 2.3.2 and 4).

use std::collections::VecDeque;

use super::field::{Field, Header};

/// The size of an entry in addition to its name and value (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

/// The largest possible table: with an eighth more, all offsets still fit 16 bits.
const MAX_TABLE: usize = 1 << 15;

/// Memory for octets is allocated in multiples of this.
const STEP: usize = 64;

/// Without entries it has no memory, and with entries little more than their octets: those of evicted entries stay in
/// front of the others until they are an eighth as many.
#[derive(Debug)]
pub(super) struct Table {
    /// Names and values, starting with those of the oldest entry.
    bytes: Vec<u8>,
    /// The newest entry is first.
    entries: VecDeque<Entry>,
    /// The size of all entries.
    size: u16,
    /// The limit set by the peer's size updates.
    limit: u16,
    /// The limit set by our settings.
    max: u16,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The offset of its name; its value follows.
    at: u16,
    name: u16,
    value: u16,
    header: Header,
}

impl Entry {
    /// The length of name and value in octets.
    fn length(self) -> usize {
        usize::from(self.name) + usize::from(self.value)
    }
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        assert!(max <= MAX_TABLE, "a table of more than {MAX_TABLE} octets");
        Self { bytes: Vec::new(), entries: VecDeque::new(), size: 0, limit: max as u16, max: max as u16 }
    }

    /// The limit set by our settings.
    pub(super) fn max(&self) -> usize {
        self.max.into()
    }

    /// The entry with this index; 0 is the newest one.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Field<'_>> {
        let entry = self.entries.get(index)?;
        let (name, rest) = self.bytes.get(entry.at.into()..)?.split_at_checked(entry.name.into())?;
        Some(Field { header: entry.header, name, value: rest.get(..entry.value.into())? })
    }

    /// Sets a new limit, which must be at most that of our settings, and evicts what exceeds it.
    pub(super) fn resize(&mut self, limit: usize) {
        // no cast truncates: see `MAX_TABLE`
        self.limit = limit.min(self.max()) as u16;
        self.evict(self.limit.into());
    }

    /// Adds an entry. An entry larger than the table empties it (RFC 7541, section 4.4).
    pub(super) fn insert(&mut self, field: Field<'_>) {
        let length = field.name.len() + field.value.len();
        let Some(room) = usize::from(self.limit).checked_sub(length + OVERHEAD) else {
            self.evict(0);
            return;
        };
        self.evict(room);
        self.reserve(length);
        // no cast truncates: see `MAX_TABLE`
        let entry = Entry {
            at: self.bytes.len() as u16,
            name: field.name.len() as u16,
            value: field.value.len() as u16,
            header: field.header,
        };
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(4.max(self.entries.len() / 4));
        }
        self.entries.push_front(entry);
        self.size += (length + OVERHEAD) as u16;
    }

    /// Evicts the oldest entries until the size is at most `size`.
    fn evict(&mut self, size: usize) {
        while usize::from(self.size) > size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= (entry.length() + OVERHEAD) as u16;
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }

    /// Makes room for this many octets, which the table may hold in addition to its entries.
    fn reserve(&mut self, length: usize) {
        if self.bytes.len() + length <= self.bytes.capacity() {
            return;
        }
        let evicted = self.entries.back().map_or(0, |oldest| oldest.at);
        if usize::from(evicted) >= (self.bytes.len() - usize::from(evicted)) / 8 {
            // amortized: each evicted octet pays for moving eight
            self.bytes.drain(..usize::from(evicted));
            for entry in &mut self.entries {
                entry.at -= evicted;
            }
        }
        let needed = self.bytes.len() + length;
        if needed > self.bytes.capacity() {
            // less than an eighth is evicted, so at most an eighth more than `max` is needed
            let bound = self.max() + self.max() / 8;
            let capacity = (needed + needed / 8).next_multiple_of(STEP).min(bound).max(needed);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    /// The entries, newest first.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        (0..self.entries.len()).map_while(|index| self.get(index))
    }

    /// The size of all entries.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size.into()
    }

    /// The allocated memory in octets.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}
