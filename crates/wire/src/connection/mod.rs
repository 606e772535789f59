//! One connection as a state machine without I/O: frames in, calls to a [`Handler`], frames out.

mod calls;
mod control;
mod deadlines;
mod leaving;
mod polling;
mod queue;
mod section;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

use crate::{
    Config, ErrorCode, Event, Handler,
    allowance::Allowance,
    closed::Closed,
    config::HeldShare,
    fields::FieldList,
    frame::{self, Head, flag, kind},
    hpack::Decoder,
    reply::Outgoing,
    settings::{self, DEFAULT_TABLE_SIZE, DEFAULT_WINDOW, PeerSettings},
    streams::Streams,
    window::{ReceiveWindow, SendWindow},
};
use calls::Step;
use leaving::Leaving;
use queue::Queue;
use section::Section;

/// A turn ends when this many bytes wait to be sent.
const ENOUGH: usize = 64 << 10;

/// This many frames that begin no call are as much work as one that does.
const FRAMES_PER_CALL: u32 = 32;

/// An error of the peer that ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    code: ErrorCode,
    why: &'static str,
}

impl Fault {
    const fn protocol(why: &'static str) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, why }
    }

    const fn frame_size(why: &'static str) -> Self {
        Self { code: ErrorCode::FRAME_SIZE_ERROR, why }
    }

    const fn flow(why: &'static str) -> Self {
        Self { code: ErrorCode::FLOW_CONTROL_ERROR, why }
    }

    const fn calm(why: &'static str) -> Self {
        Self { code: ErrorCode::ENHANCE_YOUR_CALM, why }
    }
}

/// The resources of a connection during one turn.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time at which the turn began.
    pub now: Instant,
    /// The buffer to which outgoing frames are appended.
    pub out: &'a mut Vec<u8>,
    /// Memory for one header section.
    pub scratch: &'a mut Scratch,
    /// How many calls may still begin, or an equivalent amount of other work.
    pub calls: u32,
}

/// Memory for decoding one header section, shared by all connections of a worker.
#[derive(Debug, Default)]
pub struct Scratch {
    list: FieldList,
    text: Vec<u8>,
}

impl Scratch {
    fn shrink(&mut self) {
        self.list.shrink();
        if self.text.capacity() > 64 << 10 {
            self.text = Vec::new();
        }
    }
}

/// A connection whose preface has been read.
#[derive(Debug)]
pub struct Connection<H: Handler> {
    handler: H,
    config: Arc<Config>,
    decoder: Decoder,
    streams: Streams<H::Call>,
    /// The number of open streams whose request has not ended.
    receiving: usize,
    /// The number of frames received since one began a call, or since they were charged as a call.
    frames: u32,
    /// The streams that can make progress.
    queue: Queue,
    outgoing: Outgoing,
    window: ReceiveWindow,
    /// Boxed, because most header blocks arrive in one frame.
    section: Option<Box<Section>>,
    began: Instant,
    /// The highest stream id that the peer has used.
    last: u32,
    has_settings: bool,
    is_acknowledged: bool,
    allowance: Allowance,
    closed: Closed,
    held: HeldShare,
    held_bytes: usize,
    /// No complete reply has been held since before this instant.
    stalled: Option<Instant>,
    /// The number of streams whose incomplete replies have no room.
    starving: usize,
    /// No such stream has been without room since before this instant.
    starved: Option<Instant>,
    /// No request has a deadline before this instant.
    earliest: Option<Instant>,
    leaving: Leaving,
    is_over: bool,
}

impl<H: Handler> Connection<H> {
    /// Creates a connection; [`Connection::start`] begins it.
    #[must_use]
    pub fn new(handler: H, config: Arc<Config>, now: Instant) -> Self {
        let (_, window) = config.windows();
        let outgoing = Outgoing {
            window: SendWindow::new(DEFAULT_WINDOW),
            peer: PeerSettings::default(),
            updates: 0,
            table_is_closed: false,
        };
        Self {
            handler,
            decoder: Decoder::new(DEFAULT_TABLE_SIZE),
            streams: Streams::default(),
            receiving: 0,
            frames: 0,
            queue: Queue::default(),
            outgoing,
            window: ReceiveWindow::new(window),
            section: None,
            last: 0,
            has_settings: false,
            is_acknowledged: false,
            began: now,
            allowance: Allowance::new(now),
            closed: Closed::default(),
            held: HeldShare::new(&config.held),
            held_bytes: 0,
            stalled: None,
            starving: 0,
            starved: None,
            earliest: None,
            leaving: Leaving::Stays,
            is_over: false,
            config,
        }
    }

