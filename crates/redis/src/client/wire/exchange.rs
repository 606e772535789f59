//! Commands and replies of one stream: the task that owns the stream, and the queues that it shares with callers.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Reply,
    command::{Command, ReplyLimit},
    decoder::{self, DecodeError, Decoder},
    hidden,
};
use crate::CallError;

/// The most bytes that may wait to be written. Beyond that, commands fail: the peer does not read.
const MAX_OUTGOING: usize = 16 << 20;
/// The size of a read.
const READ_ROOM: usize = 16 << 10;
/// Buffers that grew beyond this are freed once they are empty.
const KEPT_ROOM: usize = 256 << 10;

/// Why a command whose deadline passed has no reply.
pub(super) const TIMED_OUT: &str = "timed out";

/// A reply as it was decoded.
type Decoded = decoder::Outcome;

/// The outcome of a command.
pub(super) type Outcome = Result<Reply, CallError>;

/// The queues of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outgoing: Vec<u8>,
    /// The total of bytes queued, and of bytes handed to the stream.
    queued: u64,
    written: u64,
    waiting: VecDeque<Waiting>,
    /// A lower bound of the deadlines of waiting commands; `None` if no command waits.
    first_deadline: Option<Instant>,
    closed: bool,
    /// The waker of the task that owns the stream.
    task: Option<Waker>,
}

/// A command that waits for its reply.
#[derive(Debug)]
struct Waiting {
    /// The position in the stream at which the command begins, in bytes.
    begins: u64,
    limit: ReplyLimit,
    deadline: Instant,
    /// How many replies are still to come.
    replies: usize,
    /// Those that have come, of several.
    collected: Vec<Reply>,
    /// `None` once the command has failed at its deadline: its late reply will be skipped.
    reply: Option<oneshot::Sender<Outcome>>,
}

impl State {
    fn push(&mut self, command: &Command, deadline: Instant, reply: Option<oneshot::Sender<Outcome>>) {
        let begins = self.queued;
        self.outgoing.extend_from_slice(&command.encoded);
        self.queued += command.encoded.len() as u64;
        if reply.is_some() {
            self.first_deadline = Some(self.first_deadline.map_or(deadline, |first| first.min(deadline)));
        }
        let Command { limit, replies, .. } = *command;
        self.waiting.push_back(Waiting { begins, limit, deadline, replies, collected: Vec::new(), reply });
    }

    /// Takes a reply for the command that has waited longest. Returns its sender and its outcome if that is complete and
    /// awaited. The error is the reply itself, if no command waits.
    #[allow(clippy::type_complexity, reason = "used once")]
    fn answer(&mut self, outcome: Decoded) -> Result<Option<(oneshot::Sender<Outcome>, Decoded)>, Decoded> {
        let Some(first) = self.waiting.front_mut() else { return Err(outcome) };
        first.replies -= 1;
        let is_one = first.replies == 0 && first.collected.is_empty();
        let outcome = if is_one {
            outcome
        } else {
            first.collected.push(outcome.unwrap_or_else(Reply::Error));
            if first.replies > 0 {
                return Ok(None);
            }
            Ok(Reply::List(std::mem::take(&mut first.collected)))
        };
        let reply = self.waiting.pop_front().and_then(|waiting| waiting.reply);
        Ok(reply.map(|reply| (reply, outcome)))
    }

    /// Fails the commands whose deadline has passed.
    fn expire(&mut self, now: Instant) {
        self.first_deadline = None;
        for waiting in &mut self.waiting {
            if waiting.reply.is_none() {
                continue;
            }
            if waiting.deadline > now {
                let first = self.first_deadline.unwrap_or(waiting.deadline);
                self.first_deadline = Some(first.min(waiting.deadline));
            } else if let Some(reply) = waiting.reply.take() {
                // a caller that has left needs no answer
                let _ = reply.send(Err(CallError::Unanswered(TIMED_OUT.into())));
            }
        }
    }
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command, optionally right after another one, whose reply is dropped. The receiver gets the reply, or an
    /// error by `deadline`.
    pub(super) fn send(
        &self,
        before: Option<&Command>,
        command: &Command,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        let (reply, coming) = oneshot::channel();
        let task = {
            let mut state = self.lock();
            if state.closed || state.outgoing.len() > MAX_OUTGOING {
                return Err(CallError::Unreachable);
            }
            if let Some(before) = before {
                state.push(before, deadline, None);
            }
            state.push(command, deadline, Some(reply));
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
        Ok(coming)
    }

    /// Sets the task to wake when a command is queued: there are bytes to send, and possibly an earlier deadline.
    fn woken_by(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            state.task = Some(waker.clone());
        }
    }

