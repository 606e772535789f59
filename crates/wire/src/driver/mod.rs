//! Runs a [`Connection`] over a tokio stream: TCP, TLS, or a unix socket.

mod buffers;
mod closing;
mod unsent;
mod wake;

use std::{
    fmt, io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
    time::{self, Sleep, sleep_until},
};

pub use buffers::Buffers;

use crate::{Config, Connection, Handler, Turn, clock::later, config::HeldShare};
use buffers::Memory;
use closing::Closing;
use unsent::Unsent;
use wake::CallsWaker;

/// Nothing is read while this many bytes wait for the transport.
const ENOUGH: usize = 64 << 10;

/// The number of reads before their results are sent, and how often this is repeated before other connections have
/// their turn.
const READS: u32 = 4;
const ROUNDS: u32 = 4;

/// How long a connection keeps the memory for open streams after the last one has closed.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How many bytes of a connection are not counted: one frame, so that peers whose frames arrive in pieces, as they all
/// do, never depend on what others hold.
const FREE: usize = 17 << 10;

/// A larger output buffer is released.
const KEPT_OUT: usize = 1 << 20;

/// A larger input buffer is released once it is empty.
const KEPT: usize = 512;

/// Serves one connection, whose preface has been read, until it ends: by [`Served::shut_down`], by its peer, or by an
/// error of either. Dropping it drops its calls.
#[must_use = "a connection is served while this is polled"]
pub struct Served<T, H: Handler> {
    io: T,
    connection: Connection<H>,
    config: Arc<Config>,
    buffers: Buffers,
    /// Bytes that were read but not handled: an incomplete frame, or everything that arrived after a turn had ended.
    input: Vec<u8>,
    /// Whether `input` may contain complete frames.
    is_behind: bool,
    /// Since when a frame has been incomplete.
    incomplete: Option<Instant>,
    unsent: Unsent,
    held: HeldShare,
    calls: Arc<CallsWaker>,
    waker: Waker,
    timer: Option<Pin<Box<Sleep>>>,
    is_started: bool,
    /// Set if the graceful end is to begin: how long the peer then has.
    to_shut_down: Option<Duration>,
    closing: Option<Closing>,
}

/// Why reading has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// There is nothing to read.
    Empty,
    /// The turn is over, or enough bytes wait to be sent.
    Enough,
    /// The peer has closed its side.
    End,
}

impl<T, H: Handler> fmt::Debug for Served<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("closing", &self.closing).finish_non_exhaustive()
    }
}

