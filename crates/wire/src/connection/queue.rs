//! The streams that may go on. Each event puts those that it concerns here, so that no frame of the peer has the others
//! looked at, however many wait.

use std::collections::VecDeque;

/// Below this, numbers of streams that are closed do not matter.
const FEW: usize = 64;

/// A stream that may go on. It may be closed by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its call is to be polled.
    Poll(u32),
    /// It has more to send, and its own window admits that.
    Send(u32),
}

/// How many of each kind have not had their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    polls: usize,
    sends: usize,
}

/// The streams that may go on, each at most once for either reason.
#[derive(Debug, Default)]
pub(super) struct Queue {
    polls: VecDeque<u32>,
    /// While the connection's window is used up, these wait.
    sends: VecDeque<u32>,
    /// Whether one that sends comes next: neither kind makes the other one wait.
    is_send_next: bool,
    /// How many streams were looked at.
    #[cfg(test)]
    pub(super) visits: usize,
}

impl Queue {
    /// Adds a stream that is not there for this reason.
    pub(super) fn add(&mut self, next: Next) {
        match next {
            Next::Poll(id) => self.polls.push_back(id),
            Next::Send(id) => self.sends.push_back(id),
        }
    }

    /// Forgets streams that are closed if these are most of what is here, with so many open: callers that give up all
    /// their calls are no reason to keep the numbers of these.
    pub(super) fn forget(&mut self, open: usize, is_open: impl Fn(u32) -> bool) {
        for queue in [&mut self.polls, &mut self.sends] {
            if queue.len() > FEW + 2 * open {
                queue.retain(|id| is_open(*id));
            }
        }
    }

    /// Begins to go through those that are here now.
    pub(super) fn begin(&self) -> Left {
        Left { polls: self.polls.len(), sends: self.sends.len() }
    }

    /// Streams that it has memory for.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.polls.capacity() + self.sends.capacity()
    }

    /// Whether there is one that may go on now.
    pub(super) fn is_due(&self, has_window: bool) -> bool {
        !self.polls.is_empty() || has_window && !self.sends.is_empty()
    }

    /// Takes the next one that may go on now, of those that have not had their turn.
    pub(super) fn next(&mut self, left: &mut Left, has_window: bool) -> Option<Next> {
        // those that are closed may have been forgotten meanwhile
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

    /// Gives the memory back that is not in use.
    pub(super) fn rest(&mut self) {
        self.polls.shrink_to_fit();
        self.sends.shrink_to_fit();
    }

    /// Gives memory back that many streams needed.
    pub(super) fn shrink(&mut self) {
        for queue in [&mut self.polls, &mut self.sends] {
            if queue.is_empty() && queue.capacity() > FEW {
                *queue = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_are_closed_are_forgotten() {
        let mut queue = Queue::default();
        for id in 0..100_000 {
            queue.add(Next::Poll(id));
            queue.add(Next::Send(id));
            queue.forget(1, |id| id == 7);
            assert!(queue.polls.len().max(queue.sends.len()) <= FEW + 3, "{queue:?}");
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

    /// One reply that has much to send must not make calls wait.
    #[test]
    fn each_has_one_turn() {
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
