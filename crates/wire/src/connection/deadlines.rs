//! Ends what takes too long.

use std::{sync::Arc, time::Instant};

use super::{Connection, Step, Turn};
use crate::{ErrorCode, Handler, clock::later};

impl<H: Handler> Connection<H> {
    /// When [`Connection::expire`] is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let requests = self.earliest.filter(|_| self.receiving > 0);
        let section = self.section.as_ref().map(|section| later(section.since(), self.config.read_patience));
        let stalled = self.untaken_since().map(|since| later(since, self.config.write_patience));
        let leaving = self.leaving.deadline();
        [requests, section, stalled, leaving].into_iter().flatten().min()
    }

    /// Ends what has taken too long.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        let (now, config) = (turn.now, Arc::clone(&self.config));
        if self.section.as_ref().is_some_and(|section| later(section.since(), config.read_patience) <= now) {
            return self.give_up("the fields of a request have not come whole in time", turn);
        }
        if self.untaken_since().is_some_and(|since| later(since, config.write_patience) <= now) {
            self.expire_replies(turn);
        }
        if self.leaving.deadline().is_some_and(|due| due <= now) {
            self.leave_for_good(turn);
        }
        if self.receiving > 0 && self.earliest.is_some_and(|earliest| earliest <= now) {
            self.expire_requests(turn);
        }
        self.end_if_left();
    }

    /// Drops the replies that the peer has not taken in time. Otherwise a peer that takes a byte now and then, or only
    /// some of its replies, could have them kept forever.
    fn expire_replies(&mut self, turn: &mut Turn<'_>) {
        let patience = self.config.write_patience;
        let untaken = self.streams.iter_mut().filter_map(|(id, stream)| Some((id, stream.untaken_since()?)));
        let due: Vec<_> = untaken.filter(|(_, since)| later(*since, patience) <= turn.now).map(|(id, _)| id).collect();
        if !due.is_empty() && self.outgoing.window.room() == 0 {
            return self.give_up("the peer does not take its answers", turn);
        }
        for id in due {
            self.report_reset(ErrorCode::CANCEL, "the peer does not take its answer");
            self.reset(id, ErrorCode::CANCEL, turn);
        }
        self.stalled = self.streams.iter_mut().filter_map(|(_, stream)| stream.sending.held.as_ref()?.since()).min();
        self.starved = self.streams.iter_mut().filter_map(|(_, stream)| Some(stream.starved?.since())).min();
    }

    /// The earliest instant since which a complete reply has made too little progress.
    fn untaken_since(&self) -> Option<Instant> {
        [self.stalled, self.starved].into_iter().flatten().min()
    }

    fn expire_requests(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let open = self.streams.iter_mut().filter(|(_, stream)| !stream.receiving.is_ended);
        let due: Vec<_> = open
            .filter(|(_, stream)| stream.receiving.until.is_some_and(|until| until <= now))
            .map(|(id, _)| id)
            .collect();
        for id in due {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            if stream.sending.held.is_some() {
                // the reply has a deadline of its own; after it the request has one again
                stream.receiving.until = Some(later(now, self.config.write_patience));
                continue;
            }
            if stream.call.is_none() {
                // the reply was complete long ago
                self.reset(id, ErrorCode::CANCEL, turn);
                continue;
            }
            self.step(id, Step::Expire, turn);
            if self.streams.get_mut(id).is_some_and(|stream| stream.call.is_some()) {
                self.reset(id, ErrorCode::CANCEL, turn);
            }
        }
        let open = self.streams.iter_mut().filter(|(_, stream)| !stream.receiving.is_ended);
        self.earliest = open.filter_map(|(_, stream)| stream.receiving.until).min();
    }
}