impl<T, H> Served<T, H>
where
    T: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    /// Serves a connection over `io`.
    pub fn new(io: T, handler: H, config: &Arc<Config>, buffers: &Buffers) -> Self {
        let calls = Arc::<CallsWaker>::default();
        Self {
            io,
            connection: Connection::new(handler, Arc::clone(config), now()),
            config: Arc::clone(config),
            buffers: buffers.clone(),
            input: Vec::new(),
            is_behind: false,
            incomplete: None,
            unsent: Unsent::default(),
            held: HeldShare::new(&config.held),
            waker: Waker::from(Arc::clone(&calls)),
            calls,
            timer: None,
            is_started: false,
            to_shut_down: None,
            closing: None,
        }
    }

    /// Begins the graceful end, which continues when this is polled: see [`Connection::shut_down`].
    pub fn shut_down(&mut self, patience: Duration) {
        self.to_shut_down = Some(patience);
    }

    /// Runs one turn; ready when the connection is to be closed.
    fn turn(&mut self, cx: &mut Context<'_>, memory: &mut Memory) -> Poll<io::Result<()>> {
        self.calls.set(cx.waker());
        let Memory { read, out, scratch } = memory;
        out.clear();
        if out.capacity() > KEPT_OUT {
            *out = Vec::new();
        }
        let mut turn = Turn { now: now(), out, scratch, calls: self.config.calls_a_turn.max(1) };
        if !std::mem::replace(&mut self.is_started, true) {
            self.connection.start(turn.out);
        }
        if let Some(patience) = self.to_shut_down.take() {
            self.connection.shut_down(patience, &mut turn);
        }
        for round in 1.. {
            let stop = self.read(cx, read, &mut turn)?;
            let cx_of_calls = &mut Context::from_waker(&self.waker);
            // while the peer does not take its responses, calls are not polled for more
            if self.unsent.len() < ENOUGH {
                if self.calls.take() {
                    self.connection.poll(cx_of_calls, &mut turn);
                } else if self.connection.wants_poll() {
                    self.connection.proceed(cx_of_calls, &mut turn);
                }
            }
            let mut sent = self.unsent.poll_send_all(turn.out, turn.now, &mut self.io, cx)?;
            if round == 1 && !self.connection.is_over() && self.expire(cx, &mut turn) {
                sent = self.unsent.poll_send_all(turn.out, turn.now, &mut self.io, cx)?;
            }
            if stop == Stop::End {
                // like other servers: few clients close only their sending side, and a client that is gone looks the
                // same
                self.connection.hang_up();
            }
            self.account(&mut turn);
            if self.connection.is_over() {
                return Poll::Ready(Ok(()));
            }
            let has_more = stop == Stop::Enough || self.connection.wants_poll();
            if !has_more || sent.is_pending() && self.unsent.len() >= ENOUGH {
                break;
            }
            if turn.calls == 0 || sent.is_pending() || round == ROUNDS {
                yield_turn(cx);
                break;
            }
        }
        self.arm(cx, turn.now);
        Poll::Pending
    }

    fn read(&mut self, cx: &mut Context<'_>, read: &mut [u8], turn: &mut Turn<'_>) -> io::Result<Stop> {
        if self.is_behind && !self.has_enough(turn) {
            let done = self.connection.receive(&self.input, turn);
            self.input.drain(..done);
            self.note(done, turn);
        }
        for _ in 0..READS {
            if self.is_behind || self.has_enough(turn) {
                return Ok(Stop::Enough);
            }
            let kept = self.input.len();
            let mut buffer = ReadBuf::new(&mut read[kept..]);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(Stop::Empty),
                Poll::Ready(read) => read?,
            }
            let length = kept + buffer.filled().len();
            if length == kept {
                return Ok(Stop::End);
            }
            read[..kept].copy_from_slice(&self.input);
            let done = self.connection.receive(&read[..length], turn);
            self.input.clear();
            self.input.extend_from_slice(&read[done..length]);
            self.note(done, turn);
        }
        Ok(Stop::Enough)
    }

    /// Keeps what is left after `done` bytes were handled.
    fn note(&mut self, done: usize, turn: &Turn<'_>) {
        self.is_behind = self.has_enough(turn);
        if done > 0 {
            self.incomplete = None;
        }
        if self.input.is_empty() {
            self.incomplete = None;
            if self.input.capacity() > KEPT {
                self.input = Vec::new();
            }
        } else if !self.is_behind {
            self.incomplete = self.incomplete.or(Some(turn.now));
        }
    }

    fn has_enough(&self, turn: &Turn<'_>) -> bool {
        turn.calls == 0 || self.connection.is_over() || turn.out.len() + self.unsent.len() >= ENOUGH
    }

    /// Counts what the peer makes us hold beyond one frame: bytes that it does not take, and what it does not complete.
    /// Bytes that only wait for a turn are not counted, because they do not stay; bytes that wait until the peer reads
    /// are.
    fn account(&mut self, turn: &mut Turn<'_>) {
        let passes = self.is_behind && self.unsent.len() < ENOUGH;
        let incomplete = if passes { 0 } else { self.input.len() };
        let bytes = (self.unsent.len() + incomplete + self.connection.unfinished()).saturating_sub(FREE);
        if bytes > self.config.held.share() || self.held.set(bytes).is_err() {
            self.connection.shed(turn);
            self.unsent.append(turn.out);
        }
    }

    /// Ends what has taken too long. Returns whether it has checked. It does so only after everything that can be read
    /// and sent has been, because it may have been there for long while this thread was not scheduled.
    fn expire(&mut self, cx: &mut Context<'_>, turn: &mut Turn<'_>) -> bool {
        if !self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            return false;
        }
        self.timer = None;
        self.connection.expire(turn);
        let is_due = |since: Option<Instant>, patience| since.is_some_and(|since| later(since, patience) <= turn.now);
        if is_due(self.incomplete, self.config.read_patience) {
            self.connection.give_up("a frame has not come whole in time", turn);
        } else if is_due(self.unsent.since(), self.config.write_patience) {
            self.connection.give_up("the peer does not take its answers", turn);
        }
        self.connection.rest();
        true
    }

    /// Sets the timer for the next deadline.
    fn arm(&mut self, cx: &mut Context<'_>, now: Instant) {
        let incomplete = self.incomplete.map(|since| later(since, self.config.read_patience));
        let unsent = self.unsent.since().map(|since| later(since, self.config.write_patience));
        let rest = self.connection.can_rest().then(|| now + REST_AFTER);
        let due = [self.connection.deadline(), incomplete, unsent, rest].into_iter().flatten().min();
        let Some(due) = due else { return };
        let due = due.into();
        match &mut self.timer {
            // an earlier timer is fine
            Some(timer) if timer.deadline() <= due => return,
            Some(timer) => timer.as_mut().reset(due),
            None => self.timer = Some(Box::pin(sleep_until(due))),
        }
        if self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            cx.waker().wake_by_ref();
        }
    }
}

/// Has the task polled again after all other tasks that are ready, including those for which something has arrived
/// meanwhile. A task that wakes itself would not wait for the latter: while there are tasks to run, tokio asks the
/// system for events only after every 61st poll.
fn yield_turn(cx: &mut Context<'_>) {
    // passes the waker on
    let _ = pin!(yield_now()).poll(cx);
}

/// The time according to the runtime's clock, which tests can pause.
fn now() -> Instant {
    time::Instant::now().into_std()
}

impl<T, H> Future for Served<T, H>
where
    T: AsyncRead + AsyncWrite + Unpin,
    H: Handler + Unpin,
    H::Call: Unpin,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            let buffers = this.buffers.clone();
            let memory = &mut *buffers.lock();
            match this.turn(cx, memory) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => this.closing = Some(Closing::new(this.unsent.len())),
            }
        }
        match &mut this.closing {
            Some(closing) => closing.poll(&mut this.io, &mut this.unsent, cx),
            None => Poll::Pending,
        }
    }
}
