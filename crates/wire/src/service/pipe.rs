//! The state shared by the connection, the task of a call, and the body of its request.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::task::AbortHandle;

use super::Failure;
use crate::{Block, Reply};

/// How many frames the body of a response may be ahead of the connection.
const MAX_FRAMES: usize = 64;

/// Both directions of one call. The lock is held only briefly, at most while the bytes of one turn are copied.
#[derive(Debug, Default)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) request: Request,
    pub(super) response: Response,
    /// Wakes the connection, which then polls its calls. Taken when it is used, and set by each poll.
    pub(super) connection: Option<Waker>,
    /// The call's task; `None` if the service never received the request, or the call has ended.
    pub(super) task: Option<AbortHandle>,
}

impl Pipe {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the call and releases its memory immediately, because the connection, which does the rest, may not be
    /// polled for long if its peer reads nothing.
    pub(super) fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        let service = state.request.abort();
        let unsent = mem::take(&mut state.response);
        state.response.end = Some(End::Failed(failure));
        let (connection, task) = (state.connection.take(), state.task.take());
        drop(state);
        drop(unsent);
        if let Some(task) = task {
            task.abort();
        }
        wake(service);
        wake(connection);
    }
}

/// Sets a waker, unless it is set.
pub(super) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

/// Uses a waker that was taken out of the pipe, outside of its lock.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The body of a request, from the connection to the service.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Bytes that have arrived but were not taken; the windows limit them.
    pub(super) bytes: BytesMut,
    /// Bytes that were taken but not returned to the windows yet.
    pub(super) taken: usize,
    pub(super) source: Source,
    /// Whether the service has dropped the body.
    pub(super) is_unwanted: bool,
    pub(super) waker: Option<Waker>,
}

/// Whether more of a request may arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// More may arrive.
    #[default]
    Open,
    /// The peer has ended the request.
    Ended,
    /// The request was aborted.
    Aborted,
}

impl Request {
    /// Aborts the request. Its bytes are returned to the windows immediately, so nothing is kept.
    pub(super) fn abort(&mut self) -> Option<Waker> {
        let is_incomplete = self.source == Source::Open || !self.bytes.is_empty();
        self.bytes = BytesMut::new();
        if is_incomplete {
            self.source = Source::Aborted;
        }
        self.waker.take()
    }
}

/// The response, from the task to the connection.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) head: Option<Head>,
    pub(super) frames: VecDeque<Bytes>,
    pub(super) end: Option<End>,
    /// How many more bytes the body may be polled for.
    room: usize,
    pub(super) waker: Option<Waker>,
}

/// The head of a response.
#[derive(Debug)]
pub(super) enum Head {
    /// A body follows.
    Begins(Block),
    /// The head is the whole response.
    Whole(Block),
}

/// The end of a response.
#[derive(Debug)]
pub(super) enum End {
    /// There are no trailers.
    Plain,
    Trailers(Block),
    Failed(Failure),
}

/// The progress of a response.
#[derive(Debug)]
pub(super) enum Sent {
    Whole,
    /// It is incomplete; `kept` bytes of it wait for the peer, or for the next turn.
    Part {
        kept: usize,
    },
    Failed(Failure),
}

impl Response {
    /// Ready when the peer has room for more of the body.
    pub(super) fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.room > 0 && self.frames.len() < MAX_FRAMES {
            return Poll::Ready(());
        }
        register(&mut self.waker, cx);
        Poll::Pending
    }

    /// Adds a frame of the body.
    pub(super) fn push(&mut self, data: Bytes) {
        self.room = self.room.saturating_sub(data.len());
        self.frames.push_back(data);
    }

    /// Sends as much as one turn allows, and records how much may follow.
    pub(super) fn send(&mut self, reply: &mut Reply<'_>) -> Sent {
        if let Some(End::Failed(failure)) = self.end.take_if(|end| matches!(end, End::Failed(_))) {
            return Sent::Failed(failure);
        }
        match self.head.take() {
            Some(Head::Begins(head)) => reply.head(&head),
            Some(Head::Whole(head)) => {
                reply.head_only(&head);
                return Sent::Whole;
            }
            None => {}
        }
        let is_ended = self.send_frames(reply);
        if !self.frames.is_empty() {
            self.room = 0;
            return Sent::Part { kept: self.frames.iter().map(Bytes::len).sum() };
        }
        match self.end.take() {
            Some(End::Trailers(trailers)) => reply.trailers(&trailers),
            Some(End::Plain) if is_ended => {}
            Some(End::Plain) => {
                reply.data(&[], true);
            }
            Some(End::Failed(failure)) => return Sent::Failed(failure),
            None => {
                self.room = reply.room();
                return Sent::Part { kept: 0 };
            }
        }
        Sent::Whole
    }

    /// Sends frames. Returns whether the last one has ended the response.
    fn send_frames(&mut self, reply: &mut Reply<'_>) -> bool {
        let is_plain = matches!(self.end, Some(End::Plain));
        let mut room = reply.room();
        let mut is_ended = false;
        while let Some(mut frame) = self.frames.pop_front() {
            is_ended = is_plain && self.frames.is_empty() && frame.len() <= room;
            let sent = reply.data(&frame[..frame.len().min(room)], is_ended);
            room -= sent;
            frame.advance(sent);
            if !frame.is_empty() {
                self.frames.push_front(frame);
                break;
            }
        }
        is_ended
    }

    /// Takes the waker of the task if it can continue.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        if self.room > 0 { self.waker.take() } else { None }
    }
}
