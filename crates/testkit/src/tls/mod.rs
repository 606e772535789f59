//! Clients over TLS, and certificates as Kubernetes mounts them.

pub mod client;
pub mod secret;
