//! What is remembered of streams that are closed.

use std::ops::Range;

/// How many streams that this end has reset are remembered.
const MAX_RESETS: usize = 64;

/// What is remembered of closed streams, in bounded memory. An unexpected frame on a stream that is not remembered is
/// an error of that stream only: a peer that follows the protocol may have sent it before it learned that the stream
/// was reset, however many resets ago.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The streams that this end has reset most recently.
    resets: Vec<u32>,
    /// The index of the oldest of them, once the list is full.
    oldest: u8,
    /// The last stream that was closed after the peer had ended its request.
    ended: u32,
    /// The ids that the peer has skipped most recently.
    skipped: Range<u32>,
}

/// Why a stream is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// This end has reset it. Frames that the peer sent before it learned of that are ignored.
    Reset,
    /// The peer had ended its request, so it must not send anything more on it.
    Ended,
    /// The peer has opened a stream with a higher id instead.
    Skipped,
    /// It was closed; nothing else is known.
    Unknown,
}

impl Closed {
    /// Records that the peer has opened a stream, and none between `last` and it.
    pub(crate) fn opened(&mut self, id: u32, last: u32) {
        if id > last + 2 {
            self.skipped = last + 1..id;
        }
    }

    /// Records that a stream was closed after the peer had ended its request.
    pub(crate) fn ended(&mut self, id: u32) {
        self.ended = id;
    }

    /// Records that this end has reset a stream.
    pub(crate) fn reset(&mut self, id: u32) {
        if self.resets.len() < MAX_RESETS {
            self.resets.push(id);
        } else if let Some(oldest) = self.resets.get_mut(usize::from(self.oldest)) {
            *oldest = id;
            self.oldest = (self.oldest + 1) % MAX_RESETS as u8;
        }
    }

    /// The number of streams for which it has allocated memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.resets.capacity()
    }

    /// Why a stream is not open.
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
    fn the_reasons_for_not_being_open_are_distinguished() {
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
