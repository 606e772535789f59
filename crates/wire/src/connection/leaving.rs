//! The graceful end of a connection (RFC 9113, section 6.8): a warning, after which the peer opens no more streams;
//! once the peer has acknowledged it, or its time is over, the id of the last stream that is served; and the end when
//! all streams up to that one are closed.

use std::time::{Duration, Instant};

use super::{Connection, Turn};
use crate::{
    ErrorCode, Handler,
    clock::later,
    frame::{self, kind},
};

/// The payload of the PING whose acknowledgement shows that the peer has seen the warning.
const PING: &[u8; 8] = b"\x0bgoaway\x0b";

/// The state of the graceful end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Stays,
    Warned {
        until: Instant,
    },
    /// Streams up to this id are served.
    Final {
        last: u32,
    },
}

impl Leaving {
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Final { .. })
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Warned { until } => Some(until),
            Self::Stays | Self::Final { .. } => None,
        }
    }
}

impl<H: Handler> Connection<H> {
    /// Begins the graceful end. Calls that are open, or that arrive before the peer knows, are served. The peer has
    /// `patience` to acknowledge the warning; calls that it sends later are lost. Calling it again with less patience
    /// shortens that time.
    pub fn shut_down(&mut self, patience: Duration, turn: &mut Turn<'_>) {
        if self.is_over {
            return;
        }
        let until = later(turn.now, patience);
        self.leaving = match self.leaving {
            Leaving::Final { .. } => return,
            Leaving::Warned { until: before } => Leaving::Warned { until: before.min(until) },
            Leaving::Stays => {
                frame::put_go_away(0x7fff_ffff, ErrorCode::NO_ERROR, "", turn.out);
                frame::put(kind::PING, 0, 0, PING, turn.out);
                Leaving::Warned { until }
            }
        };
    }

    /// Handles the acknowledgement of a PING.
    pub(super) fn acknowledged(&mut self, payload: &[u8], turn: &mut Turn<'_>) {
        if payload == PING && matches!(self.leaving, Leaving::Warned { .. }) {
            self.leave_for_good(turn);
        }
    }

    pub(super) fn leave_for_good(&mut self, turn: &mut Turn<'_>) {
        frame::put_go_away(self.last, ErrorCode::NO_ERROR, "", turn.out);
        self.leaving = Leaving::Final { last: self.last };
        self.end_if_left();
    }

    /// The last stream that is served, for a GOAWAY; it never grows once it was sent.
    pub(super) fn last_served(&self) -> u32 {
        match self.leaving {
            Leaving::Final { last } => last,
            Leaving::Stays | Leaving::Warned { .. } => self.last,
        }
    }

    /// Ends the connection if it is leaving and its last stream is closed.
    pub(super) fn end_if_left(&mut self) {
        if self.leaving.is_final() && self.streams.is_empty() {
            self.end();
        }
    }
}
