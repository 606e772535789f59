//! Commands, encoded when they are created (RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>),
//! and the limits of their replies.

use bytes::Bytes;

/// The limit of a reply. A larger reply ends the connection, so that a malicious or faulty peer cannot use up memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct ReplyLimit {
    /// The most bytes of all its strings together.
    pub(in super::super) bytes: usize,
    /// The most values in all its lists together.
    pub(in super::super) items: usize,
}

impl ReplyLimit {
    /// For short replies.
    pub(in super::super) const SHORT: Self = Self { bytes: 64 << 10, items: 64 };
}

/// A command to send.
#[derive(Clone, Debug)]
pub(in super::super) struct Command {
    pub(super) encoded: Bytes,
    pub(super) limit: ReplyLimit,
    /// The number of counters that the command names.
    pub(super) keys: usize,
    /// How many replies it gets: each of several is an item of a list.
    pub(super) replies: usize,
    pub(in super::super) kind: CommandKind,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum CommandKind {
    /// A call of the script, whose reply begins with the server's time.
    Script,
    /// The commands of an [`Addition`](crate::Addition).
    Addition,
    Other,
}

impl Command {
    /// A command with these arguments.
    pub(in super::super) fn new(words: &[&[u8]], limit: ReplyLimit) -> Self {
        Self::of(words.len(), words.iter().copied(), limit)
    }

    /// A command of this many arguments.
    pub(in super::super) fn of<'a>(count: usize, words: impl Iterator<Item = &'a [u8]>, limit: ReplyLimit) -> Self {
        let mut encoded = Vec::with_capacity(512);
        header(&mut encoded, b'*', count);
        let mut written = 0;
        for word in words {
            header(&mut encoded, b'$', word.len());
            encoded.extend_from_slice(word);
            encoded.extend_from_slice(b"\r\n");
            written += 1;
        }
        debug_assert_eq!(written, count);
        Self { encoded: encoded.into(), limit, keys: 0, replies: 1, kind: CommandKind::Other }
    }

    /// This command and another one right after it, whose replies come together, as a list: an error of one is
    /// [`Reply::Error`](super::Reply::Error) in it.
    pub(in super::super) fn then(self, next: &Self) -> Self {
        let encoded = [self.encoded, next.encoded.clone()].concat().into();
        Self { encoded, replies: self.replies + next.replies, ..self }
    }

    /// The same command, with the number of counters that it names.
    pub(in super::super) fn with_keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// The same command, for this.
    pub(in super::super) fn of_kind(self, kind: CommandKind) -> Self {
        Self { kind, ..self }
    }
}

fn header(into: &mut Vec<u8>, kind: u8, number: usize) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    into.push(kind);
    into.extend_from_slice(&digits[at..]);
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lists_of_strings() {
        let command = Command::new(&[b"SET", b"a\r\n", b""], ReplyLimit::SHORT);
        assert_eq!(&command.encoded[..], b"*3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$0\r\n\r\n");
        let long = vec![b'x'; 1234];
        assert!(Command::new(&[&long], ReplyLimit::SHORT).encoded.starts_with(b"*1\r\n$1234\r\nx"));
    }
}
