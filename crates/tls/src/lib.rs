//! TLS from PEM files, with rustls and AWS-LC: for clients and listeners.
//!
//! It depends on no setting and opens no socket: callers name the files and the purpose of the connection.

mod certificate;
mod client;
mod distrusted;
mod element;
mod error;
mod extensions;
mod failure;
mod identity;
mod insecure;
mod outbound;
mod pem;
mod provider;
mod server;
mod tally;
mod trust;
mod validity;
mod verify;

use std::path::PathBuf;

pub use client::{ClientFiles, client_config};
pub use error::TlsError;
pub use failure::{HandshakeError, Reason};
pub use insecure::insecure_client_config;
pub use outbound::{ClientStats, ClientStream, ClientTls};
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
