//! The connection's end of a call that a service answers.

use std::{convert::Infallible, error::Error, mem, sync::Arc, task::Context};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use tokio::task::AbortHandle;

use super::{
    Failure, RequestBody,
    pipe::{End, Pipe, Sent, Source, register, wake},
    request, response, task,
};
use crate::{ErrorCode, Head, HeldReplies, Progress, Reply, config::HeldShare};

/// A call that a service answers. A [`Handler`](crate::Handler) keeps it as long as the call, and passes the call's
/// steps on. Dropped, the call's task is aborted, and the body of the request fails.
///
/// It is to be polled before any of the request has come: a service may answer at once.
#[derive(Debug)]
pub struct Exchange {
    pipe: Arc<Pipe>,
    /// `None` if the service never got the request.
    task: Option<AbortHandle>,
    held: HeldShare,
    failure: Option<Failure>,
}

impl Exchange {
    /// Begins a call with a request of this head. The service is started in a task of the current runtime, by `start`,
    /// so that a panic of it ends this call alone.
    ///
    /// `held` bounds what responses keep for peers that do not take them. A request that the crate http cannot express is
    /// answered with `:status` 400, and does not get to the service.
    ///
    /// # Panics
    /// Outside a runtime of tokio's.
    pub fn open<F, B>(
        head: &Head<'_>,
        extensions: Extensions,
        held: &Arc<HeldReplies>,
        start: impl FnOnce(Request<RequestBody>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let pipe = Arc::<Pipe>::default();
        if head.is_end() {
            pipe.lock().request.source = Source::Ended;
        }
        let body = RequestBody::new(&pipe, request::content_length(head));
        let task = match request::request(head, extensions, body) {
            Ok(request) => Some(tokio::spawn(task::run(Arc::clone(&pipe), request, start)).abort_handle()),
            Err(error) => {
                pipe.lock().response.end = Some(End::Failed(error.into()));
                None
            }
        };
        Self { pipe, task, held: HeldShare::new(held), failure: None }
    }

    /// A part of the request's body has come: see [`Handler::data`](crate::Handler::data).
    pub fn data(&mut self, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        let mut state = self.pipe.lock();
        let request = &mut state.request;
        if is_end {
            request.source = Source::Ended;
        }
        if request.is_unwanted {
            reply.release(data.len());
            return Progress::Waiting;
        }
        request.bytes.extend_from_slice(data);
        let waker = if is_end || !data.is_empty() { request.waker.take() } else { None };
        drop(state);
        wake(waker);
        Progress::Waiting
    }

    /// Sends what there is and may be sent: see [`Handler::poll`](crate::Handler::poll). If it is [`Progress::Done`]
    /// because of a [`Failure`], that is to be had from [`Exchange::failure`].
    pub fn poll(&mut self, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        let mut state = self.pipe.lock();
        register(&mut state.connection, cx);
        reply.release(mem::take(&mut state.request.taken));
        let sent = state.response.send(reply);
        let waker = state.response.take_waker();
        drop(state);
        wake(waker);
        match sent {
            Sent::Whole => Progress::Done,
            Sent::Failed(failure) => self.fail(failure, reply),
            Sent::Part { kept } if self.held.set(kept).is_err() => self.fail(Failure::Held, reply),
            Sent::Part { .. } => Progress::Waiting,
        }
    }

    /// The request has not ended in time: see [`Handler::expire`](crate::Handler::expire).
    pub fn expire(&mut self, reply: &mut Reply<'_>) -> Progress {
        self.fail(Failure::Expired, reply)
    }

    /// Why the service has not answered, or not to the end, once the call is [`Progress::Done`].
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Ends the call with an answer of its own if there is none yet, and one is defined.
    fn fail(&mut self, failure: Failure, reply: &mut Reply<'_>) -> Progress {
        let answer = match &failure {
            _ if reply.has_head() => None,
            Failure::Request(_) => Some(response::bad_request()),
            Failure::Panicked => Some(response::grpc_status("13", "the service has panicked")),
            Failure::Expired => Some(response::grpc_status("4", "the request has not ended in time")),
            Failure::Dropped | Failure::Interim(_) | Failure::Body(_) | Failure::Held => None,
        };
        match (answer, &failure) {
            (Some(head), _) => reply.head_only(&head),
            (None, Failure::Held) => reply.reset(ErrorCode::ENHANCE_YOUR_CALM),
            (None, Failure::Expired) => reply.reset(ErrorCode::CANCEL),
            (None, _) => reply.reset(ErrorCode::INTERNAL_ERROR),
        }
        self.failure = Some(failure);
        Progress::Done
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        let mut state = self.pipe.lock();
        let waker = state.request.abort();
        let unsent = mem::take(&mut state.response);
        drop(state);
        drop(unsent);
        wake(waker);
    }
}
