//! An ADS server that a test plays call by call, and resources for it.

pub mod configs;
pub mod server;
