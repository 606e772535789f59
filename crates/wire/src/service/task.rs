//! The task of a call: the service's future, and then the body of its response.

use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Instant,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::timeout_at;

use super::{
    Failure, RequestBody,
    pipe::{End, Head, Pipe, State, wake},
    response,
};

/// Answers a request, until its deadline.
pub(super) async fn run<F, B>(
    pipe: Arc<Pipe>,
    request: Request<RequestBody>,
    deadline: Option<Instant>,
    start: impl FnOnce(Request<RequestBody>) -> F,
) where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // before anything that can panic
    let mut answer = Answer { pipe, is_ended: false };
    let Some(deadline) = deadline else { return respond(&mut answer, request, start).await };
    if timeout_at(deadline.into(), respond(&mut answer, request, start)).await.is_err() {
        answer.end(End::Failed(Failure::Deadline));
    }
}

async fn respond<F, B>(
    answer: &mut Answer,
    request: Request<RequestBody>,
    start: impl FnOnce(Request<RequestBody>) -> F,
) where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let is_head_wanted = request.method() == Method::HEAD;
    let Ok(response) = start(request).await;
    let (head, body) = response.into_parts();
    let mut body = pin!(body);
    if head.status.is_informational() {
        return answer.end(End::Failed(Failure::Interim(head.status)));
    }
    let block = response::head(head.status, &head.headers);
    if is_head_wanted || has_no_content(head.status) || body.is_end_stream() {
        return answer.whole(block);
    }
    drop(head);
    answer.change(|state| state.response.head = Some(Head::Begins(block)));
    loop {
        poll_fn(|cx| answer.poll_room(cx)).await;
        let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { return answer.end(End::Plain) };
        let frame = match frame {
            Ok(frame) => frame.into_data(),
            Err(error) => return answer.end(End::Failed(Failure::Body(error.into()))),
        };
        match frame {
            Ok(data) => {
                let is_end = body.is_end_stream();
                answer.data(data, is_end);
                if is_end {
                    return;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return answer.end(response::trailers(&trailers).map_or(End::Plain, End::Trailers));
                }
            }
        }
    }
}

/// Whether a response with this status has no body (RFC 9110, section 6.4.1).
fn has_no_content(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The task's side of the pipe. If it is dropped before the end, as by a panic, the call has failed.
struct Answer {
    pipe: Arc<Pipe>,
    is_ended: bool,
}

impl Answer {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.pipe.lock();
        if matches!(state.response.end, Some(End::Failed(_))) {
            // the call was ended from outside, and what its service makes of the aborted request is not an answer
            return;
        }
        change(&mut state);
        let connection = state.connection.take();
        drop(state);
        wake(connection);
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.pipe.lock().response.poll_room(cx)
    }

    fn data(&mut self, data: Bytes, is_end: bool) {
        self.is_ended = is_end;
        self.change(|state| {
            state.response.push(data);
            if is_end {
                state.response.end = Some(End::Plain);
            }
        });
    }

    fn whole(&mut self, head: crate::Block) {
        self.is_ended = true;
        self.change(|state| state.response.head = Some(Head::Whole(head)));
    }

    fn end(&mut self, end: End) {
        self.is_ended = true;
        self.change(|state| state.response.end = Some(end));
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_ended {
            let failure = if thread::panicking() { Failure::Panicked } else { Failure::Dropped };
            self.end(End::Failed(failure));
        }
    }
}
