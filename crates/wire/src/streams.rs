//! The open streams of a connection.

use std::time::Instant;

use hashbrown::HashMap;

use crate::{
    pace::Pace,
    reply::Sending,
    window::{Overflow, ReceiveWindow},
};

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream<C> {
    /// `None` once its reply is complete; parts of the reply may still be held, and the request may continue.
    pub(crate) call: Option<C>,
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    /// Whether the call waits to be polled.
    pub(crate) is_waiting: bool,
    /// Whether the call asked for room, or could not send everything.
    pub(crate) wants_room: bool,
    /// How fast the peer takes its reply, while it waits for room.
    pub(crate) starved: Option<Pace>,
    /// Whether it is queued to be polled.
    pub(crate) is_to_poll: bool,
    /// Whether it is queued to send more of its reply.
    pub(crate) is_to_send: bool,
}

impl<C> Stream<C> {
    /// Whether its reply may have more than could be sent.
    pub(crate) fn has_more(&self) -> bool {
        self.sending.held.is_some() || self.is_waiting && self.wants_room
    }

    /// Since when the peer has taken too little of its reply.
    pub(crate) fn untaken_since(&self) -> Option<Instant> {
        let held = self.sending.held.as_ref().and_then(|held| held.since());
        held.or(self.starved.map(Pace::since))
    }
}

/// The receiving half of a stream.
#[derive(Debug)]
pub(crate) struct Receiving {
    window: ReceiveWindow,
    /// Bytes received and not returned to the connection's window.
    pub(crate) charged: u32,
    /// The value of `content-length`, and how much of the body has arrived.
    announced: Option<u64>,
    came: u64,
    pub(crate) is_ended: bool,
    /// When the request must have ended, if there is a limit.
    pub(crate) until: Option<Instant>,
}

/// The body is longer or shorter than its `content-length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongLength;

impl Receiving {
    pub(crate) fn new(window: u32, announced: Option<u64>, until: Option<Instant>) -> Self {
        let window = ReceiveWindow::new(window);
        Self { window, charged: 0, announced, came: 0, is_ended: false, until }
    }

    /// Charges a DATA frame with this much content and padding to the stream's window.
    pub(crate) fn charge(&mut self, content: usize, padding: usize) -> Result<(), Overflow> {
        let (content, padding) = (bytes(content), bytes(padding));
        self.window.receive(content + padding)?;
        self.window.give_back(padding);
        self.charged += content;
        Ok(())
    }

    /// Releases up to this many of the charged bytes; returns how many it released.
    pub(crate) fn release(&mut self, bytes: u32) -> u32 {
        let released = bytes.min(self.charged);
        self.charged -= released;
        self.window.give_back(released);
        released
    }

    /// See [`ReceiveWindow::update`]. A request that has ended needs none.
    pub(crate) fn window_update(&mut self) -> Option<u32> {
        if self.is_ended { None } else { self.window.update() }
    }

    /// Compares the body's length with `content-length`.
    pub(crate) fn count(&mut self, content: usize, is_end: bool) -> Result<(), WrongLength> {
        self.came += content as u64;
        match self.announced {
            Some(announced) if self.came > announced || is_end && self.came < announced => Err(WrongLength),
            _ => Ok(()),
        }
    }
}

/// Frame payloads are shorter than 2^24 bytes.
fn bytes(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The streams by id. The newest is kept separately: most calls are answered before the next one begins, and never
/// enter the table.
#[derive(Debug)]
pub(crate) struct Streams<C> {
    newest: Option<(u32, Stream<C>)>,
    others: HashMap<u32, Stream<C>, foldhash::fast::RandomState>,
}

impl<C> Default for Streams<C> {
    fn default() -> Self {
        Self { newest: None, others: HashMap::default() }
    }
}

impl<C> Streams<C> {
    /// The memory of an open stream: the table may be half empty.
    pub(crate) const COST: usize = 2 * size_of::<(u32, Stream<C>)>();

    pub(crate) fn len(&self) -> usize {
        self.others.len() + usize::from(self.newest.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a stream, whose id must be the highest, and returns it.
    pub(crate) fn insert(&mut self, id: u32, stream: Stream<C>) -> &mut Stream<C> {
        if let Some((before, stream)) = self.newest.take() {
            self.others.insert(before, stream);
        }
        &mut self.newest.insert((id, stream)).1
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.newest.as_ref().is_some_and(|(newest, _)| *newest == id) || self.others.contains_key(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream<C>> {
        match &mut self.newest {
            Some((newest, stream)) if *newest == id => Some(stream),
            _ => self.others.get_mut(&id),
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream<C>> {
        match &self.newest {
            Some((newest, _)) if *newest == id => self.newest.take().map(|(_, stream)| stream),
            _ => self.others.remove(&id),
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream<C>)> {
        let newest = self.newest.iter_mut().map(|(id, stream)| (*id, stream));
        newest.chain(self.others.iter_mut().map(|(id, stream)| (*id, stream)))
    }

    /// The number of streams for which the table has memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.others.capacity()
    }

    /// Whether the table has memory for many more streams than there are.
    pub(crate) fn can_shrink(&self) -> bool {
        /// The memory of this many streams is not worth shrinking.
        const MIN_SHRINK: usize = 64;
        let needed = if self.others.is_empty() { 0 } else { MIN_SHRINK.max(8 * self.others.len()) };
        self.others.capacity() > needed
    }

    /// Releases memory of the table that the streams do not need.
    pub(crate) fn shrink(&mut self) {
        if self.can_shrink() {
            self.others.shrink_to(2 * self.others.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_must_have_the_length_of_its_content_length() {
        let until = None;
        let mut receiving = Receiving::new(100, Some(5), until);
        assert_eq!(receiving.count(3, false), Ok(()));
        assert_eq!(receiving.count(2, true), Ok(()));
        assert_eq!(receiving.count(1, false), Err(WrongLength));
        assert_eq!(Receiving::new(100, Some(5), until).count(4, true), Err(WrongLength));
        assert_eq!(Receiving::new(100, None, until).count(4, true), Ok(()));
    }

    #[test]
    fn the_memory_of_many_streams_is_released() {
        let stream = || Stream {
            call: Some(()),
            sending: Sending::new(1),
            receiving: Receiving::new(1, None, None),
            is_waiting: false,
            wants_room: false,
            starved: None,
            is_to_poll: false,
            is_to_send: false,
        };
        let mut streams = Streams::default();
        for id in 0..10_000 {
            streams.insert(id, stream());
        }
        assert!(!streams.can_shrink());
        (20..10_000).for_each(|id| drop(streams.remove(id)));
        assert!(streams.can_shrink());
        streams.shrink();
        assert!(streams.memory() < 100 && !streams.can_shrink(), "{}", streams.memory());
        assert!((0..20).all(|id| streams.contains(id)));
        (0..20).for_each(|id| drop(streams.remove(id)));
        streams.shrink();
        assert_eq!((streams.memory(), streams.can_shrink()), (0, false));
    }

    #[test]
    fn padding_is_returned_and_content_is_charged() {
        let mut receiving = Receiving::new(100, None, None);
        receiving.charge(10, 50).expect("room");
        assert_eq!((receiving.charged, receiving.window_update()), (10, Some(50)));
        assert_eq!((receiving.release(100), receiving.charged), (10, 0));
        assert_eq!(receiving.charge(100, 1), Err(Overflow));
    }
}
