//! The streams that wait or hold a reply, and which of them may go on.

/// Below this, numbers of streams that are closed do not matter.
const FEW: usize = 64;

/// Which streams may go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Those that have not been polled since they are in the list.
    #[default]
    Fresh,
    /// Those that hold a reply or wait for room as well.
    Room,
    /// All.
    All,
}

/// A list of streams, some of which may be closed.
#[derive(Debug, Default)]
pub(super) struct Listed {
    ids: Vec<u32>,
    /// Those at the end that are new.
    fresh: usize,
    /// Those that are closed.
    gone: usize,
    due: Due,
}

impl Listed {
    /// Adds one, that may go on.
    pub(super) fn add(&mut self, id: u32) {
        self.ids.push(id);
        self.fresh += 1;
    }

    /// Notes that one is closed.
    pub(super) fn gone(&mut self) {
        self.gone += 1;
    }

    /// Whether so many are closed that they are to be forgotten.
    pub(super) fn has_many_gone(&self) -> bool {
        self.gone > FEW && self.gone > self.ids.len() / 2
    }

    /// Forgets those that are closed.
    pub(super) fn retain(&mut self, mut is_open: impl FnMut(u32) -> bool) {
        let fresh_from = self.ids.len() - self.fresh;
        let mut at = 0;
        let mut fresh = 0;
        self.ids.retain(|id| {
            let stays = is_open(*id);
            fresh += usize::from(stays && at >= fresh_from);
            at += 1;
            stays
        });
        (self.fresh, self.gone) = (fresh, 0);
    }

    /// Notes that so many may go on.
    pub(super) fn set_due(&mut self, due: Due) {
        self.due = self.due.max(due);
    }

    pub(super) fn is_due(&self) -> bool {
        !self.ids.is_empty() && (self.fresh > 0 || self.due > Due::Fresh)
    }

    /// Begins to go through those that are due: which ones, and where the first one is.
    pub(super) fn begin(&mut self) -> (Due, usize) {
        let (due, fresh) = (std::mem::take(&mut self.due), std::mem::take(&mut self.fresh));
        (due, if due == Due::Fresh { self.ids.len() - fresh } else { 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<u32> {
        self.ids.get(at).copied()
    }

    /// Takes one out, in whose place there is another one then.
    pub(super) fn remove(&mut self, at: usize, is_gone: bool) {
        if at < self.ids.len() {
            self.ids.swap_remove(at);
            self.gone = self.gone.saturating_sub(usize::from(is_gone));
        }
    }

    /// Those from here on come first next time.
    pub(super) fn start_from(&mut self, at: usize) {
        if at < self.ids.len() {
            self.ids.rotate_left(at);
        }
    }

    /// Breaks off: those from here on come first next time.
    pub(super) fn put_off(&mut self, at: usize, due: Due) {
        self.ids.rotate_left(at);
        // that the new ones are new is known of each of them
        self.set_due(due.max(Due::Room));
    }

    /// Gives memory back.
    pub(super) fn shrink(&mut self) {
        if self.ids.is_empty() && self.ids.capacity() > FEW {
            self.ids = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_are_closed_are_forgotten() {
        let mut listed = Listed::default();
        for id in 0..100_000 {
            if listed.has_many_gone() {
                listed.retain(|other| other == 7);
            }
            listed.add(id);
            if id != 7 {
                listed.gone();
            }
            assert!(listed.len() <= FEW + 2, "{}", listed.len());
        }
        assert_eq!(listed.get(0), Some(7));
    }

    #[test]
    fn new_ones_are_gone_through_alone() {
        let mut listed = Listed::default();
        assert!(!listed.is_due());
        listed.add(1);
        listed.add(3);
        assert_eq!((listed.is_due(), listed.begin(), listed.is_due()), (true, (Due::Fresh, 0), false));
        listed.add(5);
        listed.retain(|id| id != 1);
        assert_eq!((listed.begin(), listed.get(1)), ((Due::Fresh, 1), Some(5)));
        listed.set_due(Due::All);
        listed.set_due(Due::Room);
        assert_eq!((listed.is_due(), listed.begin()), (true, (Due::All, 0)));
        listed.put_off(1, Due::Fresh);
        assert_eq!((listed.get(0), listed.begin()), (Some(5), (Due::Room, 0)));
    }
}
