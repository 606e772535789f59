//! A response body that keeps its request in flight until it is sent.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

/// A body, or none, together with a guard `G`, which is dropped with it.
#[derive(Debug)]
pub(super) struct InFlightBody<B, G>(Option<(B, G)>);

impl<B, G> InFlightBody<B, G> {
    pub(super) fn new(body: B, guard: G) -> Self {
        Self(Some((body, guard)))
    }

    pub(super) fn empty() -> Self {
        Self(None)
    }
}

impl<B: Body + Unpin, G: Unpin> Body for InFlightBody<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.get_mut().0 {
            Some((body, _)) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}
