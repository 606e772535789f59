//! The connection's side of a call that a service answers.

use std::{convert::Infallible, error::Error, mem, sync::Arc, task::Context, time::Instant};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;

use super::{
    Failure, RequestBody, Share,
    pipe::{End, Pipe, Sent, Source, register, wake},
    pool::CallSlot,
    request, response, task,
};
use crate::{ErrorCode, Head, Progress, Reply};

/// A call that a service answers. A [`Handler`](crate::Handler) keeps it as long as the call, and forwards the call's
/// events to it. Dropping it aborts the call's task, and the body of the request fails.
///
/// It must be polled before any of the request arrives, because a service may answer immediately.
#[derive(Debug)]
pub struct Exchange {
    pipe: Arc<Pipe>,
    /// `None` if there was no slot for it.
    slot: Option<CallSlot>,
    /// How many bytes of the response wait for the peer.
    kept: usize,
    /// Whether the peer has ended the request.
    has_whole_request: bool,
    /// The gRPC status if the call is evicted.
    crowded: &'static str,
    failure: Option<Failure>,
}

impl Exchange {
    /// Begins a call with this request head. `start` starts the service in a task of the current runtime, so that a
    /// panic ends only this call.
    ///
    /// The call ends with grpc-status 4 at its deadline, if it has one, and immediately with grpc-status 8 if `share`
    /// has no room for it. A request that the crate http cannot represent is answered with `:status` 400. Such requests
    /// do not reach the service.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open<F, B>(
        head: &Head<'_>,
        extensions: Extensions,
        share: &Share,
        deadline: Option<Instant>,
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
        let begun = share.open(&pipe).and_then(|slot| Ok((slot, request::request(head, extensions, body)?)));
        let slot = match begun {
            Ok((slot, request)) => {
                let task = tokio::spawn(task::run(Arc::clone(&pipe), request, deadline, start)).abort_handle();
                let mut state = pipe.lock();
                if matches!(state.response.end, Some(End::Failed(_))) {
                    // it was evicted already, by a connection on another thread
                    task.abort();
                } else {
                    state.task = Some(task);
                }
                Some(slot)
            }
            Err(failure) => {
                pipe.lock().response.end = Some(End::Failed(failure));
                None
            }
        };
        Self { pipe, slot, kept: 0, has_whole_request: head.is_end(), crowded: "8", failure: None }
    }

    /// If the call is evicted, it ends with grpc-status 12 (UNIMPLEMENTED) instead of 8. A client that watches the
    /// health of a server treats 12 as healthy, and any other status as unhealthy.
    #[must_use]
    pub fn unimplemented_if_crowded(mut self) -> Self {
        self.crowded = "12";
        self
    }

    /// Handles a part of the request's body: see [`Handler::data`](crate::Handler::data).
    pub fn data(&mut self, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        self.has_whole_request |= is_end;
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
        let waits = request.bytes.capacity();
        drop(state);
        wake(waker);
        self.keep(waits, reply)
    }

    /// Sends what may be sent: see [`Handler::poll`](crate::Handler::poll). If it returns [`Progress::Done`] because of
    /// a [`Failure`], [`Exchange::failure`] returns that.
    pub fn poll(&mut self, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        let mut state = self.pipe.lock();
        register(&mut state.connection, cx);
        reply.release(mem::take(&mut state.request.taken));
        let sent = state.response.send(reply);
        let (waker, waits) = (state.response.take_waker(), state.request.bytes.capacity());
        drop(state);
        wake(waker);
        match sent {
            Sent::Whole => Progress::Done,
            Sent::Failed(failure) => self.fail(failure, reply),
            Sent::Part { kept } => {
                self.kept = kept;
                self.keep(waits, reply)
            }
        }
    }

    /// Updates how much is kept: this much of the request, in addition to what is kept of the response.
    fn keep(&mut self, of_request: usize, reply: &mut Reply<'_>) -> Progress {
        let kept = of_request.saturating_add(self.kept);
        match self.slot.as_mut().map_or(Ok(()), |slot| slot.keep(kept)) {
            Ok(()) => Progress::Waiting,
            Err(failure) => self.fail(failure, reply),
        }
    }

    /// Handles a request that has not ended in time: see [`Handler::expire`](crate::Handler::expire).
    pub fn expire(&mut self, reply: &mut Reply<'_>) -> Progress {
        self.fail(Failure::Expired, reply)
    }

    /// Why the service has not answered, or not completely, once the call is [`Progress::Done`].
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Ends the call with a response of its own if one can still be sent.
    fn fail(&mut self, failure: Failure, reply: &mut Reply<'_>) -> Progress {
        let status = match &failure {
            Failure::Crowded => Some((self.crowded, "too much is kept for streams like this one; try again later")),
            Failure::Deadline => Some(("4", "context deadline exceeded")),
            Failure::Closed => Some(("14", "the server is shutting down")),
            Failure::Panicked if !reply.has_head() => Some(("13", "the service has panicked")),
            Failure::Expired if !reply.has_head() => Some(("4", "the request has not ended in time")),
            _ => None,
        };
        match (status, &failure) {
            (Some((code, message)), _) if reply.has_head() => reply.trailers(&response::status_trailers(code, message)),
            (Some((code, message)), _) => reply.head_only(&response::grpc_status(code, message)),
            (None, Failure::Request(_)) => reply.head_only(&response::bad_request()),
            (None, Failure::Expired) => reply.reset(ErrorCode::CANCEL),
            (None, _) => reply.reset(ErrorCode::INTERNAL_ERROR),
        }
        let is_cut_off = matches!(failure, Failure::Crowded | Failure::Deadline | Failure::Closed);
        if is_cut_off && !self.has_whole_request {
            // otherwise the stream would stay open for the rest of a request that nothing reads
            reply.reset(ErrorCode::NO_ERROR);
        }
        self.failure = Some(failure);
        Progress::Done
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        let waker = state.request.abort();
        let (unsent, task) = (mem::take(&mut state.response), state.task.take());
        drop(state);
        drop(unsent);
        if let Some(task) = task {
            task.abort();
        }
        wake(waker);
    }
}
