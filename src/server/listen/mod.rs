//! Where to listen, and sockets that do.

mod address;
mod bind_error;
mod listener;
mod phase;
mod socket;
mod tcp;
mod unix;

pub use address::{Host, HostPort};
pub use bind_error::BindError;
pub use listener::{Listen, Listener, LocalAddr};
pub(super) use phase::{ShutdownPhase, reached};
pub(super) use socket::{DetachedStream, Keepalive, Socket};
pub(super) use tcp::BACKLOG;
pub use tcp::bind as bind_tcp;
