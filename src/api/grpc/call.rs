//! A call over hyper, from its headers to its response, as one future.

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

/// The future of a service that tonic serves.
type Routed = <Routes as tower::Service<Request<Incoming>>>::Future;

enum State<U: Unary> {
    /// The response is ready.
    Answered(Response<ResponseBody>),
    /// Waiting for the message.
    Receiving(UnaryCall<U>, Receiver),
    /// Waiting for the decision.
    Deciding(UnaryCall<U>, U::Pending),
    /// Waiting for a service that tonic serves. Boxed, because such calls are rare.
    Routed(Pin<Box<Routed>>),
    /// The response was returned.
    Done,
}

/// A call to a unary method.
#[derive(Debug)]
struct UnaryCall<U> {
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
    /// Begins a call. Its headers are dropped as soon as they have been parsed.
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
        let call = UnaryCall { connection: Arc::clone(connection), method };
        Ok(State::Receiving(call, Receiver::new(&head, request.into_body(), arrived)))
    }
}

impl<U: Unary> UnaryCall<U> {
    fn answer(self, message: &[u8], timing: (Instant, Option<Duration>)) -> State<U> {
        let (arrived, timeout) = timing;
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
                State::Receiving(call, receiver) => {
                    let Connection { share, shared, .. } = &*call.connection;
                    let received = ready!(receiver.poll(share, shared.max_request, cx));
                    let timing = receiver.timing();
                    let State::Receiving(call, _) = std::mem::replace(state, State::Done) else { continue };
                    match received {
                        Err(refusal) => State::Answered(call.refuse(&refusal)),
                        Ok(message) => call.answer(&message, timing),
                    }
                }
                State::Deciding(call, pending) => {
                    let mut frame = Vec::new();
                    let result = ready!(pending.poll_answer(cx, &mut frame));
                    State::Answered(call.respond(result.map(|()| frame)))
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
                    // polled again after it was ready, which hyper does not do
                    _ => return Poll::Pending,
                },
            };
            *state = next;
        }
    }
}
