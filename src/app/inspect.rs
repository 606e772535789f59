//! What a service with this configuration would use, for a command that looks at it without running one.

use std::sync::Arc;

use super::{AppError, Config, certificates::each};
use crate::server::{BindError, HostPort, Listen, Listener};
use tls::ServerTls;

/// The certificate of each listener that has one, by its name.
pub(crate) fn certificates(config: &Config) -> Vec<(&'static str, Result<Arc<ServerTls>, AppError>)> {
    let all = each(config);
    all.into_iter().filter_map(|(listener, loaded)| Some((listener, loaded.transpose()?))).collect()
}

/// Binds a TCP port as the service would, and lets it go.
///
/// # Errors
/// If it cannot be bound.
pub(crate) async fn try_bind(at: &HostPort) -> Result<(), BindError> {
    Listener::bind("try", &Listen::Tcp(at.clone())).await.map(drop)
}
