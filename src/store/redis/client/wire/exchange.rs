//! Commands out and replies in, over one stream: the task that owns the stream, and what it shares with those who send.

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
};

use super::{
    Reply,
    command::{Command, ReplyLimit},
    decoder::{DecodeError, Decoder},
};
use crate::store::redis::CallError;

/// Bytes that may wait to be written: a peer that reads nothing is sent no more.
const MAX_OUTGOING: usize = 16 << 20;
/// Room for what is read at a time.
const READ_ROOM: usize = 16 << 10;
/// Buffers that grew beyond this are given back when they are empty.
const KEPT_ROOM: usize = 256 << 10;

/// What came of a command.
pub(super) type Outcome = Result<Reply, CallError>;

/// The queues of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outgoing: Vec<u8>,
    /// Bytes that were ever put there, and bytes that were ever handed to the stream.
    queued: u64,
    written: u64,
    waiting: VecDeque<Waiting>,
    closed: bool,
    /// Of the task that owns the stream.
    task: Option<Waker>,
}

/// A command whose reply is due.
#[derive(Debug)]
struct Waiting {
    /// Where in the stream it begins.
    begins: u64,
    limit: ReplyLimit,
    reply: oneshot::Sender<Outcome>,
}

impl State {
    fn push(&mut self, command: &Command, reply: oneshot::Sender<Outcome>) {
        let begins = self.queued;
        self.outgoing.extend_from_slice(&command.encoded);
        self.queued += command.encoded.len() as u64;
        self.waiting.push_back(Waiting { begins, limit: command.limit, reply });
    }
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command, directly after another one if need be, the reply to which is dropped; where its reply will come.
    pub(super) fn send(
        &self,
        before: Option<&Command>,
        command: &Command,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        let (reply, coming) = oneshot::channel();
        let task = {
            let mut state = self.lock();
            if state.closed || state.outgoing.len() > MAX_OUTGOING {
                return Err(CallError::Unreachable);
            }
            if let Some(before) = before {
                state.push(before, oneshot::channel().0);
            }
            state.push(command, reply);
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
        Ok(coming)
    }

    /// Fails what is waited for, and everything that comes: what was not handed to the stream is known not to have run.
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
            // a caller that has left needs no answer
            let _ = reply.send(Err(error));
        }
    }
}

/// Owns a stream until it ends: a future whose output is why.
#[derive(Debug)]
pub(super) struct Driver<S> {
    stream: S,
    exchange: Arc<Exchange>,
    decoder: Decoder,
    incoming: BytesMut,
    writing: Vec<u8>,
    written: usize,
    flushing: bool,
}

impl<S> Driver<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>) -> Self {
        let (decoder, incoming) = (Decoder::default(), BytesMut::new());
        Self { stream, exchange, decoder, incoming, writing: Vec::new(), written: 0, flushing: false }
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
    /// What it said of its own accord, such as that it has too many clients.
    #[error("{0}")]
    Said(Box<str>),
}

/// The system's words without the number in brackets behind them.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Writes what is queued; pending when all of it is written, or the stream takes no more.
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
                    if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                        state.task = Some(cx.waker().clone());
                    }
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

    /// Reads what has come, and hands out replies; pending when there is no more.
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

    /// Hands out the replies that have come whole, each to the command that has waited longest.
    fn hand_out(&mut self) -> Result<(), Ended> {
        while !self.incoming.is_empty() {
            let limit = self.exchange.lock().waiting.front().map(|waiting| waiting.limit);
            let decoded = self.decoder.decode(&mut self.incoming, limit.unwrap_or(ReplyLimit::SHORT))?;
            let Some(outcome) = decoded else { break };
            let waiting = self.exchange.lock().waiting.pop_front();
            match (waiting, outcome) {
                // a caller that has left needs no answer
                (Some(waiting), outcome) => drop(waiting.reply.send(outcome.map_err(CallError::Refused))),
                (None, Err(text)) => return Err(Ended::Said(text)),
                (None, Ok(_)) => return Err(DecodeError::Unasked.into()),
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        // replies first: they may bring on what is to be written
        if let Poll::Ready(ended) = this.poll_read(cx) {
            return Poll::Ready(ended);
        }
        this.poll_write(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn command(name: &str) -> Command {
        Command::new(&[name.as_bytes()], ReplyLimit::SHORT)
    }

    fn text(text: &'static str) -> Outcome {
        Ok(Reply::Bytes(text.into()))
    }

    #[tokio::test]
    async fn replies_come_in_the_order_of_the_commands_and_an_abandoned_one_is_skipped() {
        let (near, mut far) = duplex(1024);
        let exchange = Arc::new(Exchange::default());
        let driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let one = exchange.send(None, &command("A")).expect("open");
        drop(exchange.send(None, &command("B")).expect("open"));
        let three = exchange.send(Some(&command("ASKING")), &command("C")).expect("open");
        let mut sent = vec![0; 11 + 11 + 16 + 11];
        far.read_exact(&mut sent).await.expect("sent");
        assert!(sent.ends_with(b"*1\r\n$6\r\nASKING\r\n*1\r\n$1\r\nC\r\n"));
        far.write_all(b"+a\r\n-ERR b\r\n+OK\r\n+c\r\n").await.expect("room");
        assert_eq!(one.await.expect("a reply"), text("a"));
        assert_eq!(three.await.expect("a reply"), text("c"));
        drop(far);
        assert_eq!(driver.await.expect("no panic").to_string(), "closed");
        assert_eq!(exchange.send(None, &command("D")).expect_err("it is gone"), CallError::Unreachable);
    }

    #[tokio::test]
    async fn what_was_not_written_when_the_connection_ends_has_not_run() {
        let (near, mut far) = duplex(16);
        let exchange = Arc::new(Exchange::default());
        let driver = tokio::spawn(Driver::new(near, Arc::clone(&exchange)));
        let first = exchange.send(None, &command("0123456789")).expect("open");
        let second = exchange.send(None, &command("B")).expect("open");
        far.read_exact(&mut [0; 8]).await.expect("the beginning of the first");
        driver.abort();
        assert!(matches!(first.await.expect("told"), Err(CallError::Unanswered(_))));
        assert_eq!(second.await.expect("told"), Err(CallError::Unreachable));
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
        let sent = (0..100).take_while(|_| exchange.send(None, &large).is_ok()).count();
        assert!(sent <= 18, "{sent}");
    }

    #[test]
    fn io_errors_are_words() {
        assert_eq!(words(&io::Error::from_raw_os_error(111)), "Connection refused");
        assert_eq!(words(&io::Error::other("no such name")), "no such name");
    }
}
