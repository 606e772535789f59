//! Servers: they accept connections and serve them with a service of the caller's.
//!
//! ```text
//!  listen ─┬▶ grpc   HTTP/2 over wire, or for one more release hyper: assigned to workers with a runtime each
//!          └▶ http1  HTTP/1 over hyper: tasks on the caller's runtime
//! ```
//!
//! `listen` is what both have in common: bind, accept, limit and evict connections, do the TLS handshake, drain. The
//! caller owns the shutdown signal and provides the service; nothing here depends on rate limiting. The crate `tls`
//! reads certificates and implements the handshake.

mod grpc;
mod http1;
mod listen;

pub use grpc::{
    ConnectionLimits, DrainReport, GrpcServer, GrpcService, Http2, LateStats, RemotePeer, ServerConfig, ServerContext,
    StartError, Stats, TASKS, WorkerId, window_for,
};
pub use http1::{HttpLimits, HttpService, serve_http};
pub use listen::{BindError, Host, HostPort, Listen, Listener, LocalAddr};
