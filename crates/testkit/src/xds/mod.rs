//! An ADS server that a test controls call by call, and resources for it.

pub mod configs;
pub mod server;
