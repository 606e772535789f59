//! The calls of a connection: their data, progress and end.

use std::{cell::Cell, task::Context, time::Instant};

use super::{Connection, Fault, Turn};
use crate::{
    ErrorCode, Event, Handler, Progress, Reply,
    clock::later,
    closed::How,
    frame::{self, flag},
    pace::Pace,
    reply::TURN,
    streams::Streams,
};

/// Which method of the handler to call.
pub(super) enum Step<'a, 'c> {
    Data(&'a [u8], bool),
    Poll(&'a mut Context<'c>),
    Expire,
}

impl<H: Handler> Connection<H> {
    pub(super) fn data(&mut self, head: frame::Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let id = head.stream;
        if id == 0 {
            return Err(Fault::protocol("DATA are on the connection itself"));
        }
        let (content, padding) =
            frame::unpad(head, payload).ok_or(Fault::protocol("the padding is longer than its frame"))?;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.window.receive(length).map_err(|_| Fault::flow("DATA exceed the connection's window"))?;
        let is_end = head.has(flag::END_STREAM);
        if content.is_empty() && !is_end {
            self.spend(turn, "too many empty DATA frames")?;
        }
        let Some(stream) = self.streams.get_mut(id) else {
            self.give_back(length, turn);
            return self.late_frame(id, "DATA are on a stream that was never opened", turn);
        };
        let receiving = &mut stream.receiving;
        let fault = if receiving.is_ended {
            Some((ErrorCode::STREAM_CLOSED, "DATA are on a stream that its client has ended"))
        } else if receiving.charge(content.len(), padding).is_err() {
            Some((ErrorCode::FLOW_CONTROL_ERROR, "DATA exceed the stream's window"))
        } else if receiving.count(content.len(), is_end).is_err() {
            Some((ErrorCode::PROTOCOL_ERROR, "the body has not the length of its content-length"))
        } else {
            None
        };
        if let Some((code, why)) = fault {
            // the stream's window needs no update, because the stream is closed
            let charged = if code == ErrorCode::PROTOCOL_ERROR { padding } else { payload.len() };
            self.window.give_back(u32::try_from(charged).unwrap_or(u32::MAX));
            return self.fail(id, code, why, turn);
        }
        if is_end {
            self.end_request(id);
        }
        if padding > 0
            && let Some(stream) = self.streams.get_mut(id)
            && let Some(increment) = stream.receiving.window_update()
        {
            // a peer that pads its frames may need the window for the rest of its message, which is kept
            frame::put_window_update(id, increment, turn.out);
        }
        self.give_back(u32::try_from(padding).unwrap_or(u32::MAX), turn);
        self.step(id, Step::Data(content, is_end), turn);
        if self.streams.get_mut(id).is_some_and(|stream| stream.call.is_none()) {
            self.settle(id, turn);
        }
        Ok(())
    }

    /// Records that the peer has ended its request on this stream.
    pub(super) fn end_request(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.receiving.is_ended = true;
            self.receiving -= 1;
        }
    }

    /// Records the instant by which a request must have ended.
    pub(super) fn expect_end(&mut self, until: Option<Instant>) {
        let others = self.earliest.filter(|_| self.receiving > 1);
        self.earliest = [others, until].into_iter().flatten().min();
    }

    /// Calls the handler and handles the outcome.
    pub(super) fn step(&mut self, id: u32, step: Step<'_, '_>, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Some(call) = &mut stream.call else { return };
        let mut reply = Reply {
            stream: id,
            out: turn.out,
            sending: &mut stream.sending,
            outgoing: &mut self.outgoing,
            left: TURN,
            wants_room: Cell::new(false),
            released: 0,
            reset: None,
        };
        let is_poll = matches!(step, Step::Poll(_));
        let progress = match step {
            Step::Data(data, is_end) => self.handler.data(call, data, is_end, &mut reply),
            Step::Poll(cx) => self.handler.poll(call, cx, &mut reply),
            Step::Expire => self.handler.expire(call, &mut reply),
        };
        let (released, reset, left) = (reply.released, reply.reset, reply.left);
        let asked_for_room = left == 0 || reply.wants_room.get();
        stream.is_waiting = progress == Progress::Waiting;
        // only a poll can find that no room is wanted any more
        stream.wants_room = asked_for_room || !is_poll && stream.wants_room;
        let has_room = stream.sending.room(&self.outgoing) > 0;
        let is_starved = stream.is_waiting && stream.wants_room && !has_room;
        let before = stream.starved;
        stream.starved =
            is_starved.then(|| before.map_or(Pace::new(turn.now), |pace| pace.took(TURN - left, turn.now)));
        let is_ended = stream.sending.is_ended;
        if released > 0 {
            let released = stream.receiving.release(released);
            if let Some(increment) = stream.receiving.window_update() {
                frame::put_window_update(id, increment, turn.out);
            }
            self.give_back(released, turn);
        }
        match (before.is_some(), is_starved) {
            (false, true) => {
                self.starving += 1;
                self.starved = self.starved.or(Some(turn.now));
            }
            (true, false) => self.no_longer_starves(),
            _ => {}
        }
        match (progress, reset) {
            (_, Some(code)) => self.reset(id, code, turn),
            (Progress::Receiving, None) => {}
            // the outcome may have changed what the stream waits for
            (Progress::Waiting, None) if !is_poll => self.queue_poll(id),
            // the stream has used up its turn, or a window
            (Progress::Waiting, None) if left == 0 || is_starved => self.queue_send(id),
            (Progress::Waiting, None) => {}
            // a complete reply without END_STREAM would leave its caller waiting
            (Progress::Done, None) if !is_ended => self.reset(id, ErrorCode::INTERNAL_ERROR, turn),
            (Progress::Done, None) => self.answered(id, turn),
        }
    }

