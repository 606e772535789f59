//! A client that follows the protocol, acts in any order, and knows which answers it must get.

use std::collections::{BTreeMap, VecDeque};

use super::{
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PING,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, block, data, frame, padded, ping, request, reset, settings, window_update,
    },
    handler::pattern,
    machine::Machine,
};

/// What the client does next. Numbers select one of the open streams.
#[derive(Clone, Debug)]
pub enum Action {
    /// A request for this path, with its header block in parts of this many bytes.
    Open(Path, usize),
    /// Content and padding, if the windows admit them.
    Data(usize, usize, u8),
    End(usize),
    Trailers(usize),
    Reset(usize),
    /// A request without `:path`.
    Malformed,
    Ping,
    InitialWindow(u32),
    TableSize(u32),
    /// Enlarges the windows of a stream and of the connection.
    Update(usize, u32),
    /// Delivers this many of the written bytes, in turns of this many calls.
    Deliver(usize, u32),
    Wake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Echo,
    Wait,
    Now,
    Head,
    Sized(usize),
    Stream(usize),
    Body(usize),
}

#[derive(Debug)]
struct Stream {
    path: Path,
    body: Vec<u8>,
    /// How much had been sent with the first DATA frame, which `/now` answers.
    first: Option<usize>,
    is_ended: bool,
    is_reset: bool,
    send_window: i64,
    // of the answer
    head: bool,
    content: Vec<u8>,
    has_end: bool,
    updates: i64,
}

/// The client, and the connection that it uses.
#[derive(Debug)]
pub struct Client {
    pub machine: Machine,
    streams: BTreeMap<u32, Stream>,
    malformed: BTreeMap<u32, usize>,
    next: u32,
    outbox: VecDeque<u8>,
    send_window: i64,
    stream_window: i64,
    receive_window: i64,
    initial_window: i64,
    unacknowledged: VecDeque<Option<u32>>,
    pings: (u64, u64),
    seen_end: bool,
}

impl Client {
    pub fn new(mut machine: Machine) -> Self {
        let stream_window = i64::from(machine.config.stream_window);
        let send_window = i64::from(machine.config.connection_window);
        machine.frames();
        Self {
            machine,
            streams: BTreeMap::new(),
            malformed: BTreeMap::new(),
            next: 1,
            outbox: VecDeque::new(),
            send_window,
            stream_window,
            receive_window: 65_535,
            initial_window: 65_535,
            unacknowledged: VecDeque::new(),
            pings: (0, 0),
            seen_end: false,
        }
    }

    /// One of the streams whose request has not ended.
    fn open(&mut self, which: usize) -> Option<(u32, &mut Stream)> {
        let open: Vec<_> = self.streams.iter_mut().filter(|(_, stream)| !stream.is_ended && !stream.is_reset).collect();
        let count = open.len();
        open.into_iter().nth(which.checked_rem(count)?).map(|(id, stream)| (*id, stream))
    }

