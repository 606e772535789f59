//! Continues calls that wait and replies that are held.

use std::task::Context;

use super::{
    Connection, ENOUGH, Step, Turn,
    queue::{Next, Queue},
};
use crate::{
    Handler,
    reply::{TURN, send_held},
    streams::Streams,
};

impl<H: Handler> Connection<H> {
    /// Polls all waiting calls, because the waker of one of them was used, and then does what [`Connection::proceed`]
    /// does.
    pub fn poll(&mut self, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        for (id, stream) in self.streams.iter_mut() {
            if stream.is_waiting && !std::mem::replace(&mut stream.is_to_poll, true) {
                self.queue.add(Next::Poll(id));
            }
        }
        self.proceed(cx, turn);
    }

    /// Polls the calls that have not been polled yet and those that have room again, and sends what is held and may be
    /// sent. Each stream has one turn; streams that are left are first the next time.
    pub fn proceed(&mut self, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        // requests that are answered immediately may have used up the budget each time, and yet waiting calls must make
        // progress
        let enough = ENOUGH.max(turn.out.len() + TURN);
        let mut left = self.queue.begin();
        while turn.out.len() < enough {
            match self.queue.next(&mut left, self.outgoing.window.room() > 0) {
                Some(Next::Poll(id)) => self.poll_call(id, cx, turn),
                Some(Next::Send(id)) => self.send_more(id, cx, turn),
                None => break,
            }
        }
        self.queue.shrink();
        self.end_if_left();
    }

    fn poll_call(&mut self, id: u32, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_to_poll = false;
        if stream.is_waiting && stream.sending.held.is_none() {
            self.step(id, Step::Poll(cx), turn);
        }
    }

    fn send_more(&mut self, id: u32, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_to_send = false;
        if stream.sending.room(&self.outgoing) == 0 {
            // SETTINGS have made its window smaller
            return;
        }
        let Some(held) = &stream.sending.held else {
            if stream.is_waiting && stream.wants_room {
                self.step(id, Step::Poll(cx), turn);
            }
            return;
        };
        let before = held.cost();
        let sent = send_held(id, &mut stream.sending, &mut self.outgoing, turn.out);
        if let Some(held) = &mut stream.sending.held {
            held.progressed(sent, turn.now);
            // other streams have their turn before it continues
            self.queue_send(id);
        } else {
            self.hold(before, 0);
            self.replied(id, turn);
        }
    }

    /// Whether [`Connection::proceed`] has work although no waker was used.
    #[must_use]
    pub fn wants_poll(&self) -> bool {
        self.queue.is_due(self.outgoing.window.room() > 0)
    }

    /// Queues a call to be polled although its waker was not used.
    pub(super) fn queue_poll(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !std::mem::replace(&mut stream.is_to_poll, true) {
            add(&mut self.queue, &self.streams, Next::Poll(id));
        }
    }

    /// Queues a stream to send more once the connection's window admits it, if its own window does.
    pub(super) fn queue_send(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.sending.window.room() > 0 && !std::mem::replace(&mut stream.is_to_send, true) {
            add(&mut self.queue, &self.streams, Next::Send(id));
        }
    }
}

fn add<C>(queue: &mut Queue, streams: &Streams<C>, next: Next) {
    queue.forget(streams.len(), |id| streams.contains(id));
    queue.add(next);
}
