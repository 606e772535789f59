//! The gRPC server: HTTP/2 connections, each served by one of a fixed number of workers.
//!
//! ```text
//!  Acceptor ─▶ Assigner ─┬▶ worker-0: one thread, one current-thread runtime, its own service
//!  (caller's             ├▶ worker-1        └▶ connection: opening, preface, HTTP/2, age, GOAWAY
//!   runtime)             └▶ …
//! ```
//!
//! A connection stays on the worker that it is assigned to. HTTP/2 is implemented by the crate wire, or for one more
//! release by hyper, which needs `filter`, `io` and `turn`. gRPC-Web is not supported. `grpc-timeout` is left to the
//! services.

mod assign;
mod balance;
mod config;
mod connection;
mod context;
mod filter;
mod http2;
mod io;
mod open;
mod open_guard;
mod peer;
mod preface;
mod probe;
mod server;
mod service;
mod stats;
mod turn;
mod worker;

pub use config::{ConnectionLimits, Http2, ServerConfig, ServerContext, WorkerId, window_for};
pub use peer::RemotePeer;
pub use server::{DrainReport, GrpcServer, StartError};
pub use service::GrpcService;
pub use stats::{LateStats, Stats, TASKS};
