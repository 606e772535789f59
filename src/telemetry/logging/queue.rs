//! A bounded queue between the threads that log and standard error, and the one thread that writes.
//!
//! The reader of standard error may stall (a hanging log collector), and a write then blocks for as long. Threads that
//! log never wait for it: a line that does not fit into the queue is dropped, counted, and reported once lines are
//! written again. So is a line that cannot be written (a full disk). The `O_NONBLOCK` flag of standard error is not
//! changed, because other processes may share the file.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use metrics::{Collect, Families, Family};
use tracing_subscriber::fmt::MakeWriter;

use super::{clean::clean, output::Output};

const DROPPED: Family = Family::counter(
    "tollgate_log_lines_dropped_total",
    "Log lines that were dropped because the queue was full, or could not be written.",
    &[],
);

/// The most bytes of queued lines. The writing thread may hold as many again.
const MAX_BYTES: usize = 1 << 20;
/// The most queued lines.
const MAX_LINES: usize = 8192;
/// The most bytes of one line; the rest is cut off.
pub(super) const MAX_LINE: usize = 16 << 10;
/// How long [`LogQueue::flush`] waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// A handle to the queue; clones share it.
#[derive(Clone, Debug, Default)]
pub struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Lines contain escape sequences for colour, which must not be escaped.
    is_coloured: bool,
    waiting: Mutex<Waiting>,
    /// Notified when a line is queued.
    more: Condvar,
    /// Notified when all lines are written.
    idle: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Lines that the writing thread has taken but not written yet.
    taken: usize,
}

impl LogQueue {
    /// A queue whose lines are written to `to` by a thread of its own, which ends with the process. `report` formats
    /// the line that reports a number of dropped lines.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        is_coloured: bool,
        report: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared { is_coloured, ..Shared::default() }));
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_all(to, report))?;
        Ok(queue)
    }

    /// The number of lines dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Blocks until every line is written, but for at most a second: after that the reader has stalled.
    pub fn flush(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut waiting = self.0.lock();
        while !waiting.lines.is_empty() || waiting.taken > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.0.idle.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Queues a line, or drops it if the queue is full.
    pub fn push(&self, line: &[u8]) {
        self.put(clean(line, MAX_LINE, false));
    }

    fn put(&self, line: Box<[u8]>) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() >= MAX_LINES || waiting.bytes + line.len() > MAX_BYTES {
            self.0.dropped.fetch_add(1, Relaxed);
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        drop(waiting);
        self.0.more.notify_one();
    }

    fn write_all(&self, to: impl Write, report: impl Fn(u64) -> String) {
        let mut to = Output::new(to);
        let mut reported = 0;
        loop {
            for line in self.take() {
                // the error cannot be logged: it would go to the same file
                if to.line(&line).is_err() {
                    self.0.dropped.fetch_add(1, Relaxed);
                }
            }
            let dropped = self.dropped();
            if dropped > reported && to.line(&clean(report(dropped - reported).as_bytes(), MAX_LINE, false)).is_ok() {
                reported = dropped;
            }
            self.0.lock().taken = 0;
            self.0.idle.notify_all();
        }
    }

    /// Blocks until lines are queued, and takes all of them.
    fn take(&self) -> VecDeque<Box<[u8]>> {
        let mut waiting = self.0.lock();
        while waiting.lines.is_empty() {
            waiting = self.0.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes = 0;
        waiting.taken = waiting.lines.len();
        std::mem::take(&mut waiting.lines)
    }
}

impl Collect for LogQueue {
    fn collect(&self, families: &mut Families) {
        families.add(&DROPPED, &[], self.dropped());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Buffers the text of one event, and queues it on drop.
#[derive(Debug)]
pub struct Line<'q> {
    queue: &'q LogQueue,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.queue.put(clean(&self.text, MAX_LINE, self.queue.0.is_coloured));
        }
    }
}

impl<'w> MakeWriter<'w> for LogQueue {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line { queue: self, text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each write to the test, and blocks until the test receives it.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (LogQueue, mpsc::Receiver<Vec<u8>>) {
        let (to, from) = mpsc::sync_channel(0);
        (LogQueue::start(Pipe(to), false, |lines| format!("{lines} lines were dropped\n")).expect("a thread"), from)
    }

    #[test]
    fn lines_come_in_order() {
        let (queue, from) = queue();
        for line in ["one\n", "two\n", "three\n"] {
            queue.push(line.as_bytes());
        }
        let lines: Vec<_> = from.iter().take(3).collect();
        assert_eq!(lines, [b"one\n".to_vec(), b"two\n".to_vec(), b"three\n".to_vec()]);
        queue.flush();
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn what_nobody_reads_is_dropped_counted_and_reported_later() {
        let (queue, from) = queue();
        let long = [b"x".repeat(1000), b"\n".to_vec()].concat();
        for _ in 0..5000 {
            queue.push(&long);
        }
        let dropped = queue.dropped();
        // the queue is full, and the writing thread holds at most as many again
        let room = (MAX_BYTES / long.len()) as u64;
        assert!((5000 - 2 * room..=5000 - room).contains(&dropped), "{dropped}, of which {room} fit");
        for _ in 0..20_000 {
            queue.push(b"short\n");
        }
        let before = Instant::now();
        queue.flush();
        assert!(before.elapsed() >= PATIENCE, "it waits, but not for ever");
        let report = from.iter().find(|line| line.ends_with(b" lines were dropped\n")).expect("a report");
        let reported: u64 =
            String::from_utf8_lossy(&report).split(' ').next().expect("a word").parse().expect("a number");
        assert!(reported > dropped && reported <= queue.dropped(), "{reported} of {}", queue.dropped());
        assert_eq!(metrics::series(&queue), [format!("tollgate_log_lines_dropped_total {}", queue.dropped())]);
    }

    #[test]
    fn a_line_is_one_write_and_not_longer_than_a_bound() {
        let (queue, from) = queue();
        {
            let mut line = queue.make_writer();
            line.write_all(b"in ").expect("memory");
            line.write_all(b"parts\n").expect("memory");
        }
        queue.push(&[b"y".repeat(1 << 20), b"\n".to_vec()].concat());
        assert_eq!(from.recv().expect("a line"), b"in parts\n");
        let cut = from.recv().expect("a line");
        assert!(cut.len() <= MAX_LINE && cut.ends_with(b"\n"), "{}", cut.len());
    }
}
