//! Binds every listener before anything is spawned on it.

use super::{AppError, Config};
use crate::server::{HostPort, Listen, Listener};

/// The listeners that open with the service. Prometheus' own is apart: it opens first.
pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) http: Listener,
    /// None if it could not be bound: the service works without it.
    pub(super) debug: Option<Listener>,
}

impl Listeners {
    pub(super) async fn bind(config: &Config) -> Result<Self, AppError> {
        let listen = &config.grpc.listen;
        let setting = match listen {
            Listen::Tcp(_) => "GRPC_HOST, GRPC_PORT",
            Listen::Unix(_) => "GRPC_UDS",
        };
        let grpc = bind("grpc", setting, listen).await?;
        let http = page("http", "HOST, PORT", &config.http.address).await?;
        let debug = dispensable(page("debug", "DEBUG_HOST, DEBUG_PORT", &config.debug).await);
        Ok(Self { grpc, http, debug })
    }

    pub(super) async fn metrics(config: &Config) -> Option<Listener> {
        let metrics = config.metrics.as_ref()?;
        dispensable(page("metrics", "PROMETHEUS_ADDR", &metrics.address).await)
    }
}

/// As in the reference, a port that only shows the service does not keep it from serving. Its metrics are off unless they
/// are asked for, so their port may well be another program's.
fn dispensable(bound: Result<Listener, AppError>) -> Option<Listener> {
    bound.inspect_err(|error| tracing::error!("{error}: serving without it")).ok()
}

/// One that is served as soon as it is bound.
async fn page(name: &'static str, setting: &'static str, at: &HostPort) -> Result<Listener, AppError> {
    let listener = bind(name, setting, &Listen::Tcp(at.clone())).await?;
    tracing::info!(listener = name, address = %listener.local_addr(), "listening");
    Ok(listener)
}

async fn bind(name: &'static str, setting: &'static str, listen: &Listen) -> Result<Listener, AppError> {
    Listener::bind(name, listen).await.map_err(|error| AppError::Bind { listener: name, setting, error })
}