    /// Appends the frames that a server sends first.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        let (stream_window, window) = self.config.windows();
        settings::put(self.config.max_streams, stream_window, self.config.max_field_list, out);
        if window > DEFAULT_WINDOW {
            frame::put_window_update(0, window - DEFAULT_WINDOW, out);
        }
    }

    /// Handles the complete frames at the start of `input`, until the turn's calls are used up or enough bytes wait to
    /// be sent. Returns the number of bytes handled.
    pub fn receive(&mut self, input: &[u8], turn: &mut Turn<'_>) -> usize {
        let mut at = 0;
        while !self.is_over && turn.calls > 0 && turn.out.len() < ENOUGH {
            let rest = &input[at..];
            let Some(head) = rest.first_chunk().map(Head::read) else { break };
            if head.length > frame::MAX_PAYLOAD {
                self.close(Fault::frame_size("a frame is longer than 16384 bytes"), turn);
                break;
            }
            let whole = frame::HEAD + head.length;
            let Some(payload) = rest.get(frame::HEAD..whole) else { break };
            at += whole;
            if let Err(fault) = self.frame(head, payload, turn) {
                self.close(fault, turn);
            }
            self.frames += 1;
            if self.frames > FRAMES_PER_CALL {
                self.frames = 1;
                turn.calls = turn.calls.saturating_sub(1);
            }
        }
        at
    }

    fn frame(&mut self, head: Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if let Some(section) = &self.section
            && (head.kind != kind::CONTINUATION || head.stream != section.stream())
        {
            return Err(Fault::protocol("a frame is between the parts of a header block"));
        }
        if !self.has_settings && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Fault::protocol("the first frame is not SETTINGS"));
        }
        match head.kind {
            kind::DATA => self.data(head, payload, turn),
            kind::HEADERS => self.headers(head, payload, turn),
            kind::CONTINUATION => self.continuation(head, payload, turn),
            _ => self.control(head, payload, turn),
        }
    }

    /// Whether the connection has ended: the buffer is still to be sent, but nothing more read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    /// The handler.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Whether [`Connection::rest`] would release memory.
    pub(crate) fn can_rest(&self) -> bool {
        self.streams.can_shrink()
    }

    /// Releases memory that is not needed while the connection is idle.
    pub fn rest(&mut self) {
        self.streams.shrink();
        self.queue.rest();
    }

    /// Ends the connection because the peer has closed it.
    pub(crate) fn hang_up(&mut self) {
        self.end();
    }

    fn close(&mut self, fault: Fault, turn: &mut Turn<'_>) {
        let Fault { code, why } = fault;
        self.handler.report(Event::Closed { code, why });
        frame::put_go_away(self.last_served(), code, why, turn.out);
        self.end();
    }

    /// Closes the connection because the memory for what peers do not take or complete is used up.
    pub(crate) fn shed(&mut self, turn: &mut Turn<'_>) {
        self.close(Fault::calm("the memory for what peers do not take or finish is used up"), turn);
    }

    /// The size of an incomplete header section, in bytes.
    pub(crate) fn unfinished(&self) -> usize {
        self.section.as_ref().map_or(0, |section| section.bytes())
    }

    /// Closes the connection of a peer that does not make progress.
    pub(crate) fn give_up(&mut self, why: &'static str, turn: &mut Turn<'_>) {
        self.handler.report(Event::TooSlow { why });
        frame::put_go_away(self.last_served(), ErrorCode::ENHANCE_YOUR_CALM, why, turn.out);
        self.end();
    }

    /// Drops every call.
    fn end(&mut self) {
        self.is_over = true;
        self.streams = Streams::default();
        self.queue = Queue::default();
        self.section = None;
        self.receiving = 0;
        (self.starving, self.starved) = (0, None);
        self.hold(self.held_bytes, 0);
    }
}
