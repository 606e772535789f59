//! A call from its head to its answer, as one future.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE, uri::PathAndQuery};
use hyper::body::Incoming;
use tonic::service::Routes;
use tower::Service as _;

use super::{
    Note, Outcome, PendingAnswer as _, Rejection, Unary,
    body::ResponseBody,
    head::{Encoding, Head},
    receive::Receiver,
    refusal::{GRPC, Refusal},
    service::{Connection, GrpcConnection, Target},
    timeout,
};
use crate::api::is_undecidable;

/// The header of [`Note::UnknownDomain`].
const DOMAIN: HeaderName = HeaderName::from_static("x-tollgate-domain");

/// The future of a call.
pub struct Call<U: Unary>(State<U>);

/// A service of tonic's at work.
type Routed = <Routes as tower::Service<Request<Incoming>>>::Future;

enum State<U: Unary> {
    /// The answer is there.
    Answered(Response<ResponseBody>),
    /// The message is awaited.
    Receiving(Asked<U>, Receiver),
    /// The decision is awaited.
    Deciding(Asked<U>, U::Pending),
    /// Boxed, for few calls are.
    Routed(Pin<Box<Routed>>),
    /// The answer was taken.
    Done,
}

/// A call to a method of ours.
#[derive(Debug)]
struct Asked<U> {
    connection: Arc<Connection<U>>,
    method: usize,
}

impl<U: Unary> fmt::Debug for Call<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::Answered(_) => "Answered",
            State::Receiving(..) => "Receiving",
            State::Deciding(..) => "Deciding",
            State::Routed(_) => "Routed",
            State::Done => "Done",
        };
        f.debug_tuple("Call").field(&state).finish()
    }
}

impl<U: Unary> Call<U> {
    /// Takes up a call. Its head is dropped as soon as it has been read.
    fn new(connection: &Arc<Connection<U>>, request: Request<Incoming>) -> Self {
        Self(Self::begin(connection, request).unwrap_or_else(|refusal| State::Answered(connection.refuse(&refusal))))
    }

    fn begin(connection: &Arc<Connection<U>>, request: Request<Incoming>) -> Result<State<U>, Refusal> {
        let arrived = Instant::now();
        let head = Head::read(request.method(), request.headers())?;
        let method = match connection.find(request.uri().path_and_query().map_or("", PathAndQuery::as_str))? {
            Target::Method(method) => method,
            Target::Routes(mut routes, _) => return Ok(State::Routed(Box::pin(routes.call(request)))),
        };
        if let Encoding::Unsupported(encoding) = head.encoding {
            return Err(Refusal::Encoding(encoding));
        }
        let asked = Asked { connection: Arc::clone(connection), method };
        Ok(State::Receiving(asked, Receiver::new(&head, request.into_body(), arrived)))
    }
}

impl<U: Unary> Asked<U> {
    fn answer(self, message: &[u8], receiver: (Instant, Option<Duration>)) -> State<U> {
        let (arrived, timeout) = receiver;
        let deadline = timeout.and_then(|timeout| timeout::deadline(timeout, arrived));
        let mut frame = Vec::new();
        State::Answered(match self.connection.method(self.method).answer(message, deadline, &mut frame) {
            Outcome::Answered(note) => answered(frame, note),
            Outcome::Rejected(rejection) => self.refuse(&Refusal::Handler(rejection)),
            Outcome::Pending(pending) => return State::Deciding(self, pending),
        })
    }

    fn respond(&self, result: Result<Vec<u8>, Rejection>) -> Response<ResponseBody> {
        match result {
            Ok(frame) => answered(frame, None),
            Err(rejection) => self.refuse(&Refusal::Handler(rejection)),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response<ResponseBody> {
        if let Some(reason) = refusal.reason().filter(|reason| is_undecidable(*reason)) {
            let mut frame = Vec::new();
            if self.connection.method(self.method).answer_undecidable(reason, &mut frame) {
                self.connection.record_denied(reason, refusal);
                return answered(frame, None);
            }
        }
        self.connection.refuse(refusal)
    }
}

fn answered(frame: Vec<u8>, note: Option<Note>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Answer(frame.into()));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    if note == Some(Note::UnknownDomain) {
        response.headers_mut().insert(DOMAIN, HeaderValue::from_static("unknown"));
    }
    response
}

impl<U: Unary> hyper::service::Service<Request<Incoming>> for GrpcConnection<U> {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Call<U>;

    fn call(&self, request: Request<Incoming>) -> Call<U> {
        Call::new(&self.0, request)
    }
}

impl<U: Unary> Future for Call<U> {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().0;
        loop {
            let next = match state {
                State::Receiving(asked, receiver) => {
                    let Connection { share, shared, .. } = &*asked.connection;
                    let received = ready!(receiver.poll(share, shared.max_request, cx));
                    let timing = receiver.timing();
                    let State::Receiving(asked, _) = std::mem::replace(state, State::Done) else { continue };
                    match received {
                        Err(refusal) => State::Answered(asked.refuse(&refusal)),
                        Ok(message) => asked.answer(&message, timing),
                    }
                }
                State::Deciding(asked, pending) => {
                    let mut frame = Vec::new();
                    let result = ready!(pending.poll_answer(cx, &mut frame));
                    State::Answered(asked.respond(result.map(|()| frame)))
                }
                State::Routed(routed) => {
                    let response = match ready!(routed.as_mut().poll(cx)) {
                        Ok(response) => response.map(ResponseBody::Routed),
                        Err(never) => match never {},
                    };
                    State::Answered(response)
                }
                State::Answered(_) | State::Done => match std::mem::replace(state, State::Done) {
                    State::Answered(response) => return Poll::Ready(Ok(response)),
                    // polled after it has ended, which hyper does not do
                    _ => return Poll::Pending,
                },
            };
            *state = next;
        }
    }
}