    fn answered(&mut self, id: u32, turn: &mut Turn<'_>) {
        self.allowance.answered();
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.call = None;
        let Some(held) = &mut stream.sending.held else {
            self.replied(id, turn);
            return;
        };
        held.begin(turn.now, Streams::<H::Call>::COST);
        let cost = held.cost();
        self.stalled = self.stalled.or(Some(turn.now));
        self.queue_send(id);
        self.hold(0, cost);
        if self.held_bytes > self.config.held.share() {
            self.close(Fault::calm("more answers wait for the peer to take them than may"), turn);
        } else if self.held.set(self.held_bytes).is_err() {
            // the memory is held by other peers
            self.report_reset(ErrorCode::ENHANCE_YOUR_CALM, "answers of all peers wait, and no more may");
            self.reset(id, ErrorCode::ENHANCE_YOUR_CALM, turn);
        }
    }

    /// Handles a reply that was sent completely. A request that has not ended may take a little longer.
    pub(super) fn replied(&mut self, id: u32, turn: &mut Turn<'_>) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.receiving.is_ended
        {
            let until = Some(later(turn.now, self.config.read_patience));
            stream.receiving.until = until;
            self.expect_end(until);
        }
        self.settle(id, turn);
    }

    /// Closes a stream once nothing more is to be sent or received. Until then, what the peer still sends is discarded.
    pub(super) fn settle(&mut self, id: u32, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.call.is_some() || stream.sending.held.is_some() {
            return;
        }
        if stream.receiving.is_ended {
            self.remove(id, turn);
        } else {
            let released = stream.receiving.release(u32::MAX);
            if let Some(increment) = stream.receiving.window_update() {
                frame::put_window_update(id, increment, turn.out);
            }
            self.give_back(released, turn);
        }
    }

    /// Records that a stream holds `after` bytes instead of `before`.
    pub(super) fn hold(&mut self, before: usize, after: usize) {
        self.held_bytes = self.held_bytes.saturating_sub(before) + after;
        if self.held_bytes == 0 {
            self.stalled = None;
        }
        if after < before {
            // never fails: it is less than before
            let _ = self.held.set(self.held_bytes);
        }
    }

    /// Records that a reply has room again, or that its stream is closed.
    fn no_longer_starves(&mut self) {
        self.starving -= 1;
        if self.starving == 0 {
            self.starved = None;
        }
    }

    /// Returns bytes to the connection's receive window.
    fn give_back(&mut self, bytes: u32, turn: &mut Turn<'_>) {
        self.window.give_back(bytes);
        if let Some(increment) = self.window.update() {
            frame::put_window_update(0, increment, turn.out);
        }
    }

    /// Removes a stream and what it holds.
    pub(super) fn remove(&mut self, id: u32, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.remove(id) else { return };
        if stream.receiving.is_ended {
            self.closed.ended(id);
        } else {
            self.receiving -= 1;
        }
        if let Some(held) = &stream.sending.held {
            self.hold(held.cost(), 0);
        }
        if stream.starved.is_some() {
            self.no_longer_starves();
        }
        self.give_back(stream.receiving.charged, turn);
        self.end_if_left();
    }

    /// Resets a stream.
    pub(super) fn reset(&mut self, id: u32, code: ErrorCode, turn: &mut Turn<'_>) {
        self.remove(id, turn);
        self.refuse(id, code, turn);
    }

    /// Sends RST_STREAM for a stream that is not open.
    pub(super) fn refuse(&mut self, id: u32, code: ErrorCode, turn: &mut Turn<'_>) {
        self.closed.reset(id);
        frame::put_reset(id, code, turn.out);
    }

    /// Resets a stream for an error of the peer.
    pub(super) fn fail(
        &mut self,
        id: u32,
        code: ErrorCode,
        why: &'static str,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        self.spend(turn, "too many errors on streams")?;
        self.report_reset(code, why);
        self.reset(id, code, turn);
        Ok(())
    }

    pub(super) fn report_reset(&mut self, code: ErrorCode, why: &'static str) {
        self.handler.report(Event::Reset { code, why });
    }

    /// Handles a frame on a stream that is not open; an error if the stream was never open.
    pub(super) fn late_frame(&mut self, id: u32, never_opened: &'static str, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if id > self.last || id.is_multiple_of(2) {
            return Err(Fault::protocol(never_opened));
        }
        self.spend(turn, "too many frames on streams that are closed")?;
        if self.closed.how(id) != How::Reset {
            self.refuse(id, ErrorCode::STREAM_CLOSED, turn);
        }
        Ok(())
    }

    /// Subtracts one frame from the allowance for frames that do not belong to calls.
    pub(super) fn spend(&mut self, turn: &Turn<'_>, why: &'static str) -> Result<(), Fault> {
        self.allowance.spend(1, turn.now).map_err(|_| Fault::calm(why))
    }
}
