//! Header sections: assembled from frames, decoded, and turned into a call or its trailers.

use std::time::Instant;

use super::{Connection, Fault, Step, Turn};
use crate::{
    ErrorCode, Event, Handler,
    clock::later,
    closed::How,
    fields::Head,
    frame::{self, flag},
    handler::Opened,
    reply::Sending,
    streams::{Receiving, Stream},
};

/// How many streams above the limit a peer may open before it knows the limit: a client that reconnects sends
/// everything it has.
const BEFORE_SETTINGS: usize = 16_384;

/// Fields of this size, as HTTP/2 counts it, are no more work than a call.
const FIELD_BYTES_PER_CALL: usize = 16 << 10;

/// A header block that is not complete yet.
#[derive(Debug)]
pub(super) struct Section {
    stream: u32,
    is_end: bool,
    depends_on_itself: bool,
    block: Vec<u8>,
    since: Instant,
}

impl Section {
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    pub(super) fn bytes(&self) -> usize {
        self.block.capacity()
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }
}

impl<H: Handler> Connection<H> {
    pub(super) fn headers(&mut self, head: frame::Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if head.stream.is_multiple_of(2) {
            return Err(Fault::protocol("HEADERS are on a stream that no client opens"));
        }
        let (mut block, _) =
            frame::unpad(head, payload).ok_or(Fault::protocol("the padding is longer than its frame"))?;
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let (priority, rest) =
                block.split_first_chunk::<5>().ok_or(Fault::frame_size("HEADERS are too short for a priority"))?;
            let [d0, d1, d2, d3, _] = *priority;
            depends_on_itself = u32::from_be_bytes([d0, d1, d2, d3]) & 0x7fff_ffff == head.stream;
            block = rest;
        }
        let is_end = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.section(head.stream, is_end, depends_on_itself, block, turn);
        }
        let (stream, block, since) = (head.stream, block.to_vec(), turn.now);
        self.section = Some(Box::new(Section { stream, is_end, depends_on_itself, block, since }));
        Ok(())
    }

    pub(super) fn continuation(&mut self, head: frame::Head, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.spend(turn, "too many CONTINUATION frames")?;
        let Some(section) = &mut self.section else {
            return Err(Fault::protocol("CONTINUATION follows no HEADERS"));
        };
        if section.block.len() + payload.len() > self.config.max_block {
            return Err(Fault::calm("a header block is longer than may be"));
        }
        section.block.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some(section) = self.section.take() else { return Ok(()) };
        let Section { stream, is_end, depends_on_itself, block, .. } = *section;
        self.section(stream, is_end, depends_on_itself, &block, turn)
    }

    /// Handles a complete section. Its block is always decoded, because later blocks depend on the dynamic table.
    fn section(
        &mut self,
        id: u32,
        is_end: bool,
        depends_on_itself: bool,
        block: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let scratch = &mut *turn.scratch;
        scratch.list.clear(self.config.max_field_list as usize);
        let decoded = self.decoder.decode(block, &mut scratch.text, |field| scratch.list.push(field));
        if decoded.is_err() {
            return Err(Fault { code: ErrorCode::COMPRESSION_ERROR, why: "a header block cannot be decoded" });
        }
        // an index of one byte can refer to 4 KiB: a section is charged as the number of calls with fields of that size
        let work = scratch.list.size() / FIELD_BYTES_PER_CALL;
        turn.calls = turn.calls.saturating_sub(u32::try_from(work).unwrap_or(u32::MAX));
        let result = if self.streams.contains(id) {
            self.trailers(id, is_end, turn)
        } else if id <= self.last {
            self.late_section(id, turn)
        } else {
            self.open(id, is_end, depends_on_itself, turn)
        };
        turn.scratch.shrink();
        result
    }

    fn open(&mut self, id: u32, is_end: bool, depends_on_itself: bool, turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.closed.opened(id, self.last);
        self.last = id;
        turn.calls = turn.calls.saturating_sub(1);
        self.frames = 0;
        if self.leaving.is_final() {
            // the peer learns from our GOAWAY that it is not served, and may retry elsewhere
            self.spend(turn, "too many streams after the last one that is served")?;
            self.refuse(id, ErrorCode::REFUSED_STREAM, turn);
            return Ok(());
        }
        let bound = self.config.max_streams as usize;
        // a peer that has not acknowledged our SETTINGS by now had time to do so
        let is_known = self.is_acknowledged || later(self.began, self.config.read_patience) <= turn.now;
        let bound = if is_known { bound } else { bound.max(BEFORE_SETTINGS) };
        if self.streams.len() >= bound {
            self.spend(turn, "too many streams above the limit")?;
            self.report_reset(ErrorCode::REFUSED_STREAM, "the connection has as many streams open as it may");
            self.refuse(id, ErrorCode::REFUSED_STREAM, turn);
            return Ok(());
        }
        let list = &turn.scratch.list;
        let wrong_length = is_end && list.announced().is_some_and(|length| length > 0);
        let fault = list
            .fault_of_request()
            .or(wrong_length.then_some("it has no body, and its content-length says that it has"))
            .or(depends_on_itself.then_some("its stream depends on itself"));
        if let Some(why) = fault {
            self.spend(turn, "too many malformed requests")?;
            self.report_reset(ErrorCode::PROTOCOL_ERROR, why);
            self.refuse(id, ErrorCode::PROTOCOL_ERROR, turn);
            return Ok(());
        }
        if list.is_over() {
            self.handler.report(Event::FieldsDropped);
        }
        let Opened { call, until, is_waiting } = self.handler.open(&Head::new(list, is_end), turn.now);
        let (window, _) = self.config.windows();
        let stream = Stream {
            call: Some(call),
            sending: Sending::new(self.outgoing.peer.initial_window),
            receiving: Receiving::new(window, list.announced(), until),
            is_waiting,
            wants_room: false,
            starved: None,
            is_to_poll: false,
            is_to_send: false,
        };
        self.streams.insert(id, stream);
        self.receiving += 1;
        if is_end {
            self.end_request(id);
            self.step(id, Step::Data(&[], true), turn);
            return Ok(());
        }
        self.expect_end(until);
        if is_waiting {
            self.queue_poll(id);
        }
        Ok(())
    }

    /// Handles a section on an open stream.
    fn trailers(&mut self, id: u32, is_end: bool, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        let list = &turn.scratch.list;
        let fault = if stream.receiving.is_ended {
            Some((ErrorCode::STREAM_CLOSED, "HEADERS are on a stream that its client has ended"))
        } else if !is_end {
            Some((ErrorCode::PROTOCOL_ERROR, "the second HEADERS of a stream do not end it"))
        } else if let Some(why) = list.fault_of_trailers() {
            Some((ErrorCode::PROTOCOL_ERROR, why))
        } else if stream.receiving.count(0, true).is_err() {
            Some((ErrorCode::PROTOCOL_ERROR, "the body is shorter than its content-length"))
        } else {
            None
        };
        if let Some((code, why)) = fault {
            return self.fail(id, code, why, turn);
        }
        self.end_request(id);
        self.step(id, Step::Data(&[], true), turn);
        self.settle(id, turn);
        Ok(())
    }

    /// Handles a section on a stream that is closed or was never opened.
    fn late_section(&mut self, id: u32, turn: &mut Turn<'_>) -> Result<(), Fault> {
        self.spend(turn, "too many frames on streams that are closed")?;
        match self.closed.how(id) {
            How::Reset => Ok(()),
            How::Ended => {
                Err(Fault { code: ErrorCode::STREAM_CLOSED, why: "HEADERS are on a stream that its client has ended" })
            }
            How::Skipped => Err(Fault::protocol("the number of a new stream is lower than one before it")),
            How::Unknown => {
                self.refuse(id, ErrorCode::STREAM_CLOSED, turn);
                Ok(())
            }
        }
    }
}
