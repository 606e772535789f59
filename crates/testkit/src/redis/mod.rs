//! Redis servers of a test's own: alone, as a Cluster, and with sentinels.

pub mod cluster;
pub mod sentinel;
mod server;

pub use server::Redis;
