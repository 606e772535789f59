//! What every listener does, whatever protocol it serves: it binds, accepts, limits and evicts its connections, sets
//! socket options, does the TLS handshake, and drains.
//!
//! ```text
//!  Listener ─▶ Acceptor ─▶ ConnectionSlot ─▶ Dispatch ─▶ Opening ─▶ ServeStream
//!  (bind)      (errors,    (evicts the       (worker     (first     (HTTP/2 by wire,
//!               drain)      longest idle)     or task)    bytes,     HTTP/1 by hyper)
//!                                                         TLS)
//! ```
//!
//! A protocol implements `Dispatch`, which decides where a connection is served, and `ServeStream`, which serves it.

mod accept;
mod address;
mod bind_error;
mod listener;
mod opening;
mod shutdown;
mod slots;
mod socket;
mod tcp;
mod unix;

pub(super) use accept::{Acceptor, Dispatch};
pub use address::{Host, HostPort};
pub use bind_error::BindError;
pub use listener::{Listen, Listener, LocalAddr};
pub(super) use opening::{Deadline, Opening, OpeningError, ServeStream};
pub(super) use shutdown::{ShutdownPhase, drain, reached};
pub(super) use slots::{ConnectionSlot, ConnectionSlots, Eviction};
pub(super) use socket::{DetachedSocket, Socket, SocketOptions};
