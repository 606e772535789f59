//! A connection with one call, controlled step by step by the test.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::{Body, Frame};

use crate::{
    ErrorCode, Head, Progress, Reply,
    fields::FieldList,
    frame::{self, Head as FrameHead},
    hpack::{Field, Header},
    reply::{Outgoing, Sending},
    service::{
        Exchange, Pool, RequestBody,
        pool::{COST, INCLUDED},
    },
    settings::PeerSettings,
    window::SendWindow,
};

/// The pseudo-headers of a call.
pub(super) const CALL: [(&str, &str); 3] = [(":method", "POST"), (":scheme", "http"), (":path", "/s/m")];

/// One call.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) exchange: Exchange,
    pub(super) sending: Sending,
    pub(super) outgoing: Outgoing,
    pub(super) pool: Arc<Pool>,
    pub(super) released: usize,
    pub(super) reset: Option<ErrorCode>,
    pub(super) frames: Vec<(FrameHead, Vec<u8>)>,
    pub(super) wakes: Arc<Wakes>,
}

/// Counts how often the connection was woken.
#[derive(Debug, Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A list with these fields.
pub(super) fn list<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> FieldList {
    let mut list = FieldList::default();
    list.clear(64 << 20);
    for (name, value) in fields {
        list.push(Field { header: Header::of(name.as_bytes()), name: name.as_bytes(), value: value.as_bytes() });
    }
    list
}

impl Rig {
    /// A call with this head; the peer's windows have room for `window` bytes.
    pub(super) fn open<F, B>(
        fields: &[(&str, &str)],
        window: u32,
        start: impl FnOnce(Request<RequestBody>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data = Bytes, Error = String> + Send + 'static,
    {
        let list = list(fields.iter().copied());
        // a pool in which each connection can have a call that keeps a megabyte
        let pool = Pool::new(8 * (COST + (1 << 20) - INCLUDED));
        Self::with(&pool, &list, window, None, start)
    }

    /// The same with this pool and deadline.
    pub(super) fn with<F, B>(
        pool: &Arc<Pool>,
        list: &FieldList,
        window: u32,
        deadline: Option<Instant>,
        start: impl FnOnce(Request<RequestBody>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data = Bytes, Error = String> + Send + 'static,
    {
        let head = Head::new(list, false);
        Self {
            exchange: Exchange::open(&head, Extensions::new(), &pool.connection(), deadline, start),
            sending: Sending::new(window),
            outgoing: Outgoing {
                window: SendWindow::new(window),
                peer: PeerSettings::default(),
                updates: 0,
                table_is_closed: false,
            },
            pool: Arc::clone(pool),
            released: 0,
            reset: None,
            frames: Vec::new(),
            wakes: Arc::default(),
        }
    }

    /// A call that is answered with this body.
    pub(super) fn answered(window: u32, body: Steps) -> Self {
        Self::open(&CALL, window, move |_| async move { Ok(Response::new(body)) })
    }

    /// The bytes kept of its request and response, if they are more than the cost of a call includes.
    pub(super) fn kept(&self) -> usize {
        match self.pool.used() - COST {
            0 => 0,
            more => more + INCLUDED,
        }
    }

    fn step(&mut self, step: impl FnOnce(&mut Exchange, &mut Context<'_>, &mut Reply<'_>) -> Progress) -> Progress {
        let mut out = Vec::new();
        let mut reply = Reply {
            stream: 1,
            out: &mut out,
            sending: &mut self.sending,
            outgoing: &mut self.outgoing,
            left: crate::reply::TURN,
            wants_room: std::cell::Cell::new(false),
            released: 0,
            reset: None,
        };
        let waker = Waker::from(Arc::clone(&self.wakes));
        let progress = step(&mut self.exchange, &mut Context::from_waker(&waker), &mut reply);
        self.released += reply.released as usize;
        self.reset = reply.reset;
        let mut rest = &out[..];
        while let Some((head, after)) = rest.split_first_chunk() {
            let head = FrameHead::read(head);
            let (payload, after) = after.split_at(head.length);
            self.frames.push((head, payload.to_vec()));
            rest = after;
        }
        progress
    }

    /// Polls, after the task has made all possible progress.
    pub(super) async fn poll(&mut self) -> Progress {
        idle().await;
        self.step(Exchange::poll)
    }

    /// Polls until the reply is complete; the task must be able to continue each time.
    pub(super) async fn finish(&mut self) {
        for _ in 0..1000 {
            if self.poll().await == Progress::Done {
                return;
            }
        }
        panic!("the reply has no end: {self:?}");
    }

    pub(super) fn data(&mut self, data: &[u8], is_end: bool) {
        let progress = self.step(|exchange, _, reply| exchange.data(data, is_end, reply));
        assert_eq!(progress, Progress::Waiting);
    }

    pub(super) fn expire(&mut self) -> Progress {
        self.step(|exchange, _, reply| exchange.expire(reply))
    }

    /// Enlarges the windows.
    pub(super) fn widen(&mut self, by: i64) {
        self.sending.window.change(by).expect("no overflow");
        self.outgoing.window.change(by).expect("no overflow");
    }

    /// The frames sent: their types, their lengths if they are DATA, and whether they end the stream.
    pub(super) fn shapes(&self) -> Vec<(u8, usize, bool)> {
        let shape = |(head, _): &(FrameHead, Vec<u8>)| {
            let length = if head.kind == frame::kind::DATA { head.length } else { 0 };
            (head.kind, length, head.has(frame::flag::END_STREAM))
        };
        self.frames.iter().map(shape).collect()
    }

    /// The fields of a frame.
    pub(super) fn fields(&self, frame: usize) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        crate::hpack::Decoder::new(4096)
            .decode(&self.frames[frame].1, &mut Vec::new(), |field| fields.push((text(field.name), text(field.value))))
            .expect("a block");
        fields
    }
}

/// Lets all tasks make all possible progress.
pub(super) async fn idle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A step of a body.
#[derive(Debug)]
pub(super) enum Next {
    Frame(Frame<Bytes>),
    Error,
    Panic,
    /// Pending forever.
    Hang,
}

/// A body with these steps, one per poll.
#[derive(Debug)]
pub(super) struct Steps {
    next: VecDeque<Next>,
    /// Whether it reports its end in advance.
    foresees: bool,
    pub(super) polls: Arc<AtomicUsize>,
}

impl Steps {
    pub(super) fn new(next: impl IntoIterator<Item = Next>, foresees: bool) -> Self {
        Self { next: next.into_iter().collect(), foresees, polls: Arc::default() }
    }

    pub(super) fn data(frames: &[&'static [u8]], foresees: bool) -> Self {
        Self::new(frames.iter().map(|data| Next::Frame(Frame::data(Bytes::from_static(data)))), foresees)
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        match self.next.pop_front() {
            Some(Next::Frame(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Next::Error) => Poll::Ready(Some(Err("broken".to_owned()))),
            Some(Next::Panic) => panic!("as asked"),
            Some(Next::Hang) => {
                self.next.push_front(Next::Hang);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.foresees && self.next.is_empty()
    }
}
