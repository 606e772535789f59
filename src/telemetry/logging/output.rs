//! The file that takes the lines, be it set to `O_NONBLOCK` by another process that shares it.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

/// Before what the file had no room for is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Where lines go.
#[derive(Debug)]
pub(super) struct Output<W> {
    to: W,
    /// A line was begun, and could not be ended.
    is_within_a_line: bool,
}

impl<W: Write> Output<W> {
    pub(super) const fn new(to: W) -> Self {
        Self { to, is_within_a_line: false }
    }

    /// Writes a line, for as long as that takes.
    ///
    /// # Errors
    /// The file takes no more. A part of the line may stand there; the next one will begin on a line of its own.
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

    /// Takes so many bytes of each write, or fails.
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
