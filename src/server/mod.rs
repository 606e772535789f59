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
//! below it, which go with it. What this module does not do: read certificates (`tls` does, and the handshake
//! itself), gRPC-Web, HTTP/1, and the `grpc-timeout` header, which is for the services to respect.

mod accept;
mod address;
mod beat;
mod begin;
mod bind_error;
mod config;
mod connection;
mod context;
mod deal;
mod filter;
mod guards;
mod http2;
mod io;
mod lifecycle;
mod listen;
mod peer;
mod phase;
mod preface;
mod service;
mod socket;
mod stats;
mod tcp;
mod turn;
mod unix;
mod worker;

pub use address::{Host, HostPort};
pub use bind_error::BindError;
pub use config::{ConnectionLimits, Http2, ServerConfig, ServerContext, WorkerId, window_for};
pub use lifecycle::{DrainReport, Server, StartError};
pub use listen::{Listen, Listener, LocalAddr};
pub use peer::RemotePeer;
pub use service::GrpcService;
pub use stats::{LateStats, Stats, TASKS};
pub use tcp::bind as bind_tcp;
