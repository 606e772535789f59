//! One look at the server, for a command that wants to know whether a service would reach it.

use super::{XdsConfig, connect::connect, request::Requests};

/// Connects as a source does, and hangs up: whether the server is there, is trusted and lets us in. It is asked for nothing.
///
/// # Errors
/// Why a source would not get as far, with the settings that say it.
pub async fn reach(config: &XdsConfig) -> Result<(), String> {
    Requests::new(config).map_err(|error| error.to_string())?;
    connect(config).await.map(drop).map_err(|error| error.to_string())
}
