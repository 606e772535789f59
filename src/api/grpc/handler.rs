//! The calls of a connection over the crate wire, from their headers to their responses.

use std::{
    borrow::Cow,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tower::ServiceExt as _;
use wire::{
    Event, Opened, Progress, Reply,
    service::{Exchange, Failure},
};

use super::{
    Note, PendingAnswer as _, Unary,
    events::Described,
    frame::Prefix,
    gzip,
    head::{Encoding, Head},
    part::Part,
    receive::PATIENCE,
    refusal::Refusal,
    service::{Connection, GrpcConnection, Requests, Target},
    timeout,
    unary::Outcome,
};
use crate::{api::is_undecidable, rejections::Reason};

/// The most bytes of a refused request that are read and discarded before the response is sent: a client that is still
/// sending may take an early response for a lost connection.
const DISCARDED: usize = 64 << 10;

/// A call between its headers and its response.
#[derive(Debug)]
pub enum WireCall<P> {
    /// Waiting for the message.
    Receiving(Receiving),
    /// Refused, waiting for the end of the request.
    Refused(Refused),
    /// Waiting for the decision.
    Deciding(Deciding<P>),
    /// Answered by a service that tonic serves. Boxed, because such calls are rare.
    Routed(Box<Exchange>),
}

/// See [`WireCall::Receiving`].
#[derive(Debug)]
pub struct Receiving {
    method: usize,
    is_gzip: bool,
    arrived: Instant,
    timeout: Option<Duration>,
    part: Option<Part>,
}

/// See [`WireCall::Refused`].
#[derive(Debug)]
pub struct Refused {
    refusal: Refusal,
    method: Option<usize>,
    discarded: usize,
}

/// See [`WireCall::Deciding`].
#[derive(Debug)]
pub struct Deciding<P> {
    method: usize,
    pending: P,
}

impl Receiving {
    /// Adds received bytes. Returns the message when the client has ended the call. A message that is complete in one
    /// frame is not copied.
    fn receive<'d, U: Unary>(
        &mut self,
        connection: &Connection<U>,
        data: &'d [u8],
        is_end: bool,
    ) -> Result<Option<Cow<'d, [u8]>>, Refusal> {
        let max = connection.shared.max_request;
        if is_end
            && self.part.is_none()
            && let Some((head, message)) = data.split_first_chunk()
        {
            let prefix = Prefix::read(*head, max)?;
            if message.len() == prefix.length {
                return self.inflated(prefix, Cow::Borrowed(message), max).map(Some);
            }
        }
        if !data.is_empty() {
            let part = match &mut self.part {
                Some(part) => part,
                None => self.part.insert(Part::open(&connection.share)?),
            };
            part.push(data, max)?;
        }
        if !is_end {
            return Ok(None);
        }
        let Some(part) = self.part.take() else { return Err(Refusal::NoMessage) };
        if self.has_expired() {
            return Err(Refusal::Expired);
        }
        let (prefix, mut frame) = part.finish()?;
        frame.drain(..super::frame::PREFIX);
        self.inflated(prefix, Cow::Owned(frame), max).map(Some)
    }

    fn inflated<'d>(&self, prefix: Prefix, message: Cow<'d, [u8]>, max: usize) -> Result<Cow<'d, [u8]>, Refusal> {
        match (prefix.compressed, self.is_gzip) {
            (false, _) => Ok(message),
            (true, true) => gzip::inflate(&message, max).map(Cow::Owned),
            (true, false) => Err(Refusal::CompressedIdentity),
        }
    }

    fn has_expired(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.arrived.elapsed() >= timeout)
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| timeout::deadline(timeout, self.arrived))
    }
}

impl<U: Unary> GrpcConnection<U> {
    fn begin(&self, head: &wire::Head<'_>, now: Instant) -> Result<Opened<WireCall<U::Pending>>, Refusal> {
        let Head { timeout, encoding } = Head::of(head)?;
        let path =
            std::str::from_utf8(head.path()).map_err(|_| Refusal::UnknownMethod("malformed method name".to_owned()))?;
        let method = match self.0.find(path)? {
            Target::Method(method) => method,
            Target::Routes(routes, requests) => {
                let start = move |request| routes.oneshot(request);
                let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
                let mut exchange = Exchange::open(head, self.0.extensions(), &self.0.streams, deadline, start);
                if requests == Requests::OneMessage {
                    exchange = exchange.unimplemented_if_crowded();
                }
                let exchange = Box::new(exchange);
                // a streaming client may pause for any time, and the service may respond before the first message
                let until = (requests == Requests::OneMessage).then(|| now + PATIENCE);
                return Ok(Opened { call: WireCall::Routed(exchange), until, is_waiting: true });
            }
        };
        if let Encoding::Unsupported(encoding) = encoding {
            return Err(Refusal::Encoding(encoding));
        }
        let is_gzip = encoding == Encoding::Gzip;
        let until = Some(now + timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE)));
        let call = WireCall::Receiving(Receiving { method, is_gzip, arrived: now, timeout, part: None });
        Ok(Opened { call, until, is_waiting: false })
    }

    fn refuse(&self, refusal: &Refusal, method: Option<usize>, reply: &mut Reply<'_>) -> Progress {
        let Connection { shared, .. } = &*self.0;
        if let (Some(method), Some(reason)) = (method, refusal.reason().filter(|reason| is_undecidable(*reason))) {
            let mut draft = reply.draft(&shared.blocks.head);
            if self.0.method(method).answer_undecidable(reason, draft.out()) {
                draft.send(&shared.blocks.trailers);
                self.0.record_denied(reason, refusal);
                return Progress::Done;
            }
        }
        self.0.record(refusal);
        reply.head_only(&refusal.block());
        Progress::Done
    }

    /// Counts the failure of a call to a service that tonic serves, if there is one.
    fn routed(&self, exchange: &Exchange, progress: Progress) -> Progress {
        let reason = match exchange.failure() {
            Some(Failure::Panicked) => Reason::Panic,
            Some(Failure::Crowded) => Reason::Flood,
            Some(Failure::Request(_)) => Reason::StreamProtocol,
            Some(Failure::Dropped | Failure::Interim(_) | Failure::Body(_)) => Reason::StreamOther,
            Some(Failure::Expired) => Reason::Incomplete,
            // ended by the client, or by the shutdown
            Some(Failure::Deadline | Failure::Closed) | None => return progress,
        };
        if let Some(failure) = exchange.failure() {
            self.0.reject(reason, failure);
        }
        progress
    }

    fn answer(
        &self,
        call: &mut WireCall<U::Pending>,
        (method, deadline): (usize, Option<Instant>),
        message: &[u8],
        reply: &mut Reply<'_>,
    ) -> Progress {
        let blocks = &self.0.shared.blocks;
        let mut draft = reply.draft(&blocks.head);
        let rejection = match self.0.method(method).answer(message, deadline, draft.out()) {
            Outcome::Answered(None) => {
                draft.send(&blocks.trailers);
                return Progress::Done;
            }
            Outcome::Answered(Some(Note::UnknownDomain)) => {
                draft.send_with(&blocks.unknown_domain, &blocks.trailers);
                return Progress::Done;
            }
            Outcome::Pending(pending) => {
                drop(draft);
                reply.release_all();
                *call = WireCall::Deciding(Deciding { method, pending });
                return Progress::Waiting;
            }
            Outcome::Rejected(rejection) => rejection,
        };
        drop(draft);
        self.refuse(&Refusal::Handler(rejection), Some(method), reply)
    }
}

