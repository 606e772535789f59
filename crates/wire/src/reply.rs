//! The reply to one call, written as frames into the worker's send buffer. What the peer's windows do not admit yet is
//! held.

use std::{cell::Cell, time::Instant};

use crate::{
    ErrorCode,
    frame::{self, Head, flag, kind},
    pace::Pace,
    settings::PeerSettings,
    window::SendWindow,
};

/// One WINDOW_UPDATE for the stream and one for the connection; this many are remembered.
const UPDATES_PER_FRAME: u32 = 2;
const MAX_UPDATES: u32 = 1 << 16;

/// The number of bytes that one stream may send before other streams have their turn.
pub(crate) const TURN: usize = 16 << 10;

/// The sending state of a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) window: SendWindow,
    pub(crate) peer: PeerSettings,
    /// The number of WINDOW_UPDATE frames that the DATA sent so far justify.
    pub(crate) updates: u32,
    /// Whether a size update has set the table of the peer's decoder to zero (RFC 7541, section 4.2).
    pub(crate) table_is_closed: bool,
}

/// The sending state of a stream.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) window: SendWindow,
    pub(crate) held: Option<Box<Held>>,
    /// Whether END_STREAM was sent, or follows what is held.
    pub(crate) is_ended: bool,
    has_head: bool,
}

impl Sending {
    pub(crate) fn new(window: u32) -> Self {
        Self { window: SendWindow::new(window), held: None, is_ended: false, has_head: false }
    }

    /// How many bytes both windows admit.
    pub(crate) fn room(&self, outgoing: &Outgoing) -> usize {
        self.window.room().min(outgoing.window.room())
    }
}

/// The part of a reply that waits for a window, and the trailers after it.
#[derive(Debug)]
pub(crate) struct Held {
    data: Vec<u8>,
    sent: usize,
    trailers: Box<[u8]>,
    /// How fast the peer takes it, once it is complete.
    pace: Option<Pace>,
    /// The memory of its stream in addition, in bytes.
    stream: usize,
}

impl Held {
    /// Since when the peer has taken too little of it.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.pace.map(Pace::since)
    }

    /// Starts the clock for a reply that is complete; its stream uses `stream` bytes in addition.
    pub(crate) fn begin(&mut self, now: Instant, stream: usize) {
        self.pace = Some(Pace::new(now));
        self.stream = stream;
    }

    /// Records that the peer has taken this many bytes.
    pub(crate) fn progressed(&mut self, bytes: usize, now: Instant) {
        self.pace = self.pace.map(|pace| pace.took(bytes, now));
    }

    /// The bytes that count against the process's limit; they are counted once the reply is complete.
    pub(crate) fn cost(&self) -> usize {
        if self.pace.is_none() {
            return 0;
        }
        self.data.capacity() + self.trailers.len() + size_of::<Self>() + self.stream
    }
}

/// An encoded header block that can be used for many replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block(Box<[u8]>);

impl Block {
    /// Encodes these fields. Those of a head must begin with `:status`.
    #[must_use]
    pub fn new<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in fields {
            crate::hpack::put_field(name, value, &mut bytes);
        }
        Self(bytes.into())
    }
}

/// The reply to one call.
#[derive(Debug)]
pub struct Reply<'a> {
    pub(crate) stream: u32,
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) sending: &'a mut Sending,
    pub(crate) outgoing: &'a mut Outgoing,
    /// How many bytes of the body may be sent before other streams have their turn.
    pub(crate) left: usize,
    /// Whether the handler asked for room, or could not send everything.
    pub(crate) wants_room: Cell<bool>,
    /// How many bytes of the request the handler has released.
    pub(crate) released: u32,
    pub(crate) reset: Option<ErrorCode>,
}

impl Reply<'_> {
    /// Returns bytes of the request to the peer's windows, because they are no longer kept.
    pub fn release(&mut self, bytes: usize) {
        self.released = self.released.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Returns all bytes received so far.
    pub fn release_all(&mut self) {
        self.released = u32::MAX;
    }

    /// Begins a reply of this head, one message, and trailers. The message is what is written to [`Draft::out`];
    /// nothing is sent before [`Draft::send`].
    pub fn draft(&mut self, head: &Block) -> Draft<'_> {
        let start = self.out.len();
        let table_was_closed = self.outgoing.table_is_closed;
        self.put_block(&head.0, 0);
        let data = self.out.len();
        self.out.extend_from_slice(&[0; frame::HEAD]);
        Draft {
            stream: self.stream,
            start,
            data,
            table_was_closed,
            out: self.out,
            sending: self.sending,
            outgoing: self.outgoing,
        }
    }

    /// Sends a reply that consists of a head.
    pub fn head_only(&mut self, head: &Block) {
        self.put_block(&head.0, flag::END_STREAM);
        self.sending.has_head = true;
        self.sending.is_ended = true;
    }

    /// Sends the head of a reply whose body follows.
    pub fn head(&mut self, head: &Block) {
        self.put_block(&head.0, 0);
        self.sending.has_head = true;
    }

    /// Whether the head was sent.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.sending.has_head
    }

    /// How many bytes of the body can be sent now. If none are left when the handler returns,
    /// [`Handler::poll`](crate::Handler::poll) is called when there is room again.
    #[must_use]
    pub fn room(&self) -> usize {
        self.wants_room.set(true);
        self.room_now()
    }

    fn room_now(&self) -> usize {
        self.sending.room(self.outgoing).min(self.left)
    }

    /// Sends as much of `data` as there is room for, and returns how much. With `is_end` set it ends the reply, if all
    /// of it was sent.
    pub fn data(&mut self, data: &[u8], is_end: bool) -> usize {
        let length = data.len().min(self.room_now());
        if length < data.len() {
            self.wants_room.set(true);
        }
        let is_end = is_end && length == data.len();
        if length > 0 || is_end {
            self.left -= length;
            put_data(self.stream, &data[..length], is_end, self.sending, self.outgoing, self.out);
        }
        self.sending.is_ended |= is_end;
        length
    }

    /// Ends the reply with trailers.
    pub fn trailers(&mut self, trailers: &Block) {
        self.put_block(&trailers.0, flag::END_STREAM);
        self.sending.is_ended = true;
    }

    /// Ends the reply by resetting the stream.
    pub fn reset(&mut self, code: ErrorCode) {
        self.reset = Some(code);
    }

    fn put_block(&mut self, block: &[u8], flags: u8) {
        put_block(self.stream, block, flags, self.outgoing, self.out);
    }
}

