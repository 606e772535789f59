//! What `tollgate::server` alone costs: the handler of `bare_tonic`, served by it. Not a rate limiter.
//!
//! `bare_server PORT WORKERS`; compare with `bare_tonic`.

use std::{error::Error, num::NonZeroUsize, time::Duration};

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_response::{Code, DescriptorStatus},
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tollgate::server::{Listen, Listener, Server, ServerConfig};
use tonic::{Request, Response, Status, service::Routes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct AlwaysOk;

#[tonic::async_trait]
impl RateLimitService for AlwaysOk {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let ok = DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
        let statuses = vec![ok; request.get_ref().descriptors.len()];
        Ok(Response::new(RateLimitResponse { overall_code: Code::Ok.into(), statuses, ..RateLimitResponse::default() }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: bare_server PORT WORKERS");
    let port = argument()?.parse()?;
    let workers = argument()?.parse::<NonZeroUsize>()?;
    let listener = Listener::bind(&Listen::Tcp { host: "0.0.0.0".to_owned(), port }).await?;
    let config = ServerConfig { workers, ..ServerConfig::default() };
    let server =
        Server::start(&config, listener, |_| Routes::new(RateLimitServiceServer::new(AlwaysOk)).prepare()).await?;
    tokio::signal::ctrl_c().await?;
    server.drain(Duration::from_secs(1)).await;
    Ok(())
}
