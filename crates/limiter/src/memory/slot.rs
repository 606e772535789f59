//! One counter of the memory store, with its links: the index refers to it by number, and its class by a linked list.

use crate::{algorithm::State, domain::Timestamp};

/// No slot: the end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// The neighbours of a slot in the list of its class. In a free slot, `newer` is the next free one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) older: u32,
    pub(super) newer: u32,
}

impl Links {
    pub(super) const UNLINKED: Self = Self { older: NONE, newer: NONE };
}

/// The storage of one counter.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Box<[u8]>,
    pub(super) state: State,
    pub(super) expires: Timestamp,
    /// The key's hash, so that rehashing the index does not read the keys.
    pub(super) hash: u32,
    pub(super) links: Links,
    pub(super) class: u8,
}

impl Slot {
    /// The class of a slot without a counter.
    pub(super) const FREE: u8 = u8::MAX;
}

const _: () = assert!(size_of::<Slot>() <= 64, "a counter fits a cache line");