/// A reply that is not sent yet. Dropping it discards the reply.
#[derive(Debug)]
#[must_use = "a draft is discarded unless it is sent"]
pub struct Draft<'a> {
    stream: u32,
    /// The start of the reply in `out`, and of the header of its DATA frame.
    start: usize,
    data: usize,
    table_was_closed: bool,
    out: &'a mut Vec<u8>,
    sending: &'a mut Sending,
    outgoing: &'a mut Outgoing,
}

impl Draft<'_> {
    /// The buffer to which the message is appended; its present content must not change.
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Sends the reply with these trailers.
    pub fn send(mut self, trailers: &Block) {
        self.finish(trailers);
    }

    /// Sends the reply with another head.
    pub fn send_with(mut self, head: &Block, trailers: &Block) {
        let message = self.out.split_off(self.data + frame::HEAD);
        self.out.truncate(self.start);
        self.outgoing.table_is_closed = self.table_was_closed;
        put_block(self.stream, &head.0, 0, self.outgoing, self.out);
        self.data = self.out.len();
        self.out.extend_from_slice(&[0; frame::HEAD]);
        self.out.extend_from_slice(&message);
        self.finish(trailers);
    }

    fn finish(&mut self, trailers: &Block) {
        let length = self.out.len() - self.data - frame::HEAD;
        // from now on nothing is undone
        self.start = usize::MAX;
        self.sending.has_head = true;
        self.sending.is_ended = true;
        let room = self.sending.room(self.outgoing);
        if length <= room.min(frame::MAX_PAYLOAD) {
            let head = Head { length, kind: kind::DATA, flags: 0, stream: self.stream };
            self.out[self.data..self.data + frame::HEAD].copy_from_slice(&head.bytes());
            self.sending.window.spend(length);
            self.outgoing.window.spend(length);
            put_block(self.stream, &trailers.0, flag::END_STREAM, self.outgoing, self.out);
            return;
        }
        let data = self.out.split_off(self.data + frame::HEAD);
        self.out.truncate(self.data);
        self.sending.held = Some(Box::new(Held { data, sent: 0, trailers: trailers.0.clone(), pace: None, stream: 0 }));
        send_held(self.stream, self.sending, self.outgoing, self.out);
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.start != usize::MAX {
            self.out.truncate(self.start);
            self.outgoing.table_is_closed = self.table_was_closed;
        }
    }
}

/// Sends as much of what a stream holds as is allowed now, and returns how much.
pub(crate) fn send_held(stream: u32, sending: &mut Sending, outgoing: &mut Outgoing, out: &mut Vec<u8>) -> usize {
    let Some(mut held) = sending.held.take() else { return 0 };
    let room = sending.room(outgoing).min(TURN);
    let rest = &held.data[held.sent..];
    let length = rest.len().min(room);
    if length > 0 {
        put_data(stream, &rest[..length], false, sending, outgoing, out);
        held.sent += length;
    }
    if held.sent == held.data.len() {
        put_block(stream, &held.trailers, flag::END_STREAM, outgoing, out);
    } else {
        sending.held = Some(held);
    }
    length
}

/// Appends DATA frames as far as there is room.
fn put_data(stream: u32, data: &[u8], is_end: bool, sending: &mut Sending, outgoing: &mut Outgoing, out: &mut Vec<u8>) {
    sending.window.spend(data.len());
    outgoing.window.spend(data.len());
    outgoing.updates = (outgoing.updates + UPDATES_PER_FRAME).min(MAX_UPDATES);
    // no peer may set a limit below MAX_PAYLOAD
    let mut rest = data;
    loop {
        let (part, after) = rest.split_at(rest.len().min(frame::MAX_PAYLOAD));
        let flags = if is_end && after.is_empty() { flag::END_STREAM } else { 0 };
        frame::put(kind::DATA, flags, stream, part, out);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends a header block, in as many frames as it needs.
fn put_block(stream: u32, block: &[u8], flags: u8, outgoing: &mut Outgoing, out: &mut Vec<u8>) {
    let update_is_due =
        !outgoing.table_is_closed && (outgoing.peer.smallest_table as usize) < crate::settings::DEFAULT_TABLE_SIZE;
    if !update_is_due && block.len() <= frame::MAX_PAYLOAD {
        frame::put(kind::HEADERS, flags | flag::END_HEADERS, stream, block, out);
        return;
    }
    let mut whole = Vec::with_capacity(block.len() + 1);
    if update_is_due {
        crate::hpack::put_size_update_zero(&mut whole);
        outgoing.table_is_closed = true;
    }
    whole.extend_from_slice(block);
    let mut parts = whole.chunks(frame::MAX_PAYLOAD).peekable();
    let (mut kind, mut flags) = (kind::HEADERS, flags);
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { flag::END_HEADERS } else { 0 };
        frame::put(kind, flags | end, stream, part, out);
        (kind, flags) = (kind::CONTINUATION, 0);
    }
}
