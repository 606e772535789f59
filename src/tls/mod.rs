//! TLS from PEM files, with rustls and AWS-LC: what a client trusts and shows, and what a listener serves.
//!
//! Knows no setting and opens no socket: callers say which files, and what the connection is for.

#[cfg(feature = "server")]
mod anyone;
mod certificate;
mod client;
mod distrusted;
mod element;
mod error;
mod extensions;
mod failure;
mod identity;
mod outbound;
mod pem;
mod provider;
#[cfg(feature = "server")]
mod server;
mod tally;
mod trust;
mod validity;
mod verify;

use std::path::PathBuf;

#[cfg(feature = "server")]
pub use anyone::trusting_anyone;
pub use client::{ClientFiles, client_config};
pub use error::TlsError;
pub use failure::{HandshakeError, Reason};
pub use outbound::{ClientStats, ClientStream, ClientTls};
#[cfg(feature = "server")]
pub use server::{ClientAuthority, Counts, Gate, Peer, PeerCertificate, ServerFiles, ServerTls, validities, watch};
pub use validity::Validity;

/// The PEM files of a certificate chain and of its key; they may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain, its own certificate first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}
