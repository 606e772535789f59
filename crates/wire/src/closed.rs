//! What is remembered of streams that are not open any more.

use std::ops::Range;

/// How many streams that this end has reset are remembered.
const MOST_RESETS: usize = 64;

/// What is remembered of the streams up to the highest one that the peer has opened: a bounded part of what became of
/// them. What is not remembered is an error of the stream alone, for a peer that keeps to the rules may have sent
/// something before it knew that its stream was reset, however many resets ago that was.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The last ones that this end has reset.
    resets: Vec<u32>,
    /// Where the oldest of these is, once there are as many as may be.
    oldest: u8,
    /// The last one that was closed after the peer had ended its request.
    ended: u32,
    /// The last ones that the peer has passed over.
    skipped: Range<u32>,
}

/// How a stream came not to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// This end has reset it, and what the peer had sent before it knew is ignored.
    Reset,
    /// The peer had ended its request, and so has nothing to send on it.
    Ended,
    /// The peer has opened a higher one instead.
    Skipped,
    /// It was closed, and that is all that is known.
    Unknown,
}

impl Closed {
    /// Notes that the peer has opened this stream, and none after `last` before it.
    pub(crate) fn opened(&mut self, id: u32, last: u32) {
        if id > last + 2 {
            self.skipped = last + 1..id;
        }
    }

    /// Notes that a stream was closed after the peer had ended its request.
    pub(crate) fn ended(&mut self, id: u32) {
        self.ended = id;
    }

    /// Notes that this end has reset a stream.
    pub(crate) fn reset(&mut self, id: u32) {
        if self.resets.len() < MOST_RESETS {
            self.resets.push(id);
        } else if let Some(oldest) = self.resets.get_mut(usize::from(self.oldest)) {
            *oldest = id;
            self.oldest = (self.oldest + 1) % MOST_RESETS as u8;
        }
    }

    /// Streams that it has memory for.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.resets.capacity()
    }

    /// How this stream came not to be open.
    pub(crate) fn how(&self, id: u32) -> How {
        if self.resets.contains(&id) {
            How::Reset
        } else if self.ended == id {
            How::Ended
        } else if self.skipped.contains(&id) {
            How::Skipped
        } else {
            How::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_resets_are_forgotten() {
        let mut closed = Closed::default();
        for id in 1..=200 {
            closed.reset(id);
        }
        let remembered: Vec<_> = (1..=200).filter(|id| closed.how(*id) == How::Reset).collect();
        assert_eq!(remembered, (137..=200).collect::<Vec<_>>());
    }

    #[test]
    fn ways_not_to_be_open_are_distinguished() {
        let mut closed = Closed::default();
        closed.opened(1, 0);
        closed.opened(3, 1);
        assert_eq!((closed.how(1), closed.how(3)), (How::Unknown, How::Unknown));
        closed.ended(1);
        closed.opened(9, 3);
        assert_eq!([1, 3, 5, 7, 9].map(|id| closed.how(id)), {
            [How::Ended, How::Unknown, How::Skipped, How::Skipped, How::Unknown]
        });
        let mut closed = Closed::default();
        closed.opened(0x7fff_ffff, 0x7fff_fffd);
        assert_eq!(closed.how(0x7fff_fffd), How::Unknown);
    }
}
