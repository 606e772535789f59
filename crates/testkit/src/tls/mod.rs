//! TLS clients, and certificates as Kubernetes mounts them.

pub mod client;
pub mod secret;
