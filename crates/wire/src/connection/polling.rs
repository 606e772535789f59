//! Calls that wait, and replies that are held, go on.

use std::task::Context;

use super::{Connection, ENOUGH, Step, Turn, listed::Due};
use crate::{
    Handler,
    reply::{TURN, send_held},
};

impl<H: Handler> Connection<H> {
    /// Polls all calls that wait, for the waker of one of them was used, and does what [`Connection::proceed`] does.
    pub fn poll(&mut self, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        self.listed.set_due(Due::All);
        self.proceed(cx, turn);
    }

    /// Polls the calls that have not been polled yet, and those that there is room for now, and sends what is held and
    /// may be sent.
    pub fn proceed(&mut self, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        // requests that are answered at once may have used up all, each time, and yet those that wait must go on
        let enough = ENOUGH.max(turn.out.len() + TURN);
        let (due, first) = self.listed.begin();
        let mut at = first;
        let mut without_window = None;
        for _ in first..self.listed.len() {
            if turn.out.len() >= enough {
                self.listed.put_off(at, due);
                without_window = None;
                break;
            }
            // none are left if the connection has ended meanwhile
            let Some(id) = self.listed.get(at) else { break };
            if self.outgoing.window.room() == 0 {
                without_window = without_window.or(Some(at));
            }
            self.advance(id, due, cx, turn);
            let stream = self.streams.get_mut(id);
            let is_gone = stream.is_none();
            let stays = stream.is_some_and(|stream| {
                stream.is_listed = stream.is_waiting || stream.sending.held.is_some();
                stream.is_listed
            });
            if stays {
                at += 1;
            } else {
                self.listed.remove(at, is_gone);
            }
        }
        if let Some(at) = without_window.filter(|_| due > Due::Fresh) {
            // else the first ones would use up each WINDOW_UPDATE
            self.listed.start_from(at);
        }
        self.listed.shrink();
        self.end_if_left();
    }

    fn advance(&mut self, id: u32, due: Due, cx: &mut Context<'_>, turn: &mut Turn<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Some(held) = &stream.sending.held else {
            let is_fresh = std::mem::take(&mut stream.is_fresh);
            let has_room = stream.wants_room && stream.sending.room(&self.outgoing) > 0;
            if stream.is_waiting && (due == Due::All || is_fresh || has_room) {
                self.step(id, Step::Poll(cx), turn);
            }
            return;
        };
        let before = held.cost();
        let sent = send_held(id, &mut stream.sending, &mut self.outgoing, turn.out);
        if let Some(held) = &mut stream.sending.held {
            held.progressed(sent, turn.now);
            if stream.sending.room(&self.outgoing) > 0 {
                // others have their turn before it goes on
                self.listed.set_due(Due::Room);
            }
        } else {
            self.hold(before, 0);
            self.replied(id, turn);
        }
    }

    /// Whether [`Connection::proceed`] has something to do though no waker was used.
    #[must_use]
    pub fn wants_poll(&self) -> bool {
        self.listed.is_due()
    }

    /// Puts a stream into the list of those that are polled, and has it polled unless it has waited before.
    pub(super) fn list(&mut self, id: u32, waited: bool) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.is_listed {
            if !waited {
                stream.is_fresh = true;
                self.listed.set_due(Due::Room);
            }
            return;
        }
        stream.is_listed = true;
        // its waker is not set yet
        stream.is_fresh = true;
        if self.listed.has_many_gone() {
            // callers that give up all their calls are no reason to keep the numbers of these
            self.listed.retain(|id| self.streams.contains(id));
        }
        self.listed.add(id);
    }
}
