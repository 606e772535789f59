//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};

/// The body of an answer on the gRPC port.
#[derive(Debug)]
pub enum ResponseBody {
    /// The head has said all, or all has been sent.
    Empty,
    /// A message and the status OK.
    Answer(Bytes),
    /// The status OK.
    Trailers,
    /// Of a service of tonic's.
    Routed(tonic::body::Body),
}

/// The length is not given: a `content-length` would be one header more on each answer.
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = self.get_mut();
        let frame = match this {
            Self::Empty => return Poll::Ready(None),
            Self::Answer(message) => {
                let message = std::mem::take(message);
                *this = Self::Trailers;
                Frame::data(message)
            }
            Self::Trailers => {
                *this = Self::Empty;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Frame::trailers(trailers)
            }
            Self::Routed(body) => return Pin::new(body).poll_frame(cx),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Answer(_) | Self::Trailers => false,
            Self::Routed(body) => body.is_end_stream(),
        }
    }
}
