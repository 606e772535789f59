//! Tries the certificates and ports of a configuration without starting the service: for `tollgate doctor`.

use std::sync::Arc;

use super::{AppError, Config, certificates::each};
use crate::server::{BindError, HostPort, Listen, Listener};
use tls::ServerTls;

/// The name of each listener that has TLS, and what loading its files returns.
pub(crate) fn certificates(config: &Config) -> Vec<(&'static str, Result<Arc<ServerTls>, AppError>)> {
    let all = each(config);
    all.into_iter().filter_map(|(listener, loaded)| Some((listener, loaded.transpose()?))).collect()
}

/// Binds a TCP port as the service would, and releases it.
///
/// # Errors
/// If the port cannot be bound.
pub(crate) async fn try_bind(at: &HostPort) -> Result<(), BindError> {
    Listener::bind("try", &Listen::Tcp(at.clone())).await.map(drop)
}
