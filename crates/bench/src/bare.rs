//! `bench bare`: tonic alone, answering OK to every descriptor of a rate limit request, with one current-thread runtime
//! per worker. It is not a rate limiter, but the ceiling for one that is built on tonic. With `--redis`, it counts each
//! descriptor by `INCRBY` and `EXPIRE` before it answers: what a service without a script costs a Redis.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    num::NonZeroUsize,
    thread,
};

use clap::Args;
use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse,
    rate_limit_response::{Code, DescriptorStatus},
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc, oneshot},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    process::LISTENING,
    redis::{Pool, count},
};

/// The number of connections that may wait for a worker.
const QUEUE: usize = 1024;

/// `bench bare`
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct BareArgs {
    /// Address to listen on; port 0 means any free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// Worker threads [default: the number of cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Count each descriptor with INCRBY and EXPIRE in this Redis, or in the cluster whose nodes have equal parts of
    /// the slots in this order, before answering
    #[arg(long, value_name = "IP:PORT,…", value_delimiter = ',')]
    redis: Vec<SocketAddr>,
    /// Exit at the end of standard input, so as not to outlive the parent process
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// Why the bare server does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BareError {
    /// The address is in use, or is not an address of this machine.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        error: io::Error,
    },
    /// A thread, a runtime or a signal handler cannot be created.
    #[error("cannot start the bare server: {0}")]
    Start(#[from] io::Error),
}

/// Answers OK, once all descriptors are counted if there is a Redis.
struct AlwaysOk(Option<Pool>);

#[tonic::async_trait]
impl RateLimitService for AlwaysOk {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        if let Some(pool) = &self.0 {
            let counted = pool.call(|batch| count(batch, request.get_ref())).await;
            counted.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        let ok = DescriptorStatus { code: Code::Ok.into(), ..DescriptorStatus::default() };
        let statuses = vec![ok; request.get_ref().descriptors.len()];
        Ok(Response::new(RateLimitResponse { overall_code: Code::Ok.into(), statuses, ..RateLimitResponse::default() }))
    }
}

/// Serves until a signal, or until standard input ends if `until_stdin_ends` is set.
///
/// # Errors
/// If it cannot start.
pub(crate) async fn serve(args: &BareArgs) -> Result<(), BareError> {
    let queues: Vec<_> = (0..args.workers.unwrap_or_else(load::cores).get())
        .map(|number| worker(number, args))
        .collect::<io::Result<_>>()?;
    let bind = |error| BareError::Bind { address: args.address, error };
    let listener = TcpListener::bind(args.address).await.map_err(bind)?;
    let _ = writeln!(io::stdout().lock(), "{LISTENING}{}", listener.local_addr()?);
    let mut interrupted = std::pin::pin!(load::interrupted()?);
    let mut orphaned = if args.until_stdin_ends { Some(stdin_ends()?) } else { None };
    for queue in queues.iter().cycle() {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            () = interrupted.as_mut() => break,
            () = ended(&mut orphaned) => break,
        };
        let stream = stream.into_std()?;
        if queue.send(stream).await.is_err() {
            return Err(io::Error::other("a worker has ended").into());
        }
    }
    Ok(())
}

/// Starts a thread with a runtime that serves the connections of the returned queue.
fn worker(number: usize, args: &BareArgs) -> io::Result<mpsc::Sender<std::net::TcpStream>> {
    let (queue, dealt) = mpsc::channel::<std::net::TcpStream>(QUEUE);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let connections = ReceiverStream::new(dealt).map(|stream| {
        stream.set_nodelay(true)?;
        TcpStream::from_std(stream)
    });
    let pool = (!args.redis.is_empty()).then(|| Pool::new(args.redis.clone()));
    let server = Server::builder().add_service(RateLimitServiceServer::new(AlwaysOk(pool)));
    // it ends with the process: its clients have closed their connections by then
    thread::Builder::new()
        .name(format!("bare-{number}"))
        .spawn(move || runtime.block_on(server.serve_with_incoming(connections)))?;
    Ok(queue)
}

fn stdin_ends() -> io::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        let _ = end.send(());
    })?;
    Ok(ended)
}

async fn ended(orphaned: &mut Option<oneshot::Receiver<()>>) {
    match orphaned {
        Some(orphaned) => drop(orphaned.await),
        None => std::future::pending().await,
    }
}
