//! A filter of the frames between a peer and the crate h2.
//!
//! h2 resets every request whose `:authority` is not an authority as defined by RFC 3986, and this will not change.
//! Envoy sends the name of its cluster if no authority is set, and the cluster names of Istio and Contour are not
//! authorities. So [`Inbound`] replaces such a value before h2 reads it. [`Outbound`] detects what h2 still rejects, in
//! the frames that h2 sends. See `docs/adr/0014-authorities-are-replaced-below-h2.md`.

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
