//! Receives the message of a unary call over hyper. A message that is complete in one frame, with which the call ends,
//! is used in place. Others are copied into the memory budget, because keeping a frame would keep the connection's
//! whole read buffer.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Sleep, sleep_until};

use super::{
    frame::{PREFIX, Prefix},
    gzip,
    head::{Encoding, Head},
    part::Part,
    refusal::Refusal,
};
use crate::api::budget::Share;

/// The time within which a message must be complete.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The receiver of a call's message.
#[derive(Debug)]
pub(super) struct Receiver {
    body: Incoming,
    gzip: bool,
    arrived: Instant,
    timeout: Option<Duration>,
    received: Received,
    /// Started when the call has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Received {
    Nothing,
    Whole(Prefix, Bytes),
    Part(Part),
}

impl Receiver {
    pub(super) fn new(head: &Head, body: Incoming, arrived: Instant) -> Self {
        let gzip = head.encoding == Encoding::Gzip;
        Self { body, gzip, arrived, timeout: head.timeout, received: Received::Nothing, timer: None }
    }

    /// When the call arrived, and its `grpc-timeout`.
    pub(super) fn timing(&self) -> (Instant, Option<Duration>) {
        (self.arrived, self.timeout)
    }

    /// Ready with the message when the client has ended the call. `max`: its most bytes, compressed or not.
    pub(super) fn poll(&mut self, share: &Share, max: usize, cx: &mut Context<'_>) -> Poll<Result<Bytes, Refusal>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // request trailers are ignored
                    if let Ok(data) = frame.into_data() {
                        self.received.push(data, share, max)?;
                    }
                    if self.body.is_end_stream() {
                        return Poll::Ready(self.finish(max));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Refusal::Broken(error))),
                Poll::Ready(None) if self.body.is_end_stream() => return Poll::Ready(self.finish(max)),
                // hyper reports RST_STREAM with NO_ERROR as the end of the body, although the request is incomplete
                Poll::Ready(None) => return Poll::Ready(Err(Refusal::Cancelled)),
                Poll::Pending => return self.wait(share, max, cx).map(Err),
            }
        }
    }

    /// Ready when the call has waited too long, or was evicted.
    fn wait(&mut self, share: &Share, max: usize, cx: &mut Context<'_>) -> Poll<Refusal> {
        if let Err(refusal) = self.received.part(share, max).and_then(|part| part.check(cx).map_err(Refusal::from)) {
            return Poll::Ready(refusal);
        }
        let patience = self.timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until((self.arrived + patience).into())));
        timer.as_mut().poll(cx).map(|()| if self.has_expired() { Refusal::Expired } else { Refusal::TooSlow(PATIENCE) })
    }

    fn has_expired(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.arrived.elapsed() >= timeout)
    }

    fn finish(&mut self, max: usize) -> Result<Bytes, Refusal> {
        let received = std::mem::replace(&mut self.received, Received::Nothing);
        if self.timer.is_some() && self.has_expired() {
            return Err(Refusal::Expired);
        }
        let (prefix, mut frame) = match received {
            Received::Nothing => return Err(Refusal::NoMessage),
            Received::Whole(prefix, frame) => (prefix, frame),
            Received::Part(part) => {
                let (prefix, frame) = part.finish()?;
                (prefix, frame.into())
            }
        };
        frame.advance(PREFIX);
        match (prefix.compressed, self.gzip) {
            (false, _) => Ok(frame),
            (true, true) => gzip::inflate(&frame, max).map(Bytes::from),
            (true, false) => Err(Refusal::CompressedIdentity),
        }
    }
}

impl Received {
    fn push(&mut self, data: Bytes, share: &Share, max: usize) -> Result<(), Refusal> {
        if data.is_empty() {
            return Ok(());
        }
        match self {
            Self::Nothing => {}
            Self::Whole(..) => return Err(Refusal::SecondMessage),
            Self::Part(part) => return part.push(&data, max),
        }
        if let Some(head) = data.first_chunk() {
            let prefix = Prefix::read(*head, max)?;
            if data.len() == prefix.frame() {
                *self = Self::Whole(prefix, data);
                return Ok(());
            }
        }
        self.part(share, max)?.push(&data, max)
    }

    /// The bytes received so far, moved into the memory budget.
    fn part(&mut self, share: &Share, max: usize) -> Result<&mut Part, Refusal> {
        if let Self::Part(part) = self {
            return Ok(part);
        }
        let mut part = Part::open(share)?;
        if let Self::Whole(_, frame) = self {
            part.push(frame, max)?;
        }
        *self = Self::Part(part);
        match self {
            Self::Part(part) => Ok(part),
            Self::Nothing | Self::Whole(..) => unreachable!("it was made a part above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::budget::Budget;

    const MAX: usize = 100;

    /// The message, or the error, of a call with these frames.
    fn receive(frames: &[&[u8]]) -> Result<Vec<u8>, String> {
        let share = Budget::new(MAX).connection();
        let mut received = Received::Nothing;
        for frame in frames {
            received.push(Bytes::copy_from_slice(frame), &share, MAX).map_err(|refusal| refusal.to_string())?;
        }
        let finished = match received {
            Received::Nothing => Err(Refusal::NoMessage),
            Received::Whole(_, frame) => Ok(frame),
            Received::Part(part) => part.finish().map(|(_, frame)| frame.into()),
        };
        finished.map(|frame| frame[PREFIX..].to_vec()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_message_is_the_same_however_it_is_split() {
        let frame = b"\0\0\0\0\x07message";
        for first in 0..=frame.len() {
            for second in first..=frame.len() {
                let pieces = [&frame[..first], &frame[first..second], &frame[second..]];
                assert_eq!(receive(&pieces), Ok(b"message".to_vec()), "{pieces:?}");
            }
        }
        assert_eq!(receive(&[b"\0\0\0\0\0"]), Ok(vec![]));
    }

    #[test]
    fn anything_but_a_single_message_is_refused() {
        let none = "cardinality violation: received no request message from non-client-streaming RPC";
        let two = "cardinality violation: received multiple request messages for non-client-streaming RPC";
        for (frames, error) in [
            (&[][..], none),
            (&[&b""[..]][..], none),
            (&[b"\0\0"], "unexpected EOF"),
            (&[b"\0\0\0\0\x02x"], "unexpected EOF"),
            (&[b"\0\0\0\0\x01x\0\0\0\0\x01x"], two),
            (&[b"\0\0\0\0\x01x", b"\0\0\0\0\x01x"], two),
            (&[b"\0\0\0", b"\0\x01x\0"], two),
            (&[b"\x02\0\0\0\x01x"], "grpc: received unexpected payload format 2"),
        ] {
            assert_eq!(receive(frames).expect_err("refused"), error, "{frames:?}");
        }
        for frames in [&[&b"\0\0\0\0\x65"[..]][..], &[b"\0\0\0", b"\0\x65"]] {
            let error = receive(frames).expect_err("longer than allowed");
            assert!(error.contains("(101 vs. 100, setting MAX_REQUEST_BYTES)"), "{error}");
        }
    }
}