    /// Fails all waiting commands and all later ones. A command that was not handed to the stream is known not to have
    /// run.
    pub(super) fn close(&self) {
        let (waiting, written) = {
            let mut state = self.lock();
            state.closed = true;
            state.outgoing = Vec::new();
            (std::mem::take(&mut state.waiting), state.written)
        };
        for Waiting { begins, reply, .. } in waiting {
            let error = if begins >= written {
                CallError::Unreachable
            } else {
                CallError::Unanswered("the connection was lost".into())
            };
            if let Some(reply) = reply {
                // a caller that has left needs no answer
                let _ = reply.send(Err(error));
            }
        }
    }
}

/// Owns a stream until it ends: a future that resolves to the reason of the end.
#[derive(Debug)]
pub(super) struct Driver<S> {
    stream: S,
    exchange: Arc<Exchange>,
    decoder: Decoder,
    incoming: BytesMut,
    writing: Vec<u8>,
    written: usize,
    flushing: bool,
    /// Fires at the first deadline or earlier. To save timer updates it is not reset when a reply arrives: it is set
    /// anew when it fires.
    timer: Pin<Box<Sleep>>,
    is_timed: bool,
}

impl<S> Driver<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>) -> Self {
        let (decoder, incoming) = (Decoder::default(), BytesMut::new());
        let timer = Box::pin(sleep_until(Instant::now()));
        let (writing, written, flushing, is_timed) = (Vec::new(), 0, false, false);
        Self { stream, exchange, decoder, incoming, writing, written, flushing, timer, is_timed }
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.exchange.close();
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("closed")]
    Closed,
    #[error("{}", words(.0))]
    Io(#[from] io::Error),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// An error that the server sent without a command, such as that it has too many clients.
    #[error("{0}")]
    Said(Box<str>),
}

/// The text of a system error, without the number in brackets.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Writes the queue. Pending when all of it is written, or the stream accepts no more for now.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                if self.writing.capacity() > KEPT_ROOM {
                    self.writing = Vec::new();
                }
                let mut state = self.exchange.lock();
                std::mem::swap(&mut state.outgoing, &mut self.writing);
                if self.writing.is_empty() {
                    drop(state);
                    if self.flushing {
                        match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
                            Ok(()) => self.flushing = false,
                            Err(error) => return Poll::Ready(error.into()),
                        }
                    }
                    return Poll::Pending;
                }
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.writing[self.written..])) {
                Ok(0) => return Poll::Ready(Ended::Closed),
                Ok(n) => {
                    self.written += n;
                    self.flushing = true;
                    self.exchange.lock().written += n as u64;
                }
                Err(error) => return Poll::Ready(error.into()),
            }
        }
    }

    /// Reads the bytes that have arrived, and hands out replies. Pending when there are no more bytes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            if self.incoming.is_empty() && self.incoming.capacity() > KEPT_ROOM {
                self.incoming = BytesMut::new();
            }
            self.incoming.reserve(READ_ROOM);
            let read = pin!(self.stream.read_buf(&mut self.incoming));
            match ready!(read.poll(cx)) {
                Ok(0) => return Poll::Ready(Ended::Closed),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error.into()),
            }
            if let Err(ended) = self.hand_out() {
                return Poll::Ready(ended);
            }
        }
    }

    /// Hands out the replies that are complete, each to the command that has waited longest.
    fn hand_out(&mut self) -> Result<(), Ended> {
        while !self.incoming.is_empty() {
            let limit = self.exchange.lock().waiting.front().map(|waiting| waiting.limit);
            let decoded = self.decoder.decode(&mut self.incoming, limit.unwrap_or(ReplyLimit::SHORT))?;
            let Some(outcome) = decoded else { break };
            let outcome = outcome.map_err(hidden::without_arguments);
            let answered = match self.exchange.lock().answer(outcome) {
                Ok(answered) => answered,
                Err(Err(text)) => return Err(Ended::Said(text)),
                Err(Ok(_)) => return Err(DecodeError::Unasked.into()),
            };
            if let Some((reply, outcome)) = answered {
                // a caller that has left needs no answer
                let _ = reply.send(outcome.map_err(CallError::Refused));
            }
        }
        Ok(())
    }
}