    pub fn act(&mut self, action: &Action) {
        match *action {
            Action::Open(path, part) => self.request(path, part),
            Action::Data(which, size, padding) => {
                let room = self.send_window;
                let Some((id, stream)) = self.open(which) else { return };
                let length = size as i64 + if padding > 0 { i64::from(padding) + 1 } else { 0 };
                if length > room.min(stream.send_window) {
                    return;
                }
                let content: Vec<_> = (0..size).map(|at| pattern(at + id as usize)).collect();
                stream.body.extend_from_slice(&content);
                stream.first = stream.first.or(Some(size));
                stream.send_window -= length;
                self.send_window -= length;
                let bytes = if padding > 0 { padded(id, &content, padding, 0) } else { data(id, &content, 0) };
                self.outbox.extend(bytes);
            }
            Action::End(which) => {
                let Some((id, stream)) = self.open(which) else { return };
                stream.is_ended = true;
                self.outbox.extend(data(id, b"", END_STREAM));
            }
            Action::Trailers(which) => {
                let Some((id, stream)) = self.open(which) else { return };
                stream.is_ended = true;
                self.outbox.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &block(&[("x", "y")])));
            }
            Action::Reset(which) => {
                let Some((id, stream)) = self.open(which) else { return };
                stream.is_reset = true;
                self.outbox.extend(reset(id));
            }
            Action::Malformed => {
                self.malformed.insert(self.next, 0);
                self.outbox.extend(frame(HEADERS, END_HEADERS | END_STREAM, self.next, &[0x83]));
                self.next += 2;
            }
            Action::Ping => {
                self.outbox.extend(ping(&self.pings.0.to_be_bytes()));
                self.pings.0 += 1;
            }
            Action::InitialWindow(size) => {
                self.unacknowledged.push_back(Some(size));
                self.outbox.extend(settings(&[(INITIAL_WINDOW_SIZE, size)]));
            }
            Action::TableSize(size) => {
                self.unacknowledged.push_back(None);
                self.outbox.extend(settings(&[(1, size)]));
            }
            Action::Update(which, increment) => {
                self.receive_window += i64::from(increment);
                self.outbox.extend(window_update(0, increment));
                let count = self.streams.len();
                let Some(at) = which.checked_rem(count) else { return };
                let Some((id, stream)) = self.streams.iter_mut().nth(at) else { return };
                stream.updates += i64::from(increment);
                self.outbox.extend(window_update(*id, increment));
            }
            Action::Deliver(length, calls) => {
                self.machine.calls = calls.max(1);
                let length = length.min(self.outbox.len());
                let bytes: Vec<_> = self.outbox.drain(..length).collect();
                let frames = self.machine.send(&bytes);
                self.receive(&frames);
            }
            Action::Wake => {
                let frames = self.machine.wake();
                self.receive(&frames);
            }
        }
    }

    fn request(&mut self, path: Path, part: usize) {
        let text = match path {
            Path::Echo => "/echo".to_owned(),
            Path::Wait => "/wait".to_owned(),
            Path::Now => "/now".to_owned(),
            Path::Head => "/head".to_owned(),
            Path::Sized(size) => format!("/sized/{size}"),
            Path::Stream(size) => format!("/stream/{size}"),
            Path::Body(size) => format!("/body/{size}"),
        };
        let block = block(&request(&text, &[("te", "trailers")]));
        let mut parts = block.chunks(part.max(1)).peekable();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() { END_HEADERS } else { 0 };
            self.outbox.extend(frame(kind, flags, self.next, part));
            kind = CONTINUATION;
        }
        let stream = Stream {
            path,
            body: Vec::new(),
            first: None,
            is_ended: false,
            is_reset: false,
            send_window: self.stream_window,
            head: false,
            content: Vec::new(),
            has_end: false,
            updates: 0,
        };
        self.streams.insert(self.next, stream);
        self.next += 2;
    }

    fn receive(&mut self, frames: &[Frame]) {
        for frame in frames {
            assert!(!self.seen_end);
            match frame.kind {
                DATA | HEADERS => self.answer(frame),
                RST_STREAM => {
                    let resets = self.malformed.get_mut(&frame.stream).unwrap_or_else(|| panic!("{frame:?}"));
                    *resets += 1;
                    assert_eq!(frame.number(0), 1, "{frame:?}");
                }
                SETTINGS => {
                    assert!(frame.has(ACK));
                    if let Some(size) = self.unacknowledged.pop_front().expect("SETTINGS") {
                        self.initial_window = i64::from(size);
                    }
                }
                PING => {
                    assert!(frame.has(ACK) && frame.payload == self.pings.1.to_be_bytes(), "{frame:?}");
                    self.pings.1 += 1;
                }
                WINDOW_UPDATE if frame.stream == 0 => {
                    self.send_window += i64::from(frame.number(0));
                    assert!(self.send_window <= i64::from(self.machine.config.connection_window));
                }
                WINDOW_UPDATE => {
                    let stream = self.streams.get_mut(&frame.stream).expect("a stream");
                    stream.send_window += i64::from(frame.number(0));
                    assert!(stream.send_window <= self.stream_window);
                }
                GOAWAY => panic!("{frame:?}"),
                _ => panic!("no server sends {frame:?}"),
            }
        }
    }

    fn answer(&mut self, frame: &Frame) {
        let stream = self.streams.get_mut(&frame.stream).unwrap_or_else(|| panic!("{frame:?}"));
        assert!(!stream.has_end, "after the end: {frame:?}");
        stream.has_end = frame.has(END_STREAM);
        if frame.kind == HEADERS {
            assert!(frame.has(END_HEADERS) && stream.head == (frame.has(END_STREAM) && stream.path != Path::Head));
            stream.head = true;
            return;
        }
        assert!(stream.head, "DATA before a head");
        stream.content.extend_from_slice(&frame.payload);
        self.receive_window -= frame.payload.len() as i64;
        assert!(self.receive_window >= 0, "more than the connection's window");
        let window = self.initial_window + stream.updates - stream.content.len() as i64;
        assert!(window >= 0 || frame.payload.is_empty(), "more than the window of {stream:?}");
    }

    /// Ends all requests, receives all answers, and checks them.
    pub fn finish(&mut self) {
        for _ in 0..self.streams.len() {
            self.act(&Action::End(0));
        }
        let all = Action::Deliver(usize::MAX, 100);
        self.act(&all);
        self.act(&Action::Wake);
        self.act(&Action::InitialWindow(65_535));
        for at in 0..self.streams.len() {
            self.act(&Action::Update(at, 1 << 18));
        }
        self.act(&all);
        for (id, stream) in &self.streams {
            let expected = match stream.path {
                Path::Echo | Path::Wait => stream.body.clone(),
                Path::Now => stream.body[..stream.first.unwrap_or(0)].to_vec(),
                Path::Head => Vec::new(),
                Path::Sized(size) | Path::Stream(size) | Path::Body(size) => (0..size).map(pattern).collect(),
            };
            if stream.is_reset {
                assert!(expected.starts_with(&stream.content) || stream.path == Path::Now, "{id}");
            } else {
                assert!(stream.head && stream.has_end, "{id} has no end: {:?}", stream.path);
                assert!(stream.content == expected, "{id}: {:?}", stream.path);
            }
        }
        assert!(self.malformed.values().all(|resets| *resets == 1), "{:?}", self.malformed);
        assert!(self.unacknowledged.is_empty() && self.pings.0 == self.pings.1);
        assert!(self.machine.connection.is_idle() && !self.machine.connection.is_over());
        assert_eq!((self.machine.remote().live(), self.machine.config.held.used()), (0, 0));
        assert_eq!(self.machine.connection.deadline(), None);
    }

    /// With no stream open, DATA on closed streams cause all credit to be returned.
    pub fn check_credit(&mut self) {
        let whole = i64::from(self.machine.config.connection_window);
        self.act(&Action::Open(Path::Echo, 1000));
        let id = self.next - 2;
        self.act(&Action::End(0));
        self.act(&Action::Deliver(usize::MAX, 100));
        loop {
            let before = self.send_window;
            self.send_window -= 10_000;
            let frames = self.machine.send(&data(id, &[0; 10_000], 0));
            let is_update = |frame: &&Frame| frame.is(WINDOW_UPDATE, 0);
            let credit: u32 = frames.iter().filter(is_update).map(|frame| frame.number(0)).sum();
            self.send_window += i64::from(credit);
            assert!(before >= 10_000, "{before} of {whole} are left");
            if credit > 0 {
                return assert_eq!(self.send_window, whole);
            }
        }
    }

    /// What each stream has received.
    pub fn answers(&self) -> Vec<(u32, bool, &[u8])> {
        let streams = self.streams.iter().filter(|(_, stream)| !stream.is_reset);
        streams.map(|(id, stream)| (*id, stream.has_end, &stream.content[..])).collect()
    }
}
