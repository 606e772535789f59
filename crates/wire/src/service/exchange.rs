//! The connection's end of a call that a service answers.

use std::{convert::Infallible, error::Error, mem, sync::Arc, task::Context, time::Instant};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;

use super::{
    Failure, RequestBody, Share,
    pipe::{End, Pipe, Sent, Source, register, wake},
    pool::Place,
    request, response, task,
};
use crate::{ErrorCode, Head, Progress, Reply};

/// A call that a service answers. A [`Handler`](crate::Handler) keeps it as long as the call, and passes the call's
/// steps on. Dropped, the call's task is aborted, and the body of the request fails.
///
/// It is to be polled before any of the request has come: a service may answer at once.
#[derive(Debug)]
pub struct Exchange {
    pipe: Arc<Pipe>,
    /// `None` if there was none for it.
    place: Option<Place>,
    /// Bytes of the response that wait for the peer.
    kept: usize,
    /// Whether the peer has ended the request.
    has_whole_request: bool,
    /// The gRPC status if it has to give way.
    crowded: &'static str,
    failure: Option<Failure>,
}

impl Exchange {
    /// Begins a call with a request of this head. The service is started in a task of the current runtime, by `start`,
    /// so that a panic of it ends this call alone.
    ///
    /// It ends at the deadline, if it has one, with grpc-status 4, and at once with grpc-status 8 if `share` has no
    /// room for it. A request that the crate http cannot express is answered with `:status` 400. Neither gets to the
    /// service.
    ///
    /// # Panics
    /// Outside a runtime of tokio's.
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
        let begun = share.open(&pipe).and_then(|place| Ok((place, request::request(head, extensions, body)?)));
        let place = match begun {
            Ok((place, request)) => {
                let task = tokio::spawn(task::run(Arc::clone(&pipe), request, deadline, start)).abort_handle();
                let mut state = pipe.lock();
                if matches!(state.response.end, Some(End::Failed(_))) {
                    // it had to give way already, to a connection of another thread
                    task.abort();
                } else {
                    state.task = Some(task);
                }
                Some(place)
            }
            Err(failure) => {
                pipe.lock().response.end = Some(End::Failed(failure));
                None
            }
        };
        Self { pipe, place, kept: 0, has_whole_request: head.is_end(), crowded: "8", failure: None }
    }

    /// Has it end with grpc-status 12 (UNIMPLEMENTED), and not 8, if it has to give way. A client that watches the
    /// health of a server takes the one for a server that is well, and any other for one that must not be asked.
    #[must_use]
    pub fn unimplemented_if_crowded(mut self) -> Self {
        self.crowded = "12";
        self
    }

    /// A part of the request's body has come: see [`Handler::data`](crate::Handler::data).
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

    /// Sends what there is and may be sent: see [`Handler::poll`](crate::Handler::poll). If it is [`Progress::Done`]
    /// because of a [`Failure`], that is to be had from [`Exchange::failure`].
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

    /// Notes what is kept now: so much of the request, beside what is kept of the response.
    fn keep(&mut self, of_request: usize, reply: &mut Reply<'_>) -> Progress {
        let kept = of_request.saturating_add(self.kept);
        match self.place.as_mut().map_or(Ok(()), |place| place.keep(kept)) {
            Ok(()) => Progress::Waiting,
            Err(failure) => self.fail(failure, reply),
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

    /// Ends the call with an answer of its own if there is one that can still be sent.
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
            // else the stream would stay open for the rest of a request that nobody reads
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
