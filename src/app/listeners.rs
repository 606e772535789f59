//! Binds the listeners before anything is spawned that serves them.

use super::{AppError, Config};
use crate::server::{HostPort, Listen, Listener};

/// The listeners that are bound together. The Prometheus listener is not among them: it is bound first.
pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) http: Listener,
    /// `None` if it could not be bound, which is logged: the service runs without it.
    pub(super) debug: Option<Listener>,
}

impl Listeners {
    /// Binds the listeners.
    ///
    /// # Errors
    /// [`AppError::Bind`] if the gRPC or the HTTP listener cannot be bound.
    pub(super) async fn bind(config: &Config) -> Result<Self, AppError> {
        let listen = &config.grpc.listen;
        let setting = match listen {
            Listen::Tcp(_) => "GRPC_HOST, GRPC_PORT",
            Listen::Unix(_) => "GRPC_UDS",
        };
        let grpc = bind("grpc", setting, listen).await?;
        let http = bind_http("http", "HOST, PORT", &config.http.address).await?;
        let debug = optional(bind_http("debug", "DEBUG_HOST, DEBUG_PORT", &config.debug).await);
        Ok(Self { grpc, http, debug })
    }

    /// Binds the Prometheus listener; `None` if it is turned off, or could not be bound, which is logged.
    pub(super) async fn metrics(config: &Config) -> Option<Listener> {
        let metrics = config.metrics.as_ref()?;
        optional(bind_http("metrics", "PROMETHEUS_ADDR", &metrics.address).await)
    }
}

/// As in the reference, the service starts without a debug or metrics port that cannot be bound. In the reference
/// metrics are off by default, so that another program may use their port where Tollgate replaces it.
fn optional(bound: Result<Listener, AppError>) -> Option<Listener> {
    bound.inspect_err(|error| tracing::error!("{error}: serving without it")).ok()
}

/// Binds an HTTP listener and logs that it listens: HTTP is served as soon as the port is bound, gRPC is not.
async fn bind_http(name: &'static str, setting: &'static str, at: &HostPort) -> Result<Listener, AppError> {
    let listener = bind(name, setting, &Listen::Tcp(at.clone())).await?;
    tracing::info!(listener = name, address = %listener.local_addr(), "listening");
    Ok(listener)
}

async fn bind(name: &'static str, setting: &'static str, listen: &Listen) -> Result<Listener, AppError> {
    Listener::bind(name, listen).await.map_err(|error| AppError::Bind { listener: name, setting, error })
}
