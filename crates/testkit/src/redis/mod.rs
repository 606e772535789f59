//! Redis servers for one test: alone, as a cluster, and with sentinels.

pub mod cluster;
pub mod sentinel;
mod server;

pub use server::Redis;
