//! What a client sees of a server: the end of each stream, and of the connection.

use std::{collections::BTreeMap, fmt};

use wire::{ErrorCode, hpack::Decoder};

use super::script::{PROBE, Script};
use testkit::frames::{DATA, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM};

#[derive(Debug)]
pub struct Seen {
    /// The streams of the script, in order.
    script: Vec<u32>,
    streams: BTreeMap<u32, Stream>,
    connection: Connection,
    decoder: Decoder,
}

/// What was received on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub status: Option<String>,
    pub grpc_status: Option<String>,
    pub grpc_message: Option<String>,
    pub body: Vec<u8>,
    pub is_ended: bool,
    pub reset: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Open,
    /// A GOAWAY was received.
    Leaving(u32),
    /// It is closed, perhaps after a GOAWAY.
    Closed(Option<u32>),
    /// For grpc-go, which closes without a GOAWAY.
    ClosedByGrpcGo,
}

impl Seen {
    pub fn new(script: &Script) -> Self {
        let streams = script.streams.iter().map(|(stream, _)| *stream);
        Self {
            script: streams.collect(),
            streams: BTreeMap::new(),
            connection: Connection::Open,
            decoder: Decoder::new(4096),
        }
    }

    pub fn take(&mut self, frame: &Frame) {
        let Frame { kind, flags, stream: id, payload } = frame;
        let number = |at: usize| payload.get(at..).and_then(|rest| rest.first_chunk()).map(|n| u32::from_be_bytes(*n));
        match *kind {
            GOAWAY => self.connection = Connection::Leaving(number(4).expect("a code")),
            HEADERS => self.headers(*id, *flags, payload),
            DATA => {
                let stream = self.streams.entry(*id).or_default();
                stream.body.extend_from_slice(payload);
                stream.is_ended |= flags & END_STREAM != 0;
            }
            // after the answer's end it only says that the rest of the request is not needed; whether it is sent
            // depends on timing
            RST_STREAM => {
                let stream = self.streams.entry(*id).or_default();
                if !stream.is_ended {
                    (stream.is_ended, stream.reset) = (true, number(0));
                }
            }
            _ => {}
        }
    }

    /// None of these servers sends CONTINUATION, because their answers are short.
    fn headers(&mut self, id: u32, flags: u8, block: &[u8]) {
        let stream = self.streams.entry(id).or_default();
        let mut scratch = Vec::new();
        let decoded = self.decoder.decode(block, &mut scratch, |field| {
            let place = match field.name {
                b":status" => &mut stream.status,
                b"grpc-status" => &mut stream.grpc_status,
                b"grpc-message" => &mut stream.grpc_message,
                _ => return,
            };
            *place = Some(String::from_utf8_lossy(field.value).into_owned());
        });
        decoded.expect("a block");
        stream.is_ended |= flags & END_STREAM != 0;
    }

    /// Records the end of the connection.
    pub fn close(&mut self) {
        let code = match self.connection {
            Connection::Leaving(code) => Some(code),
            _ => None,
        };
        self.connection = Connection::Closed(code);
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.connection, Connection::Closed(_) | Connection::ClosedByGrpcGo)
    }

    pub fn has_ended(&self, stream: u32) -> bool {
        self.streams.get(&stream).is_some_and(|stream| stream.is_ended)
    }

    /// Removes the error code, for a comparison with grpc-go, which closes connections without GOAWAY.
    pub fn of_grpc_go(mut self) -> Self {
        if let Connection::Closed(_) = self.connection {
            self.connection = Connection::ClosedByGrpcGo;
        }
        self
    }

    /// What would be seen of grpc-go if it did the same.
    pub fn as_grpc_go(&self) -> String {
        if self.is_closed() { Connection::ClosedByGrpcGo.to_string() } else { self.to_string() }
    }

    /// Texts and bytes of the answers, which are equal for the same program; `None` if they do not matter.
    pub fn answers(&self) -> Vec<(&u32, &Option<String>, &[u8])> {
        let streams = self.streams.iter().filter(|_| !self.is_only_closed());
        streams.map(|(id, stream)| (id, &stream.grpc_message, &stream.body[..])).collect()
    }

    /// Whether an error has closed the connection: which answers precede the end depends on timing in servers with
    /// several tasks.
    fn is_only_closed(&self) -> bool {
        !matches!(self.connection, Connection::Closed(Some(0)) | Connection::Open | Connection::Leaving(_))
    }
}

/// The text that is compared.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_only_closed() {
            return write!(f, "{}", self.connection);
        }
        // a script may have many equal streams
        let mut parts: Vec<(String, Vec<u32>)> = Vec::new();
        for id in &self.script {
            let text = self.streams.get(id).map_or_else(|| Stream::default().to_string(), Stream::to_string);
            match parts.last_mut() {
                Some((last, ids)) if *last == text => ids.push(*id),
                _ => parts.push((text, vec![*id])),
            }
        }
        for (text, ids) in parts {
            match &ids[..] {
                [id] => write!(f, "{id} {text}; ")?,
                ids => write!(f, "{} to {} {text}; ", ids[0], ids[ids.len() - 1])?,
            }
        }
        write!(f, "{}", self.connection)?;
        match self.streams.get(&PROBE) {
            _ if self.is_closed() => Ok(()),
            Some(probe) if probe.status.as_deref() == Some("200") && probe.grpc_status.as_deref() == Some("0") => {
                Ok(())
            }
            Some(probe) => write!(f, ", and the next call {probe}"),
            None => f.write_str(", and the next call nothing"),
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.reset {
            return write!(f, "reset {}", ErrorCode(code));
        }
        if !self.is_ended {
            return f.write_str("nothing");
        }
        f.write_str("is ")?;
        if let Some(status) = self.status.as_deref().filter(|status| *status != "200") {
            write!(f, "{status} ")?;
        }
        match self.grpc_status.as_deref() {
            Some("0") => f.write_str("OK")?,
            Some(status) => f.write_str(status)?,
            None => f.write_str("without a status")?,
        }
        if self.grpc_status.as_deref().is_some_and(|status| status != "0") && self.grpc_message.is_none() {
            f.write_str(" without words")?;
        }
        let expected = usize::from(self.grpc_status.as_deref() == Some("0"));
        match self.messages() {
            Some((messages, false)) if messages == expected => Ok(()),
            Some((messages, true)) if messages == expected => f.write_str(", compressed"),
            Some((messages, _)) => write!(f, " with {messages} messages"),
            None => f.write_str(" with bytes that are no messages"),
        }
    }
}

impl Stream {
    /// The number of messages in the body, and whether one of them is compressed.
    fn messages(&self) -> Option<(usize, bool)> {
        let (mut rest, mut messages, mut is_compressed) = (&self.body[..], 0, false);
        while let Some(([flag, length @ ..], after)) = rest.split_first_chunk::<5>() {
            rest = after.get(u32::from_be_bytes(*length) as usize..)?;
            messages += 1;
            is_compressed |= *flag == 1;
        }
        rest.is_empty().then_some((messages, is_compressed))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Leaving(code) => write!(f, "open after a GOAWAY {}", ErrorCode(*code)),
            Self::Closed(Some(code)) => write!(f, "closed {}", ErrorCode(*code)),
            Self::Closed(None) => f.write_str("closed without a GOAWAY"),
            Self::ClosedByGrpcGo => f.write_str("closed"),
        }
    }
}
