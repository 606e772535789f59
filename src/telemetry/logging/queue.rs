//! Between those who log and the file that takes the lines: a bounded queue, and one thread that writes.
//!
//! Whatever reads standard error may stop to (a collector that hangs), and a write then takes as long as it pleases. Nobody
//! who logs waits for that: a line for which there is no room is dropped, counted, and reported once lines are taken again.
//! So is one that cannot be written (a full disk). Standard error is left as it is: it may be set to `O_NONBLOCK` or not, for
//! other processes may share it.

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
    "Lines of the log that were dropped, for nobody read them, or that could not be written.",
    &[],
);

/// Bytes of the lines that wait. As many may be with the thread.
const MAX_BYTES: usize = 1 << 20;
/// Lines that wait.
const MAX_LINES: usize = 8192;
/// Of one line; the rest is cut off.
pub(super) const MAX_LINE: usize = 16 << 10;
/// For so long the end of the process waits until all lines are written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The queue. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The escapes that colour lines are ours.
    is_coloured: bool,
    waiting: Mutex<Waiting>,
    /// Notified when a line waits.
    more: Condvar,
    /// Notified when all lines are written.
    idle: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Lines that the thread has taken and not written yet.
    taken: usize,
}

impl LogQueue {
    /// A queue whose lines are written to `to` by a thread of its own, which ends with the process. `report` makes the line
    /// about so many dropped ones.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        is_coloured: bool,
        report: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared { is_coloured, ..Shared::default() }));
        let theirs = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || theirs.write_all(to, report))?;
        Ok(queue)
    }

    /// Lines that were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Waits until every line is written, but for a second at most: then nobody reads them.
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

    /// Adds a line, or drops it.
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
                // the reason would have to go where the line cannot
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

    /// Waits for lines, and takes all that wait.
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

/// Collects one event, and hands it to the queue when it is dropped.
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

    /// Takes what is written piece by piece, as the test asks for it.
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
        // as many as fit wait, and the thread has taken as many at most
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
