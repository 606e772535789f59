//! A connection test, for a command that checks whether a service could connect to the server.

use std::sync::Arc;

use super::{XdsConfig, connect::connect, request::Requests};
use tls::ClientStats;

/// Connects as a source does, and disconnects without a request: tests whether the server can be reached, is trusted
/// and accepts this client.
///
/// # Errors
/// Why a source could not connect, with the settings to check.
pub async fn probe(config: &XdsConfig) -> Result<(), String> {
    Requests::new(config).map_err(|error| error.to_string())?;
    // the statistics of this one attempt are not exported
    let handshakes = Arc::new(ClientStats::new("xds"));
    connect(config, &handshakes).await.map(drop).map_err(|error| error.to_string())
}
