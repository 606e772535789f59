//! Binds every listener before anything is spawned on it.

use tokio::net::TcpListener;

use super::{AppError, configure};
use crate::{
    server::{Listen, Listener, bind_tcp},
    settings::{HostPort, Settings},
};

/// The listeners that open with the service. Prometheus' own is apart: it opens first.
pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) http: TcpListener,
    /// None if it could not be bound: the service works without it.
    pub(super) debug: Option<TcpListener>,
}

impl Listeners {
    pub(super) async fn bind(settings: &Settings) -> Result<Self, AppError> {
        let listen = configure::listen(&settings.grpc.listen);
        let setting = match listen {
            Listen::Tcp { .. } => "GRPC_HOST, GRPC_PORT",
            Listen::Unix(_) => "GRPC_UDS",
        };
        let grpc =
            Listener::bind(&listen).await.map_err(|error| AppError::Bind { listener: "grpc", setting, error })?;
        let http = tcp("http", "HOST, PORT", &settings.http).await?;
        let debug = dispensable(tcp("debug", "DEBUG_HOST, DEBUG_PORT", &settings.debug).await);
        Ok(Self { grpc, http, debug })
    }

    pub(super) async fn metrics(settings: &Settings) -> Option<TcpListener> {
        let metrics = settings.metrics.as_ref()?;
        dispensable(tcp("metrics", "PROMETHEUS_ADDR", &metrics.address).await)
    }
}

/// As in the reference, a port that only shows the service does not keep it from serving. Its metrics are off unless they
/// are asked for, so their port may well be another program's.
fn dispensable(bound: Result<TcpListener, AppError>) -> Option<TcpListener> {
    bound.inspect_err(|error| tracing::error!("{error}: serving without it")).ok()
}

async fn tcp(listener: &'static str, setting: &'static str, at: &HostPort) -> Result<TcpListener, AppError> {
    let bound = bind_tcp(&configure::host(&at.host), at.port).await;
    let (socket, address) = bound.map_err(|error| AppError::Bind { listener, setting, error })?;
    tracing::info!(listener, %address, "listening");
    Ok(socket)
}
