//! Errors of the files. No message repeats their content.

use std::path::PathBuf;

/// Why files cannot be used. Names the file, the fault and the cure.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("cannot read the {what} from {}: {reason}; make it a PEM file that this process may read", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<str>,
    },
    /// A certificate that no client would accept.
    #[error("the certificate {} expired on {on}; put one there that is valid, or set this machine's clock", path.display())]
    Expired {
        /// The file of the chain.
        path: PathBuf,
        /// When.
        on: String,
    },
    /// The certificate and the key cannot be used.
    #[error(
        "cannot use the {what} {} with the key {}: {reason}; give the two that belong together",
        certificate.display(), key.display()
    )]
    Identity {
        /// What the chain is for.
        what: &'static str,
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: Box<str>,
    },
    /// A key that cannot be signed with.
    #[error(
        "cannot use the {what} {}: {reason}; give one of RSA with 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519",
        path.display()
    )]
    Key {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<str>,
    },
    /// The system has no trusted certificates.
    #[error("the system has no authority to trust{reason}; install its CA certificates, or name a CA file")]
    NoRoots {
        /// What went wrong when they were looked for.
        reason: Box<str>,
    },
}
