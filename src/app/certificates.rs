//! The listeners' certificates: read before any port is bound, watched for changes after the start.

use std::sync::Arc;

use super::{AppError, Config};
use crate::telemetry::Metrics;
use tls::{Identity, ServerFiles, ServerTls};

/// The TLS configuration of each listener; `None` for a listener without TLS.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) grpc: Option<Arc<ServerTls>>,
    pub(super) http: Option<Arc<ServerTls>>,
    pub(super) metrics: Option<Arc<ServerTls>>,
}

impl Certificates {
    /// Reads the TLS files of every listener.
    ///
    /// # Errors
    /// [`AppError::Tls`] for the first listener whose files cannot be used.
    pub(super) fn load(config: &Config) -> Result<Self, AppError> {
        let [(_, grpc), (_, http), (_, metrics)] = each(config);
        Ok(Self { grpc: grpc?, http: http?, metrics: metrics? })
    }

    /// The configurations of the listeners that have TLS.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ServerTls>> {
        [&self.grpc, &self.http, &self.metrics].into_iter().flatten()
    }

    /// Registers the TLS statistics of each listener.
    pub(super) fn register(&self, metrics: &mut Metrics) {
        for tls in self.all() {
            metrics.register(tls.clone());
        }
    }
}

/// `Ok(None)` for a listener without TLS.
type Loaded = Result<Option<Arc<ServerTls>>, AppError>;

/// The name of each listener and its TLS configuration. Reads the files.
pub(super) fn each(config: &Config) -> [(&'static str, Loaded); 3] {
    let metrics = config.metrics.as_ref().and_then(|metrics| metrics.tls.as_ref());
    [
        ("grpc", config.grpc.tls.clone().map(load_grpc).transpose()),
        ("http", load_http("http", "HTTP_TLS_CERT, HTTP_TLS_KEY", config.http.tls.as_ref())),
        ("metrics", load_http("metrics", "PROMETHEUS_TLS_CERT, PROMETHEUS_TLS_KEY", metrics)),
    ]
}

fn load_grpc(files: ServerFiles) -> Result<Arc<ServerTls>, AppError> {
    load("grpc", "GRPC_SERVER_TLS_CERT, GRPC_SERVER_TLS_KEY, GRPC_CLIENT_TLS_CACERT", files, &[b"h2"])
}

/// HTTP listeners request no client certificates.
fn load_http(listener: &'static str, setting: &'static str, identity: Option<&Identity>) -> Loaded {
    let files = |identity: &Identity| ServerFiles { identity: identity.clone(), clients: None };
    identity.map(|identity| load(listener, setting, files(identity), &[b"http/1.1"])).transpose()
}

fn load(
    listener: &'static str,
    setting: &'static str,
    files: ServerFiles,
    protocols: &'static [&'static [u8]],
) -> Result<Arc<ServerTls>, AppError> {
    let loaded = ServerTls::load(listener, files, protocols);
    loaded.map(Arc::new).map_err(|error| AppError::Tls { listener, setting, error: Box::new(error) })
}
