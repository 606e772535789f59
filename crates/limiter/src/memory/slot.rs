//! One counter in the memory store, and its place in two structures: the index, by number, and the list of its class.

use crate::{algorithm::State, domain::Timestamp};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// A slot's neighbours in the list of its class. A free slot's `newer` is the next free one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) older: u32,
    pub(super) newer: u32,
}

impl Links {
    pub(super) const UNLINKED: Self = Self { older: NONE, newer: NONE };
}

/// Room for one counter.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Box<[u8]>,
    pub(super) state: State,
    pub(super) expires: Timestamp,
    /// Of the key, so that putting the index in order again reads no keys.
    pub(super) hash: u32,
    pub(super) links: Links,
    pub(super) class: u8,
}

impl Slot {
    /// The class of a slot that holds no counter.
    pub(super) const FREE: u8 = u8::MAX;
}

const _: () = assert!(size_of::<Slot>() <= 64, "a cache line for each counter");
