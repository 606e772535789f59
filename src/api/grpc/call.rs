//! A call from its head to its answer, as one future.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use hyper::body::Incoming;
use tonic::service::Routes;
use tower::Service as _;

use super::{
    Answer, Note, Rejection, Reply,
    body::ResponseBody,
    head::{Encoding, Head},
    receive::Receiver,
    refusal::{GRPC, Quoted, Refusal},
    service::{Connection, Target},
    timeout,
};
use crate::{api::is_undecidable, domain::BoxFuture};

/// The header of [`Note::UnknownDomain`].
const DOMAIN: HeaderName = HeaderName::from_static("x-tollgate-domain");

/// The future of a call.
pub struct Call(State);

/// A service of tonic's at work.
type Routed = <Routes as tower::Service<Request<Incoming>>>::Future;

enum State {
    /// The answer is there.
    Answered(Response<ResponseBody>),
    /// The message is awaited.
    Receiving(Asked, Receiver),
    /// The decision is awaited.
    Deciding(Asked, BoxFuture<'static, Result<Answer, Rejection>>),
    /// Boxed, for few calls are.
    Routed(Pin<Box<Routed>>),
    /// The answer was taken.
    Done,
}

/// A call to a method of ours.
#[derive(Debug)]
struct Asked {
    connection: Arc<Connection>,
    method: usize,
}

impl fmt::Debug for Call {
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

impl Call {
    /// Takes up a call. Its head is dropped as soon as it has been read.
    pub(super) fn new(connection: &Arc<Connection>, request: Request<Incoming>) -> Self {
        Self(Self::begin(connection, request).unwrap_or_else(|refusal| State::Answered(connection.refuse(&refusal))))
    }

    fn begin(connection: &Arc<Connection>, request: Request<Incoming>) -> Result<State, Refusal> {
        let arrived = Instant::now();
        let head = Head::read(request.method(), request.headers())?;
        let method = match connection.find(request.uri())? {
            Target::Method(method) => method,
            Target::Routes(mut routes) => return Ok(State::Routed(Box::pin(routes.call(request)))),
        };
        if let Encoding::Unsupported(encoding) = &head.encoding {
            return Err(Refusal::Encoding(Quoted::new(encoding.as_bytes())));
        }
        let asked = Asked { connection: Arc::clone(connection), method };
        Ok(State::Receiving(asked, Receiver::new(&head, request.into_body(), arrived)))
    }
}

impl Asked {
    fn call(&self, message: Bytes, receiver: &Receiver) -> Reply {
        let (arrived, timeout) = receiver.timing();
        let deadline = timeout.and_then(|timeout| timeout::deadline(timeout, arrived));
        self.connection.method(self.method).call(message, deadline)
    }

    fn respond(&self, result: Result<Answer, Rejection>) -> Response<ResponseBody> {
        match result {
            Ok(answer) => answered(answer),
            Err(rejection) => self.refuse(&Refusal::Handler(rejection)),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response<ResponseBody> {
        if let Some(reason) = refusal.reason().filter(|reason| is_undecidable(*reason))
            && let Some(answer) = self.connection.method(self.method).undecidable(reason)
        {
            self.connection.record_denied(reason, refusal);
            return answered(answer);
        }
        self.connection.refuse(refusal)
    }
}

fn answered(answer: Answer) -> Response<ResponseBody> {
    let note = answer.note;
    let mut response = Response::new(ResponseBody::from(answer));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    if note == Some(Note::UnknownDomain) {
        response.headers_mut().insert(DOMAIN, HeaderValue::from_static("unknown"));
    }
    response
}

impl Future for Call {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().0;
        loop {
            let next = match state {
                State::Receiving(asked, receiver) => {
                    let Connection { share, shared, .. } = &*asked.connection;
                    match ready!(receiver.poll(share, shared.max_request, cx)) {
                        Err(refusal) => State::Answered(asked.refuse(&refusal)),
                        Ok(message) => match asked.call(message, receiver) {
                            Reply::Ready(result) => State::Answered(asked.respond(result)),
                            Reply::Pending(reply) => match std::mem::replace(state, State::Done) {
                                State::Receiving(asked, _) => State::Deciding(asked, reply),
                                other => other,
                            },
                        },
                    }
                }
                State::Deciding(asked, reply) => State::Answered(asked.respond(ready!(reply.as_mut().poll(cx)))),
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
