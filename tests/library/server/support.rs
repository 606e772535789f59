//! A rate limit service whose calls do what their domain says, the server around it, and clients for it.

use std::{
    future::pending,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_service_client::RateLimitServiceClient,
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tokio::{sync::Semaphore, time::sleep};
use tollgate::{
    server::{ConnectionLimits, GrpcServer, Listen, Listener, LocalAddr, ServerConfig, ServerContext},
    settings::Settings,
};
use tonic::{Request, Response, Status, service::Routes, transport::Channel};

pub(crate) use testkit::until;

use super::routes::Served;

/// A client with its own connection.
pub(crate) type Client = RateLimitServiceClient<Channel>;

/// The state that the calls of a test share.
#[derive(Debug)]
pub(crate) struct Calls {
    /// The number of calls whose handler is running.
    pub(crate) running: AtomicUsize,
    /// Calls of the domain "gate" wait for a permit.
    pub(crate) gate: Semaphore,
    /// The number of calls begun.
    pub(crate) begun: AtomicU64,
}

/// Answers with its thread's name: immediately, after `hits_addend` milliseconds ("sleep"), once it gets a permit
/// ("gate"), never ("stuck"), or by panicking ("panic").
#[derive(Debug)]
struct TestService(Arc<Calls>);

struct Running(Arc<Calls>);

impl Running {
    fn begin(calls: &Arc<Calls>) -> Self {
        calls.running.fetch_add(1, Ordering::SeqCst);
        calls.begun.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(calls))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl RateLimitService for TestService {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let running = Running::begin(&self.0);
        let request = request.into_inner();
        match request.domain.as_str() {
            "sleep" => sleep(Duration::from_millis(request.hits_addend.into())).await,
            "gate" => running.0.gate.acquire().await.expect("never closed").forget(),
            "stuck" => pending().await,
            "panic" => panic!("as asked"),
            "block" => thread::sleep(Duration::from_millis(request.hits_addend.into())),
            _ => {}
        }
        let raw_body = thread::current().name().unwrap_or_default().as_bytes().to_vec();
        Ok(Response::new(RateLimitResponse { raw_body, ..RateLimitResponse::default() }))
    }
}

/// A configuration with few workers, and without the limits that could interfere, such as the time for a client's
/// preface.
pub(crate) fn config(workers: usize) -> ServerConfig {
    let defaults = Settings::resolve(&[], |_| None, []).expect("the defaults").config.grpc.server;
    ServerConfig { workers: workers.try_into().expect("some workers"), limits: limits(), ..defaults }
}

/// The limits in [`config`].
pub(crate) fn limits() -> ConnectionLimits {
    ConnectionLimits { preface_timeout: Duration::from_secs(600), ..ConnectionLimits::default() }
}

/// Any free port on the loopback.
pub(crate) fn any_port() -> Listen {
    Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
}

/// Starts the service at `listen`.
pub(crate) async fn serve_at(listen: &Listen, config: &ServerConfig) -> (GrpcServer, Arc<Calls>) {
    serve_with(listen, config, &ServerContext::default()).await
}

/// Starts the service at `listen`, and counts what it rejects.
pub(crate) async fn serve_with(
    listen: &Listen,
    config: &ServerConfig,
    context: &ServerContext,
) -> (GrpcServer, Arc<Calls>) {
    let calls = Calls { running: AtomicUsize::new(0), gate: Semaphore::new(0), begun: AtomicU64::new(0) };
    let calls = Arc::new(calls);
    let listener = Listener::bind("grpc", listen).await.expect("bound");
    let shared = Arc::clone(&calls);
    let factory = move |_| {
        let routes = Routes::new(RateLimitServiceServer::new(TestService(Arc::clone(&shared)))).prepare();
        move |_peer| Served::new(routes.clone())
    };
    (GrpcServer::start(config, context, listener, factory).await.expect("started"), calls)
}

/// Starts the service at any free port.
pub(crate) async fn serve(config: &ServerConfig) -> (GrpcServer, Arc<Calls>) {
    serve_at(&any_port(), config).await
}

/// The address as `host:port`.
pub(crate) fn address(server: &GrpcServer) -> String {
    match server.local_addr() {
        LocalAddr::Tcp(address) => address.to_string(),
        unix @ LocalAddr::Unix(_) => panic!("{unix} is not TCP"),
    }
}

/// A connected client.
pub(crate) async fn client(address: &str) -> Client {
    Client::connect(format!("http://{address}")).await.expect("connected")
}

/// A request with this domain.
pub(crate) fn request(domain: &str, hits_addend: u32) -> RateLimitRequest {
    RateLimitRequest { domain: domain.to_owned(), hits_addend, descriptors: Vec::new() }
}

/// Makes one call; returns the name of the worker's thread.
pub(crate) async fn call(client: &mut Client, domain: &str, hits_addend: u32) -> Result<String, Status> {
    let response = client.should_rate_limit(request(domain, hits_addend)).await?;
    Ok(String::from_utf8(response.into_inner().raw_body).expect("a name"))
}
