//! The gRPC server: one listener, one acceptor, and a fixed number of workers that serve HTTP/2 connections.
//!
//! ```text
//!  Listener ─▶ acceptor ─▶ dealer ─┬▶ worker-0: one thread, one current-thread runtime, its own service
//!  (bind)      (caller's           ├▶ worker-1        └▶ connection: TLS, preface, HTTP/2, age, GOAWAY
//!               runtime)           └▶ …
//! ```
//!
//! A connection never moves once dealt. The caller owns the shutdown signal and the rules of the services; nothing
//! here knows rate limiting. HTTP/2 is the crate wire, or for one more release hyper, with `filter`, `io` and `turn`
//! below it, which go with it. What this module does not do: read certificates (`crate::tls` does, and the handshake
//! itself), gRPC-Web, HTTP/1, and the `grpc-timeout` header, which is for the services to respect.

mod grpc;
mod listen;

pub use grpc::{
    ConnectionLimits, DrainReport, GrpcService, Http2, LateStats, RemotePeer, Server, ServerConfig, ServerContext,
    StartError, Stats, TASKS, WorkerId, window_for,
};
pub use listen::{BindError, Host, HostPort, Listen, Listener, LocalAddr, bind_tcp};
