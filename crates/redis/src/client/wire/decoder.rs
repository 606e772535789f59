//! Decodes replies from the bytes of a connection as they arrive. Each byte is read once, there is no recursion, and
//! the size of a reply is checked before it is stored.

use bytes::{Buf as _, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{Reply, command::ReplyLimit};

/// How deep lists may nest. `CLUSTER SLOTS` needs three.
const MAX_DEPTH: usize = 8;
/// The longest line: a status, an error, a number.
const MAX_LINE: usize = 64 << 10;
/// How much of an error's text is kept.
const MAX_ERROR: usize = 1 << 10;
/// The initial capacity of a list.
const FIRST_ROOM: usize = 32;

/// Why bytes are not a valid reply. Their connection cannot be used any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("a reply begins with byte {0:#04x}, which is not RESP2: is this a Redis?")]
    Kind(u8),
    #[error("a length or number of a reply cannot be read")]
    Number,
    #[error("a string is longer than its length says")]
    End,
    #[error("a line of a reply is longer than {MAX_LINE} bytes")]
    Line,
    #[error("lists of a reply nest deeper than {MAX_DEPTH}")]
    Depth,
    #[error("a reply has more than {} bytes or {} values, too many for the command", .0.bytes, .0.items)]
    Large(ReplyLimit),
    #[error("a reply to no command")]
    Unasked,
}

/// A reply, or the text of an error that was sent in place of it or inside it.
pub(super) type Outcome = Result<Reply, Box<str>>;

/// The state of decoding between two reads.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Lists that are still incomplete, the outermost first.
    open: SmallVec<[List; 2]>,
    /// The length of a string whose bytes are expected.
    string: Option<usize>,
    /// How far the search for a line's end has got.
    scanned: usize,
    bytes: usize,
    items: usize,
    error: Option<Box<str>>,
}

#[derive(Debug)]
struct List {
    missing: usize,
    items: Vec<Reply>,
}

impl Decoder {
    /// Takes the next reply from `from`; `None` if it is incomplete. `limit` is the limit of its command.
    pub(super) fn decode(&mut self, from: &mut BytesMut, limit: ReplyLimit) -> Result<Option<Outcome>, DecodeError> {
        loop {
            let Some(mut value) = self.value(from, limit)? else { return Ok(None) };
            // adds the value to the innermost list; a list that is then complete is the next value
            loop {
                let Some(list) = self.open.last_mut() else {
                    (self.bytes, self.items) = (0, 0);
                    return Ok(Some(self.error.take().map_or(Ok(value), Err)));
                };
                list.items.push(value);
                list.missing -= 1;
                if list.missing > 0 {
                    break;
                }
                let Some(List { items, .. }) = self.open.pop() else { break };
                value = Reply::List(items);
            }
        }
    }

    /// Takes the next value that is not a list with items; `None` if it is incomplete.
    fn value(&mut self, from: &mut BytesMut, limit: ReplyLimit) -> Result<Option<Reply>, DecodeError> {
        loop {
            if let Some(length) = self.string {
                if from.len() < length + 2 {
                    return Ok(None);
                }
                let bytes = from.split_to(length).freeze();
                if !from.starts_with(b"\r\n") {
                    return Err(DecodeError::End);
                }
                from.advance(2);
                self.string = None;
                return Ok(Some(Reply::Bytes(bytes)));
            }
            // a byte that begins no reply is rejected at once
            match from.first() {
                None => return Ok(None),
                Some(b'+' | b'-' | b':' | b'$' | b'*') => {}
                Some(other) => return Err(DecodeError::Kind(*other)),
            }
            let Some(line) = self.line(from)? else { return Ok(None) };
            let (kind, text) = (line[0], line.slice(1..));
            match kind {
                b'+' => {
                    self.bytes = self.bytes.saturating_add(text.len());
                    self.bounded(limit)?;
                    return Ok(Some(Reply::Bytes(text)));
                }
                b'-' => {
                    let words = String::from_utf8_lossy(&text[..text.len().min(MAX_ERROR)]);
                    self.error.get_or_insert_with(|| words.into());
                    return Ok(Some(Reply::Other));
                }
                b':' => return Ok(Some(Reply::Number(number(&text)?))),
                b'$' => match length(&text)? {
                    None => return Ok(Some(Reply::Other)),
                    Some(length) => {
                        self.bytes = self.bytes.saturating_add(length);
                        self.bounded(limit)?;
                        self.string = Some(length);
                    }
                },
                _ => match length(&text)? {
                    None => return Ok(Some(Reply::Other)),
                    Some(0) => return Ok(Some(Reply::List(Vec::new()))),
                    Some(missing) => {
                        self.items = self.items.saturating_add(missing);
                        self.bounded(limit)?;
                        if self.open.len() == MAX_DEPTH {
                            return Err(DecodeError::Depth);
                        }
                        self.open.push(List { missing, items: Vec::with_capacity(missing.min(FIRST_ROOM)) });
                    }
                },
            }
        }
    }

    fn bounded(&self, limit: ReplyLimit) -> Result<(), DecodeError> {
        if self.bytes > limit.bytes || self.items > limit.items { Err(DecodeError::Large(limit)) } else { Ok(()) }
    }

    /// Takes the next line, without its end; `None` if it is incomplete.
    fn line(&mut self, from: &mut BytesMut) -> Result<Option<Bytes>, DecodeError> {
        let Some(end) = from[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = from.len();
            return if from.len() > MAX_LINE { Err(DecodeError::Line) } else { Ok(None) };
        };
        let end = self.scanned + end;
        self.scanned = 0;
        if !(2..=MAX_LINE).contains(&end) || from[end - 1] != b'\r' {
            return Err(DecodeError::Line);
        }
        let line = from.split_to(end - 1).freeze();
        from.advance(2);
        Ok(Some(line))
    }
}