impl<S> Driver<S> {
    /// Fails the commands whose deadline has passed, and sets the timer for the next.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(first) = self.exchange.lock().first_deadline else { return };
            if !self.is_timed || first < self.timer.deadline() {
                self.timer.as_mut().reset(first);
                self.is_timed = true;
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.is_timed = false;
            self.exchange.lock().expire(Instant::now());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        this.exchange.woken_by(cx.waker());
        // replies first: they may queue further commands
        if let Poll::Ready(ended) = this.poll_read(cx) {
            return Poll::Ready(ended);
        }
        if let Poll::Ready(ended) = this.poll_write(cx) {
            return Poll::Ready(ended);
        }
        this.poll_deadlines(cx);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn command(name: &str) -> Command {
        Command::new(&[name.as_bytes()], ReplyLimit::SHORT)
    }

    fn later() -> Instant {
        Instant::now() + std::time::Duration::from_secs(60)
    }

    fn text(text: &'static str) -> Outcome {
        Ok(Reply::Bytes(text.into()))
    }

    #[tokio::test]
    async fn replies_come_in_the_order_of_the_commands_and_an_abandoned_one_is_skipped() {
        let (near, mut far) = duplex(1024);
        let exchange = Arc::new(Exchange::default());
        let driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let one = exchange.send(None, &command("A"), later()).expect("open");
        drop(exchange.send(None, &command("B"), later()).expect("open"));
        let three = exchange.send(Some(&command("ASKING")), &command("C"), later()).expect("open");
        let mut sent = vec![0; 11 + 11 + 16 + 11];
        far.read_exact(&mut sent).await.expect("sent");
        assert!(sent.ends_with(b"*1\r\n$6\r\nASKING\r\n*1\r\n$1\r\nC\r\n"));
        far.write_all(b"+a\r\n-ERR b\r\n+OK\r\n+c\r\n").await.expect("room");
        assert_eq!(one.await.expect("a reply"), text("a"));
        assert_eq!(three.await.expect("a reply"), text("c"));
        drop(far);
        assert_eq!(driver.await.expect("no panic").to_string(), "closed");
        assert_eq!(exchange.send(None, &command("D"), later()).expect_err("it is gone"), CallError::Unreachable);
    }

    #[tokio::test]
    async fn what_was_not_written_when_the_connection_ends_has_not_run() {
        let (near, mut far) = duplex(16);
        let exchange = Arc::new(Exchange::default());
        let driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let first = exchange.send(None, &command("0123456789"), later()).expect("open");
        let second = exchange.send(None, &command("B"), later()).expect("open");
        far.read_exact(&mut [0; 8]).await.expect("the beginning of the first");
        driver.abort();
        assert!(matches!(first.await.expect("an outcome"), Err(CallError::Unanswered(_))));
        assert_eq!(second.await.expect("an outcome"), Err(CallError::Unreachable));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_without_a_reply_in_time_fails_alone_and_its_late_reply_is_skipped() {
        let (near, mut far) = duplex(1024);
        let exchange = Arc::new(Exchange::default());
        let _driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let (start, soon) = (Instant::now(), std::time::Duration::from_millis(100));
        let patient = exchange.send(None, &command("A"), later()).expect("open");
        let first = exchange.send(None, &command("B"), start + soon).expect("open");
        let second = exchange.send(None, &command("C"), start + 2 * soon).expect("open");
        let timed_out = Err(CallError::Unanswered("timed out".into()));
        assert_eq!((first.await.expect("an outcome"), start.elapsed()), (timed_out.clone(), soon));
        assert_eq!((second.await.expect("an outcome"), start.elapsed()), (timed_out, 2 * soon));
        far.write_all(b"+a\r\n+b\r\n+c\r\n").await.expect("room");
        assert_eq!(patient.await.expect("a reply"), text("a"));
        let next = exchange.send(None, &command("D"), later()).expect("open");
        far.write_all(b"+d\r\n").await.expect("room");
        assert_eq!(next.await.expect("a reply"), text("d"));
    }

    #[tokio::test]
    async fn a_reply_to_nothing_ends_the_connection() {
        let (near, mut far) = duplex(64);
        let driver = tokio::spawn(Driver::new(near, Arc::default()));
        far.write_all(b"+hello\r\n").await.expect("room");
        assert_eq!(driver.await.expect("no panic").to_string(), DecodeError::Unasked.to_string());
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_sent_no_more_than_a_bound() {
        let (near, _far) = duplex(64);
        let exchange = Arc::new(Exchange::default());
        let _driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let large = Command::new(&[&vec![0; 1 << 20]], ReplyLimit::SHORT);
        let sent = (0..100).take_while(|_| exchange.send(None, &large, later()).is_ok()).count();
        assert!(sent <= 18, "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_hold_though_the_peer_reads_nothing() {
        let (near, _far) = duplex(16);
        let exchange = Arc::new(Exchange::default());
        let _driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        for _ in 0..3 {
            let deadline = Instant::now() + std::time::Duration::from_millis(100);
            let reply = exchange.send(None, &command("0123456789"), deadline).expect("open");
            assert_eq!(reply.await.expect("an outcome"), Err(CallError::Unanswered(TIMED_OUT.into())));
            assert_eq!(Instant::now(), deadline);
        }
    }

    #[test]
    fn the_number_of_a_system_error_is_removed() {
        assert_eq!(words(&io::Error::from_raw_os_error(111)), "Connection refused");
        assert_eq!(words(&io::Error::other("no such name")), "no such name");
    }
}
