//! Writing lines to a file, even if another process that shares the file has set `O_NONBLOCK` on it.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

/// The pause before a write is retried that failed with `WouldBlock`.
const PAUSE: Duration = Duration::from_millis(10);

/// A writer of whole lines.
#[derive(Debug)]
pub(super) struct Output<W> {
    to: W,
    /// The last line was written only in part.
    is_within_a_line: bool,
}

impl<W: Write> Output<W> {
    pub(super) const fn new(to: W) -> Self {
        Self { to, is_within_a_line: false }
    }

    /// Writes a line. Blocks until all of it is written.
    ///
    /// # Errors
    /// The write failed. Part of the line may have been written; the next call then begins with a newline.
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_within_a_line {
            self.write(b"\n")?;
        }
        self.write(line)?;
        self.to.flush()
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.is_within_a_line = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Accepts at most this many bytes of each write, or fails it.
    struct File {
        outcomes: VecDeque<Result<usize, io::ErrorKind>>,
        written: Vec<u8>,
    }

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.outcomes.pop_front().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_pipe_is_waited_for_and_a_line_that_failed_ends_before_the_next() {
        use io::ErrorKind::{Interrupted, StorageFull, WouldBlock};
        let outcomes = [Err(WouldBlock), Ok(2), Err(Interrupted), Err(WouldBlock), Ok(100), Ok(3), Err(StorageFull)];
        let mut output = Output::new(File { outcomes: outcomes.into(), written: Vec::new() });
        output.line(b"first\n").expect("it waits");
        assert_eq!(output.line(b"second\n").expect_err("no room").kind(), StorageFull);
        output.line(b"third\n").expect("there is room again");
        output.to.outcomes = [Err(StorageFull)].into();
        output.line(b"fourth\n").expect_err("no room");
        output.line(b"fifth\n").expect("there is room again");
        assert_eq!(String::from_utf8_lossy(&output.to.written), "first\nsec\nthird\nfifth\n");
    }
}
