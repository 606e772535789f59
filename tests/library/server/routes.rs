//! Services of tonic over either HTTP/2 server.

use std::{convert::Infallible, future::Future, pin::Pin, task::Context, time::Instant};

use hyper::{Request, Response, body::Incoming};
use tonic::service::Routes;
use tower::{Service as _, ServiceExt as _};
use wire::{
    Event, Head, Opened, Progress, Reply,
    service::{Exchange, Pool, Share},
};

/// The services of one connection.
#[derive(Debug)]
pub struct Served {
    routes: Routes,
    share: Share,
}

impl Served {
    pub fn new(routes: Routes) -> Self {
        Self { routes, share: Pool::new(8 << 20).connection() }
    }
}

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.routes.clone().call(request))
    }
}

impl wire::Handler for Served {
    type Call = Exchange;

    fn open(&mut self, head: &Head<'_>, _: Instant) -> Opened<Exchange> {
        let routes = self.routes.clone();
        let start = move |request| routes.oneshot(request);
        let call = Exchange::open(head, http::Extensions::new(), &self.share, None, start);
        Opened { call, until: None, is_waiting: true }
    }

    fn data(&mut self, call: &mut Exchange, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        call.data(data, is_end, reply)
    }

    fn poll(&mut self, call: &mut Exchange, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        call.poll(cx, reply)
    }

    fn expire(&mut self, call: &mut Exchange, reply: &mut Reply<'_>) -> Progress {
        call.expire(reply)
    }

    fn report(&mut self, _: Event) {}
}
