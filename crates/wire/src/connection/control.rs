//! Frames about streams and the connection that do not carry parts of calls.

use super::{Connection, Fault, Turn, queue::Next};
use crate::{
    ErrorCode, Handler,
    frame::{self, Head, flag, kind},
};

/// Changing the windows of this many streams costs about as much as a frame.
const STREAMS_PER_FRAME: u32 = 32;

impl<H: Handler> Connection<H> {
    pub(super) fn control(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        match head.kind {
            kind::SETTINGS => self.settings(head, payload, turn),
            kind::PING => self.ping(head, payload, turn),
            kind::WINDOW_UPDATE => self.window_update(head, payload, turn),
            kind::RST_STREAM => self.reset_by_peer(head, payload, turn),
            kind::PRIORITY => self.priority(head, payload, turn),
            kind::GOAWAY => self.go_away(head, payload, turn),
            kind::PUSH_PROMISE => Err(Fault::protocol("a client sent PUSH_PROMISE")),
            _ => self.spend(turn, "too many frames of types that are not known"),
        }
    }

    fn settings(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Fault::protocol("SETTINGS are on a stream"));
        }
        self.spend(turn, "too many SETTINGS")?;
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(Fault::frame_size("an acknowledgement of SETTINGS is not empty"));
            }
            self.is_acknowledged = true;
            return Ok(());
        }
        if !payload.len().is_multiple_of(6) {
            return Err(Fault::frame_size("the length of SETTINGS is not a multiple of six"));
        }
        self.has_settings = true;
        let before = i64::from(self.outgoing.peer.initial_window);
        self.outgoing.peer.apply(payload).map_err(|(code, why)| Fault { code, why })?;
        let change = i64::from(self.outgoing.peer.initial_window) - before;
        if change != 0 {
            let cost = u32::try_from(self.streams.len()).unwrap_or(u32::MAX) / STREAMS_PER_FRAME;
            self.allowance.spend(cost, turn.now).map_err(|_| Fault::calm("too many SETTINGS for so many streams"))?;
            // otherwise a peer that resets its calls after each of these would have all their ids kept
            self.queue.forget(self.streams.len(), |id| self.streams.contains(id));
            for (id, stream) in self.streams.iter_mut() {
                let changed = stream.sending.window.change(change);
                changed.map_err(|_| Fault::flow("SETTINGS make the window of a stream overflow"))?;
                let may_send = stream.has_more() && stream.sending.window.room() > 0;
                if may_send && !std::mem::replace(&mut stream.is_to_send, true) {
                    self.queue.add(Next::Send(id));
                }
            }
        }
        frame::put(kind::SETTINGS, flag::ACK, 0, &[], turn.out);
        Ok(())
    }

    fn ping(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Fault::protocol("a PING is on a stream"));
        }
        if payload.len() != 8 {
            return Err(Fault::frame_size("a PING has not eight bytes"));
        }
        self.spend(turn, "too many PINGs")?;
        if head.has(flag::ACK) {
            self.acknowledged(payload, turn);
        } else {
            frame::put(kind::PING, flag::ACK, 0, payload, turn.out);
        }
        Ok(())
    }

    fn window_update(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let increment = payload.try_into().map_err(|_| Fault::frame_size("a WINDOW_UPDATE has not four bytes"))?;
        let increment = i64::from(u32::from_be_bytes(increment) & 0x7fff_ffff);
        // WINDOW_UPDATEs in response to our DATA are the purpose of flow control
        match self.outgoing.updates.checked_sub(1) {
            Some(left) => self.outgoing.updates = left,
            None => self.spend(turn, "too many WINDOW_UPDATEs")?,
        }
        if head.stream == 0 {
            if increment == 0 {
                return Err(Fault::protocol("a WINDOW_UPDATE adds nothing"));
            }
            let changed = self.outgoing.window.change(increment);
            return changed.map_err(|_| Fault::flow("a WINDOW_UPDATE makes the connection's window overflow"));
        }
        let Some(stream) = self.streams.get_mut(head.stream) else {
            if head.stream > self.last || head.stream.is_multiple_of(2) {
                return Err(Fault::protocol("a WINDOW_UPDATE is for a stream that was never opened"));
            }
            // it was sent before the peer learned that the stream is closed
            return Ok(());
        };
        if increment == 0 {
            return self.fail(head.stream, ErrorCode::PROTOCOL_ERROR, "a WINDOW_UPDATE adds nothing", turn);
        }
        if stream.sending.window.change(increment).is_err() {
            let why = "a WINDOW_UPDATE makes the stream's window overflow";
            return self.fail(head.stream, ErrorCode::FLOW_CONTROL_ERROR, why, turn);
        }
        if stream.has_more() {
            self.queue_send(head.stream);
        }
        Ok(())
    }

    fn reset_by_peer(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream == 0 {
            return Err(Fault::protocol("a RST_STREAM is on the connection itself"));
        }
        if payload.len() != 4 {
            return Err(Fault::frame_size("a RST_STREAM has not four bytes"));
        }
        if self.streams.contains(head.stream) {
            // callers cancel calls, thousands of them while a store is unreachable: that alone is no attack
            self.remove(head.stream, turn);
            return Ok(());
        }
        if head.stream > self.last || head.stream.is_multiple_of(2) {
            return Err(Fault::protocol("a RST_STREAM is for a stream that was never opened"));
        }
        self.spend(turn, "too many frames on streams that are closed")
    }

    /// Priorities are obsolete (RFC 9113, section 5.3) but must be well-formed.
    fn priority(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream == 0 {
            return Err(Fault::protocol("a PRIORITY is on the connection itself"));
        }
        let [d0, d1, d2, d3, _]: [u8; 5] =
            payload.try_into().map_err(|_| Fault::frame_size("a PRIORITY has not five bytes"))?;
        self.spend(turn, "too many PRIORITY frames")?;
        if u32::from_be_bytes([d0, d1, d2, d3]) & 0x7fff_ffff != head.stream {
            return Ok(());
        }
        let why = "a stream depends on itself";
        if self.streams.contains(head.stream) {
            return self.fail(head.stream, ErrorCode::PROTOCOL_ERROR, why, turn);
        }
        Err(Fault::protocol(why))
    }

    /// The peer will open no more streams, or announces why it closes. Neither needs an action.
    fn go_away(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Fault::protocol("a GOAWAY is on a stream"));
        }
        if payload.len() < 8 {
            return Err(Fault::frame_size("a GOAWAY has less than eight bytes"));
        }
        self.spend(turn, "too many GOAWAYs")
    }
}
