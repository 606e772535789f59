//! A handler whose calls do what their path says.

use std::{
    str,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use wire::{Block, ErrorCode, Event, Handler, Head, Opened, Progress, Reply};

/// How long a request may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `/echo`: when the request has ended, its body.
    Echo,
    /// `/wait`: the same, once [`Remote::wake`] was called.
    Wait,
    /// `/now`: answers on the first data, even if the request has not ended.
    Now,
    /// `/hold`: keeps the request and never answers.
    Hold,
    /// `/late`: like `/hold`, but answers when it expires.
    Late,
    /// `/sized/N`: one message of N bytes.
    Sized(usize),
    /// `/stream/N`: N bytes, as there is room for them, and trailers.
    Stream(usize),
    /// `/body/N`: the same, ended by the last DATA frame.
    Body(usize),
    /// `/duplex/N`: the same, starting with the first data, while the request continues.
    Duplex(usize),
    /// `/again`: like `/wait`, but every second part of the request stops it from waiting until the next one.
    Again,
    /// `/each`: like `/wait`, but it waits from the first part of the request on, each time for something else.
    Each,
    /// `/head`: only a head.
    Head,
    /// `/reset`: RST_STREAM when the request has ended.
    Reset,
    /// `/broken`: done without a reply.
    Broken,
    /// `/torn/N`: one message of N bytes, and then RST_STREAM.
    Torn(usize),
}

impl Task {
    fn of(path: &[u8]) -> Self {
        let path = str::from_utf8(path).unwrap_or_default();
        let (kind, size) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), "0"));
        let size = size.parse().unwrap_or(0).min(1 << 22);
        match kind {
            "wait" => Self::Wait,
            "now" => Self::Now,
            "hold" => Self::Hold,
            "late" => Self::Late,
            "sized" => Self::Sized(size),
            "stream" => Self::Stream(size),
            "body" => Self::Body(size),
            "duplex" => Self::Duplex(size),
            "again" => Self::Again,
            "each" => Self::Each,
            "head" => Self::Head,
            "reset" => Self::Reset,
            "broken" => Self::Broken,
            "torn" => Self::Torn(size),
            _ => Self::Echo,
        }
    }
}

/// The handler's state of a call; counted while it exists.
#[derive(Debug)]
pub struct Call {
    task: Task,
    body: Vec<u8>,
    sent: usize,
    remote: Arc<Remote>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.remote.live.fetch_sub(1, Relaxed);
    }
}

/// How often the methods of a [`TestHandler`] were called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub opened: usize,
    pub polled: usize,
    pub expired: usize,
    pub answered: usize,
}

/// What a test sees and does from outside of the connection.
#[derive(Debug, Default)]
pub struct Remote {
    live: AtomicUsize,
    go: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
    events: Mutex<Vec<Event>>,
}

impl Remote {
    /// The number of calls that have not been dropped.
    pub fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Lets calls of `/wait` be answered.
    pub fn wake(&self) {
        self.go.store(true, Relaxed);
        self.wakers.lock().expect("no panic").drain(..).for_each(Waker::wake);
    }

    /// The reported events.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no panic").clone()
    }
}

/// Does what the paths say, and counts.
#[derive(Debug)]
pub struct TestHandler {
    pub remote: Arc<Remote>,
    pub counts: Counts,
    /// The path, the number of fields, and whether some were dropped, of the last call.
    pub last: (Vec<u8>, usize, bool),
    head: Block,
    trailers: Block,
}

impl Default for TestHandler {
    fn default() -> Self {
        Self {
            remote: Arc::default(),
            counts: Counts::default(),
            last: Default::default(),
            head: Block::new([(&b":status"[..], &b"200"[..]), (b"content-type", b"application/grpc")]),
            trailers: Block::new([(&b"grpc-status"[..], &b"0"[..])]),
        }
    }
}

/// The byte at this offset of a reply of given size.
pub fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

impl TestHandler {
    fn advance(&mut self, call: &mut Call, is_end: bool, reply: &mut Reply<'_>) -> Progress {
        let answers = match call.task {
            Task::Now | Task::Duplex(_) => true,
            Task::Again if call.body.len().is_multiple_of(2) => return Progress::Receiving,
            Task::Again | Task::Each => self.remote.go.load(Relaxed),
            Task::Hold | Task::Late => return Progress::Receiving,
            _ if !is_end => return Progress::Receiving,
            Task::Wait => self.remote.go.load(Relaxed),
            _ => true,
        };
        if !answers {
            // like a handler that writes the answer in place, and has none yet
            reply.draft(&self.head).out().extend_from_slice(b"nothing");
            return Progress::Waiting;
        }
        match call.task {
            Task::Stream(size) => return self.stream(call, size, true, reply),
            Task::Body(size) | Task::Duplex(size) => return self.stream(call, size, false, reply),
            Task::Head => reply.head_only(&self.head),
            Task::Reset => reply.reset(ErrorCode::CANCEL),
            Task::Broken => {}
            task => {
                let mut draft = reply.draft(&self.head);
                match task {
                    Task::Sized(size) | Task::Torn(size) => draft.out().extend((0..size).map(pattern)),
                    _ => draft.out().extend_from_slice(&call.body),
                }
                draft.send(&self.trailers);
                if matches!(task, Task::Torn(_)) {
                    reply.reset(ErrorCode::CANCEL);
                }
            }
        }
        self.counts.answered += 1;
        Progress::Done
    }

    fn stream(&mut self, call: &mut Call, size: usize, has_trailers: bool, reply: &mut Reply<'_>) -> Progress {
        if !reply.has_head() {
            reply.head(&self.head);
        }
        let rest: Vec<_> = (call.sent..size).map(pattern).collect();
        call.sent += reply.data(&rest, !has_trailers);
        if call.sent < size {
            return Progress::Waiting;
        }
        if has_trailers {
            reply.trailers(&self.trailers);
        }
        self.counts.answered += 1;
        Progress::Done
    }
}

impl Handler for TestHandler {
    type Call = Call;

    fn open(&mut self, head: &Head<'_>, now: Instant) -> Opened<Call> {
        self.counts.opened += 1;
        self.remote.live.fetch_add(1, Relaxed);
        self.last = (head.path().to_vec(), head.fields().count(), head.is_truncated());
        let task = Task::of(head.path());
        Opened {
            call: Call { task, body: Vec::new(), sent: 0, remote: Arc::clone(&self.remote) },
            until: Some(now + PATIENCE),
            is_waiting: false,
        }
    }

    fn data(&mut self, call: &mut Call, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        call.body.extend_from_slice(data);
        if matches!(call.task, Task::Duplex(_)) && reply.has_head() {
            // it continues when it is polled
            return Progress::Waiting;
        }
        self.advance(call, is_end, reply)
    }

    fn poll(&mut self, call: &mut Call, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        self.counts.polled += 1;
        let progress = self.advance(call, true, reply);
        if progress == Progress::Waiting {
            self.remote.wakers.lock().expect("no panic").push(cx.waker().clone());
        }
        progress
    }

    fn expire(&mut self, call: &mut Call, reply: &mut Reply<'_>) -> Progress {
        self.counts.expired += 1;
        if call.task == Task::Late {
            reply.head_only(&self.head);
            return Progress::Done;
        }
        Progress::Receiving
    }

    fn report(&mut self, event: Event) {
        self.remote.events.lock().expect("no panic").push(event);
    }
}
