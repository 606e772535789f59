//! A filter of the frames between a peer and the crate h2.
//!
//! h2 resets every request whose `:authority` is no authority in the sense of RFC 3986, and will go on doing so. Envoy
//! sends its cluster's name where no authority is set, and those of Istio and Contour are none. So [`Inbound`] replaces
//! such a value before h2 reads it. What h2 rejects all the same, [`Outbound`] finds in the frames that h2 sends. See
//! `docs/adr/0014-authorities-are-replaced-below-h2.md`.

mod authority;
mod block;
mod frame;
mod hpack;
mod huffman;
mod inbound;
mod outbound;
mod status;
#[cfg(test)]
mod tests;

pub(super) use inbound::Inbound;
pub(super) use outbound::{Outbound, PROTOCOL_ERROR, REFUSED_STREAM, Rejected};
