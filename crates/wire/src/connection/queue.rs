//! The streams that can make progress. Each event queues only the streams that it concerns, so that a frame never makes
//! the connection look at all streams, however many wait.

use std::collections::VecDeque;

/// Below this number, ids of closed streams in the queue do not matter.
const MIN_PURGE: usize = 64;

/// A stream that can make progress. It may have been closed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its call is to be polled.
    Poll(u32),
    /// It has more to send, and its own window admits it.
    Send(u32),
}

/// How many streams of each kind have not had their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    polls: usize,
    sends: usize,
}

/// The queued streams, each at most once per kind.
#[derive(Debug, Default)]
pub(super) struct Queue {
    polls: VecDeque<u32>,
    /// These wait while the connection's window is used up.
    sends: VecDeque<u32>,
    /// Whether a sending stream is next, so that neither kind makes the other one wait.
    is_send_next: bool,
    /// The number of streams that were looked at.
    #[cfg(test)]
    pub(super) visits: usize,
}

impl Queue {
    /// Adds a stream that is not queued for this reason.
    pub(super) fn add(&mut self, next: Next) {
        match next {
            Next::Poll(id) => self.polls.push_back(id),
            Next::Send(id) => self.sends.push_back(id),
        }
    }

    /// Removes closed streams if they are most of the queue; `open` is the number of open streams. Callers that cancel
    /// all their calls must not make it grow.
    pub(super) fn forget(&mut self, open: usize, is_open: impl Fn(u32) -> bool) {
        for queue in [&mut self.polls, &mut self.sends] {
            if queue.len() > MIN_PURGE + 2 * open {
                queue.retain(|id| is_open(*id));
            }
        }
    }

    /// Begins a round through the streams that are queued now.
    pub(super) fn begin(&self) -> Left {
        Left { polls: self.polls.len(), sends: self.sends.len() }
    }

    /// The number of streams for which it has allocated memory.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.polls.capacity() + self.sends.capacity()
    }

    /// Whether a stream can make progress now.
    pub(super) fn is_due(&self, has_window: bool) -> bool {
        !self.polls.is_empty() || has_window && !self.sends.is_empty()
    }

    /// Takes the next stream of this round that can make progress now.
    pub(super) fn next(&mut self, left: &mut Left, has_window: bool) -> Option<Next> {
        // closed streams may have been removed meanwhile
        *left = Left { polls: left.polls.min(self.polls.len()), sends: left.sends.min(self.sends.len()) };
        let is_send = has_window && left.sends > 0 && (self.is_send_next || left.polls == 0);
        let kind = if is_send { &mut left.sends } else { &mut left.polls };
        *kind = kind.checked_sub(1)?;
        self.is_send_next = !is_send;
        let next =
            if is_send { self.sends.pop_front().map(Next::Send) } else { self.polls.pop_front().map(Next::Poll) };
        #[cfg(test)]
        {
            self.visits += usize::from(next.is_some());
        }
        next
    }

    /// Releases the memory that is not in use.
    pub(super) fn rest(&mut self) {
        self.polls.shrink_to_fit();
        self.sends.shrink_to_fit();
    }

    /// Releases memory that many streams needed.
    pub(super) fn shrink(&mut self) {
        for queue in [&mut self.polls, &mut self.sends] {
            if queue.is_empty() && queue.capacity() > MIN_PURGE {
                *queue = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_streams_are_removed() {
        let mut queue = Queue::default();
        for id in 0..100_000 {
            queue.add(Next::Poll(id));
            queue.add(Next::Send(id));
            queue.forget(1, |id| id == 7);
            assert!(queue.polls.len().max(queue.sends.len()) <= MIN_PURGE + 3, "{queue:?}");
        }
        let left = &mut queue.begin();
        assert_eq!((queue.next(left, true), queue.next(left, true)), (Some(Next::Poll(7)), Some(Next::Send(7))));
    }

    #[test]
    fn neither_kind_waits_for_the_other() {
        let mut queue = Queue::default();
        for id in 0..3 {
            queue.add(Next::Poll(id));
            queue.add(Next::Send(id));
        }
        let left = &mut queue.begin();
        let mut order: Vec<_> = (0..4).map_while(|_| queue.next(left, true)).collect();
        order.extend((0..4).map_while(|_| queue.next(left, false)));
        assert_eq!(order, [Next::Poll(0), Next::Send(0), Next::Poll(1), Next::Send(1), Next::Poll(2)]);
        assert_eq!((queue.is_due(false), queue.is_due(true)), (false, true));
        assert_eq!(queue.next(left, true), Some(Next::Send(2)));
        assert!(!queue.is_due(true));
    }

    /// A reply with much to send must not make calls wait.
    #[test]
    fn each_stream_has_one_turn() {
        let mut queue = Queue::default();
        queue.add(Next::Send(7));
        (0..100).for_each(|id| queue.add(Next::Poll(id)));
        let left = &mut queue.begin();
        let mut sends = 0;
        while let Some(next) = queue.next(left, true) {
            if let Next::Send(_) = next {
                sends += 1;
                queue.add(next);
            }
        }
        assert_eq!((sends, queue.begin()), (1, Left { polls: 0, sends: 1 }));
    }
}
