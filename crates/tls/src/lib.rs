//! TLS for clients and listeners, configured from PEM files, with rustls and AWS-LC.
//!
//! It reads no setting and opens no socket: callers name the files and pass the stream to secure.

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

/// The PEM files of a certificate chain and of its private key; they may be the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain, beginning with the end entity's certificate.
    pub certificate: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}
