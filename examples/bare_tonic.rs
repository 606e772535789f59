//! The ceiling that Tollgate is measured against: tonic alone, answering OK to every rate limit request, on one
//! current-thread runtime per worker. Not a rate limiter.
//!
//! `bare_tonic PORT WORKERS`; connections are dealt in turn.

use std::{error::Error, io, net::TcpListener, thread};

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_response::{Code, DescriptorStatus},
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tokio::{runtime, sync::mpsc};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, transport};

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

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: bare_tonic PORT WORKERS");
    let (port, workers) = (argument()?.parse()?, argument()?.parse::<usize>()?.max(1));

    let mut queues = Vec::new();
    for worker in 0..workers {
        let (queue, dealt) = mpsc::channel::<std::net::TcpStream>(1024);
        queues.push(queue);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = ReceiverStream::new(dealt).map(|stream| {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            tokio::net::TcpStream::from_std(stream)
        });
        let service = RateLimitServiceServer::new(AlwaysOk);
        thread::Builder::new().name(format!("worker-{worker}")).spawn(move || {
            let server = transport::Server::builder().add_service(service).serve_with_incoming(connections);
            runtime.block_on(server)
        })?;
    }
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    for (stream, queue) in listener.incoming().zip(queues.iter().cycle()) {
        queue.blocking_send(stream?).map_err(io::Error::other)?;
    }
    Ok(())
}
