//! Errors of TLS files. No message repeats the content of a file, which may be a private key.

use std::path::PathBuf;

/// Why TLS files cannot be used. Each message names the file, the fault and the cure.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or does not contain what it should.
    #[error("cannot read the {what} from {}: {reason}; make it a PEM file that this process may read", path.display())]
    File {
        /// What the file should contain.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: Box<str>,
    },
    /// The certificate has expired, so no client would accept it.
    #[error(
        "the certificate {} expired on {on}; put one there that is valid, or set this machine's clock",
        path.display()
    )]
    Expired {
        /// The file of the chain.
        path: PathBuf,
        /// When it expired (RFC 3339).
        on: String,
    },
    /// The certificate and the key cannot be used together.
    #[error(
        "cannot use the {what} {} with the key {}: {reason}; give the two that belong together",
        certificate.display(), key.display()
    )]
    Identity {
        /// What the chain is, such as `client certificate`.
        what: &'static str,
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The fault.
        reason: Box<str>,
    },
    /// The key cannot be used for signatures.
    #[error(
        "cannot use the {what} {}: {reason}; give one of RSA with 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519",
        path.display()
    )]
    Key {
        /// What the key is, such as `client key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: Box<str>,
    },
    /// The system has no trusted certificates.
    #[error("the system has no authority to trust{reason}; install its CA certificates, or name a CA file")]
    NoRoots {
        /// The error of the search for them, after a colon; empty if there was none.
        reason: Box<str>,
    },
}
