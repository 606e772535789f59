//! What a service with these settings would use, for a command that looks at it without running one.

use std::sync::Arc;

use super::{AppError, certificates::each, configure};
use crate::{
    server::{BindError, bind_tcp},
    settings::{HostPort, RulesSource, Settings, XdsSettings},
    source::{Location, XdsConfig},
    tls::ServerTls,
};

/// Where the rules are, unless they come over xDS.
pub(crate) fn rules_location(source: &RulesSource) -> Option<Location> {
    configure::location(source)
}

/// How the xDS server is reached.
pub(crate) fn xds_config(xds: &XdsSettings) -> XdsConfig {
    configure::xds_source(xds)
}

/// The certificate of each listener that has one, by its name.
pub(crate) fn certificates(settings: &Settings) -> Vec<(&'static str, Result<Arc<ServerTls>, AppError>)> {
    let all = each(settings);
    all.into_iter().filter_map(|(listener, loaded)| Some((listener, loaded.transpose()?))).collect()
}

/// Binds a TCP port as the service would, and lets it go.
///
/// # Errors
/// If it cannot be bound.
pub(crate) async fn try_bind(at: &HostPort) -> Result<(), BindError> {
    bind_tcp(&configure::host(&at.host), at.port).await.map(drop)
}
