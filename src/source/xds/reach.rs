//! One look at the server, for a command that wants to know whether a service would reach it.

use std::sync::Arc;

use super::{XdsConfig, connect::connect, request::Requests};
use tls::ClientStats;

/// Connects as a source does, and hangs up: whether the server is there, is trusted and lets us in. It is asked for nothing.
///
/// # Errors
/// Why a source would not get as far, with the settings that say it.
pub async fn reach(config: &XdsConfig) -> Result<(), String> {
    Requests::new(config).map_err(|error| error.to_string())?;
    // no scrape reads what is counted of one attempt
    let handshakes = Arc::new(ClientStats::new("xds"));
    connect(config, &handshakes).await.map(drop).map_err(|error| error.to_string())
}
