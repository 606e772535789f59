//! The body of a request, as a service receives it.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::pipe::{Pipe, Source, register, wake};

/// The largest size of a frame.
const MAX_FRAME: usize = 16 << 10;

/// The body of a request. What has arrived since the last frame was taken is one frame, whatever DATA frames it came
/// in, but at most 16 KiB: a service that keeps a frame keeps no more. Trailers are dropped.
///
/// The bytes are returned to the peer's windows when they are taken. Dropping the body returns everything that has
/// arrived and will arrive.
#[derive(Debug)]
pub struct RequestBody {
    pipe: Arc<Pipe>,
    /// How much of the length in `content-length` has not been taken yet. The connection guarantees that the length is
    /// right.
    left: Option<u64>,
}

/// The stream was closed before the request was read to its end: by the peer, with its connection, or because the
/// response was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream was closed before the request was read to its end")]
pub struct RequestAborted;

impl RequestBody {
    pub(super) fn new(pipe: &Arc<Pipe>, announced: Option<u64>) -> Self {
        Self { pipe: Arc::clone(pipe), left: announced }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestAborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestAborted>>> {
        let this = self.get_mut();
        let mut state = this.pipe.lock();
        let request = &mut state.request;
        if request.bytes.is_empty() {
            return match request.source {
                Source::Open => {
                    register(&mut request.waker, cx);
                    Poll::Pending
                }
                Source::Ended => Poll::Ready(None),
                Source::Aborted => {
                    request.source = Source::Ended;
                    Poll::Ready(Some(Err(RequestAborted)))
                }
            };
        }
        let bytes = if request.bytes.len() <= MAX_FRAME {
            mem::take(&mut request.bytes).freeze()
        } else {
            // copied, because a part of the buffer would keep all of it
            Bytes::copy_from_slice(&request.bytes.split_to(MAX_FRAME))
        };
        request.taken += bytes.len();
        let connection = state.connection.take();
        drop(state);
        wake(connection);
        this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        let state = self.pipe.lock();
        state.request.source == Source::Ended && state.request.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.pipe.lock();
        let waits = state.request.bytes.len() as u64;
        match (state.request.source, self.left) {
            (Source::Ended, _) => SizeHint::with_exact(waits),
            (Source::Open, Some(left)) => SizeHint::with_exact(left),
            (Source::Open | Source::Aborted, _) => {
                let mut hint = SizeHint::new();
                hint.set_lower(waits);
                hint
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        let request = &mut state.request;
        request.is_unwanted = true;
        let bytes = mem::take(&mut request.bytes);
        request.taken += bytes.len();
        let connection = if bytes.is_empty() { None } else { state.connection.take() };
        drop(state);
        wake(connection);
    }
}