fn number(text: &[u8]) -> Result<i64, DecodeError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(DecodeError::Number)
}

/// The length of a string or list; `None` for nil (-1).
fn length(text: &[u8]) -> Result<Option<usize>, DecodeError> {
    match number(text)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| DecodeError::Number),
    }
}

/// All replies to bytes that come in these chunks.
#[cfg(any(test, fuzzing))]
pub(super) fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: ReplyLimit,
) -> Result<Vec<Outcome>, DecodeError> {
    let (mut decoder, mut buffer, mut replies) = (Decoder::default(), BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(reply) = decoder.decode(&mut buffer, limit)? {
            replies.push(reply);
        }
    }
    Ok(replies)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: ReplyLimit = ReplyLimit { bytes: 1000, items: 100 };

    fn decode(bytes: &[u8]) -> Result<Vec<Outcome>, DecodeError> {
        decode_chunks([bytes], LIMIT)
    }

    fn bytes(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn replies_of_every_kind() {
        for (sent, reply) in [
            ("+OK\r\n", bytes("OK")),
            (":-42\r\n", Reply::Number(-42)),
            ("$5\r\na\r\nbc\r\n", bytes("a\r\nbc")),
            ("$0\r\n\r\n", bytes("")),
            ("$-1\r\n", Reply::Other),
            ("*-1\r\n", Reply::Other),
            ("*0\r\n", Reply::List(Vec::new())),
            (
                "*2\r\n*1\r\n:1\r\n*2\r\n+a\r\n$-1\r\n",
                Reply::List(vec![Reply::List(vec![Reply::Number(1)]), Reply::List(vec![bytes("a"), Reply::Other])]),
            ),
        ] {
            assert_eq!(decode(sent.as_bytes()), Ok(vec![Ok(reply)]), "{sent:?}");
        }
        assert_eq!(decode(b"-ERR x\r\n+OK\r\n"), Ok(vec![Err("ERR x".into()), Ok(bytes("OK"))]));
        assert_eq!(decode(b"*2\r\n-ERR x\r\n-ERR y\r\n:1\r\n"), Ok(vec![Err("ERR x".into()), Ok(Reply::Number(1))]));
    }

    #[test]
    fn malformed_replies_are_rejected_at_once() {
        for (sent, error) in [
            (&b">2\r\n"[..], DecodeError::Kind(b'>')),
            (b"HTTP/1.1 400", DecodeError::Kind(b'H')),
            (b"\x15\x03", DecodeError::Kind(0x15)),
            (b"_\r\n", DecodeError::Kind(b'_')),
            (b":x\r\n", DecodeError::Number),
            (b"$-2\r\n", DecodeError::Number),
            (b"*9999999999999999999\r\n", DecodeError::Number),
            (b"$1\r\nabc", DecodeError::End),
            (b"+a\n", DecodeError::Line),
            (b"$1001\r\n", DecodeError::Large(LIMIT)),
            (b"*101\r\n", DecodeError::Large(LIMIT)),
            (b"*2\r\n*99\r\n", DecodeError::Large(LIMIT)),
            (b"*3\r\n$600\r\n", DecodeError::Large(LIMIT)),
            (&[&b"*2\r\n"[..], &[b'+'; 600], b"\r\n", &[b'+'; 600], b"\r\n"].concat(), DecodeError::Large(LIMIT)),
        ] {
            let mut sent = sent.to_vec();
            if sent.starts_with(b"*3") {
                sent.extend([b'x'; 600]);
                sent.extend(b"\r\n$600\r\n");
            }
            assert_eq!(decode(&sent), Err(error), "{}", String::from_utf8_lossy(&sent));
        }
        assert_eq!(decode(&[b'+'; MAX_LINE + 1]), Err(DecodeError::Line));
        assert_eq!(decode(&b"*1\r\n".repeat(4000)), Err(DecodeError::Depth));
    }

    #[test]
    fn a_long_error_is_truncated() {
        let sent = format!("-ERR {}\r\n", "x".repeat(10_000));
        let replies = decode(sent.as_bytes()).expect("a reply");
        assert_eq!(replies[0].as_ref().expect_err("an error").len(), MAX_ERROR);
    }

    fn encoded() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[a-z]{0,9}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            "[a-z]{0,9}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..20)
                .prop_map(|bytes| { [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat() }),
            Just(b"$-1\r\n".to_vec()),
            Just(b"*-1\r\n".to_vec()),
        ];
        leaf.prop_recursive(4, 20, 4, |inner| {
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat())
        })
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(replies in proptest::collection::vec(encoded(), 1..5), size in 1..40_usize) {
            let sent = replies.concat();
            let whole = decode(&sent);
            prop_assert!(whole.as_ref().is_ok_and(|decoded| decoded.len() == replies.len()));
            prop_assert_eq!(decode_chunks(sent.chunks(size), LIMIT), whole);
        }

        #[test]
        fn no_bytes_panic_and_chunks_make_no_difference(
            sent in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"*$+-:\r\n0123456789"[..])], 0..200),
            size in 1..40_usize,
        ) {
            prop_assert_eq!(decode_chunks(sent.chunks(size), LIMIT).is_ok(), decode(&sent).is_ok());
        }
    }
}
