//! HTTP/2 connections, dealt to workers.

mod accept;
mod beat;
mod begin;
mod config;
mod connection;
mod context;
mod deal;
mod filter;
mod guards;
mod http2;
mod io;
mod lifecycle;
mod peer;
mod preface;
mod service;
mod stats;
mod turn;
mod worker;

pub use config::{ConnectionLimits, Http2, ServerConfig, ServerContext, WorkerId, window_for};
pub use lifecycle::{DrainReport, Server, StartError};
pub use peer::RemotePeer;
pub use service::GrpcService;
pub use stats::{LateStats, Stats, TASKS};
