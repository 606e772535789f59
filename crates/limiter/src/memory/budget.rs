//! The order of eviction. Counters are in classes by the share of their budget that is left; each class is a list from
//! the counter that was charged longest ago to the most recent one.
//!
//! The links of the lists are in the slots; this module keeps the ends, and computes a counter's class.

use super::slot::{Links, NONE, Slot};
use crate::domain::{Charge, Hit, Verdict};

/// One class for each sixteenth of the budget, and one above them for counters that have denied a hit.
pub(super) const CLASSES: usize = 17;

/// The class that is evicted last: counters that have denied a hit.
pub(super) const DENIED: u8 = 16;

/// The class of a counter after `hit`. Class 0, with most of the budget left, is evicted first.
pub(super) fn class_of(hit: &Hit, verdict: &Verdict) -> u8 {
    let capacity = hit.limit.burst();
    if capacity == 0 {
        return 0; // it denies every hit, even if its counter is evicted
    }
    if was_denied(hit, verdict) || verdict.after > capacity {
        return DENIED;
    }
    DENIED - 1 - (verdict.remaining.saturating_mul(16) / capacity).min(15) as u8
}

/// Whether the hit took something and was over its limit. A look does not change a counter's class.
pub(super) fn was_denied(hit: &Hit, verdict: &Verdict) -> bool {
    let asks = matches!(hit.charge, Charge::Take(n) if n > 0);
    asks && !verdict.allowed && hit.limit.burst() > 0
}

/// The ends of all lists, as slot numbers.
#[derive(Debug)]
pub(super) struct Classes {
    oldest: [u32; CLASSES],
    newest: [u32; CLASSES],
    /// Bit `n` is set if class `n` is not empty.
    occupied: u32,
}

impl Classes {
    pub(super) const EMPTY: Self = Self { oldest: [NONE; CLASSES], newest: [NONE; CLASSES], occupied: 0 };

    /// The counter to evict next: the oldest one of the lowest class that is not empty.
    pub(super) fn first(&self) -> Option<u32> {
        let class = self.occupied.trailing_zeros() as usize;
        self.oldest.get(class).copied()
    }

    /// Whether `slot` is at the end of a class.
    pub(super) fn is_newest(&self, class: u8, slot: u32) -> bool {
        self.newest[usize::from(class)] == slot
    }

    /// Appends `slot` to a class, as its newest.
    pub(super) fn append(&mut self, slots: &mut [Slot], class: u8, slot: u32) {
        let class = usize::from(class);
        let older = self.newest[class];
        slots[slot as usize].links = Links { older, newer: NONE };
        match older {
            NONE => self.oldest[class] = slot,
            older => slots[older as usize].links.newer = slot,
        }
        self.newest[class] = slot;
        self.occupied |= 1 << class;
    }

    /// Removes `slot` from its class.
    pub(super) fn unlink(&mut self, slots: &mut [Slot], class: u8, slot: u32) {
        let class = usize::from(class);
        let Links { older, newer } = std::mem::replace(&mut slots[slot as usize].links, Links::UNLINKED);
        match older {
            NONE => self.oldest[class] = newer,
            older => slots[older as usize].links.newer = newer,
        }
        match newer {
            NONE => self.newest[class] = older,
            newer => slots[newer as usize].links.older = older,
        }
        if self.oldest[class] == NONE {
            self.occupied &= !(1 << class);
        }
    }
}

#[cfg(test)]
impl Classes {
    /// The oldest counter of each class.
    pub(super) fn oldest(&self) -> [u32; CLASSES] {
        self.oldest
    }
}
