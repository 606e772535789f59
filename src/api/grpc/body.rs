//! The body of a response over hyper.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame};

/// The body of a response on the gRPC port.
#[derive(Debug)]
pub enum ResponseBody {
    /// No body, or all of it has been sent.
    Empty,
    /// A message, to be followed by trailers with the status OK.
    Answer(Bytes),
    /// Trailers with the status OK.
    Trailers,
    /// The body of a response by a service that tonic serves.
    Routed(tonic::body::Body),
}

/// There is no size hint, because it would add a `content-length` header to each response.
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
