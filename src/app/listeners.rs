//! Binds every listener before anything is spawned on it.

use tokio::net::TcpListener;

use super::{AppError, Config};
use crate::server::{HostPort, Listen, Listener, bind_tcp};

/// The listeners that open with the service. Prometheus' own is apart: it opens first.
pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) http: TcpListener,
    /// None if it could not be bound: the service works without it.
    pub(super) debug: Option<TcpListener>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, AppError> {
        let listen = &config.grpc.listen;
        let setting = match listen {
            Listen::Tcp(_) => "GRPC_HOST, GRPC_PORT",
            Listen::Unix(_) => "GRPC_UDS",
        };
        let grpc = Listener::bind(listen).await.map_err(|error| AppError::Bind { listener: "grpc", setting, error })?;
        let http = tcp("http", "HOST, PORT", &config.http.address).await?;
        let debug = dispensable(tcp("debug", "DEBUG_HOST, DEBUG_PORT", &config.debug).await);
        Ok(Self { grpc, http, debug })
    }

    pub(super) async fn metrics(config: &Config) -> Option<TcpListener> {
        let metrics = config.metrics.as_ref()?;
        dispensable(tcp("metrics", "PROMETHEUS_ADDR", &metrics.address).await)
    }
}

/// As in the reference, a port that only shows the service does not keep it from serving. Its metrics are off unless they
/// are asked for, so their port may well be another program's.
fn dispensable(bound: Result<TcpListener, AppError>) -> Option<TcpListener> {
    bound.inspect_err(|error| tracing::error!("{error}: serving without it")).ok()
}

async fn tcp(listener: &'static str, setting: &'static str, at: &HostPort) -> Result<TcpListener, AppError> {
    let (socket, address) = bind_tcp(at).await.map_err(|error| AppError::Bind { listener, setting, error })?;
    tracing::info!(listener, %address, "listening");
    Ok(socket)
}