impl<U: Unary> wire::Handler for GrpcConnection<U> {
    type Call = WireCall<U::Pending>;

    fn open(&mut self, head: &wire::Head<'_>, now: Instant) -> Opened<Self::Call> {
        self.begin(head, now).unwrap_or_else(|refusal| {
            let call = WireCall::Refused(Refused { refusal, method: None, discarded: 0 });
            Opened { call, until: Some(now + PATIENCE), is_waiting: false }
        })
    }

    fn data(&mut self, call: &mut Self::Call, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        match call {
            WireCall::Receiving(receiving) => {
                let method = receiving.method;
                match receiving.receive(&self.0, data, is_end) {
                    // polled, because the buffered part may be evicted
                    Ok(None) if receiving.part.is_some() => Progress::Waiting,
                    Ok(None) => Progress::Receiving,
                    Ok(Some(message)) => {
                        let deadline = receiving.deadline();
                        self.answer(call, (method, deadline), &message, reply)
                    }
                    Err(refusal) if is_end => self.refuse(&refusal, Some(method), reply),
                    Err(refusal) => {
                        reply.release_all();
                        *call = WireCall::Refused(Refused { refusal, method: Some(method), discarded: 0 });
                        Progress::Receiving
                    }
                }
            }
            WireCall::Refused(Refused { refusal, method, discarded }) => {
                *discarded += data.len();
                reply.release_all();
                if is_end || *discarded > DISCARDED {
                    return self.refuse(refusal, *method, reply);
                }
                Progress::Receiving
            }
            WireCall::Deciding(_) => Progress::Waiting,
            WireCall::Routed(exchange) => {
                let progress = exchange.data(data, is_end, reply);
                self.routed(exchange, progress)
            }
        }
    }

    fn poll(&mut self, call: &mut Self::Call, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        let Deciding { method, pending } = match call {
            WireCall::Deciding(deciding) => deciding,
            WireCall::Routed(exchange) => {
                let progress = exchange.poll(cx, reply);
                return self.routed(exchange, progress);
            }
            WireCall::Receiving(receiving) => {
                let Err(evicted) = receiving.part.as_ref().map_or(Ok(()), |part| part.check(cx)) else {
                    return Progress::Waiting;
                };
                reply.release_all();
                let method = Some(receiving.method);
                *call = WireCall::Refused(Refused { refusal: evicted.into(), method, discarded: 0 });
                return Progress::Receiving;
            }
            WireCall::Refused(_) => return Progress::Receiving,
        };
        let blocks = &self.0.shared.blocks;
        let mut draft = reply.draft(&blocks.head);
        match pending.poll_answer(cx, draft.out()) {
            Poll::Pending => Progress::Waiting,
            Poll::Ready(Ok(())) => {
                draft.send(&blocks.trailers);
                Progress::Done
            }
            Poll::Ready(Err(rejection)) => {
                drop(draft);
                self.refuse(&Refusal::Handler(rejection), Some(*method), reply)
            }
        }
    }

    fn expire(&mut self, call: &mut Self::Call, reply: &mut Reply<'_>) -> Progress {
        match call {
            WireCall::Receiving(receiving) => {
                let refusal = if receiving.has_expired() { Refusal::Expired } else { Refusal::TooSlow(PATIENCE) };
                self.refuse(&refusal, Some(receiving.method), reply)
            }
            WireCall::Refused(Refused { refusal, method, .. }) => self.refuse(refusal, *method, reply),
            WireCall::Deciding(_) => Progress::Waiting,
            WireCall::Routed(exchange) => {
                let progress = exchange.expire(reply);
                self.routed(exchange, progress)
            }
        }
    }

    fn report(&mut self, event: Event) {
        let event = Described::from(event);
        self.0.reject(event.reason, &event);
    }
}
