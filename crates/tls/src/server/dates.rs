//! The validity of the certificates of a file, for diagnosis.

use std::path::Path;

use super::Validity;
use crate::{TlsError, certificate::Certificate, pem::PemFile};

/// The validity of each certificate in a PEM file, in the file's order. `what` names the file's content in error
/// messages. Blocks on file I/O.
///
/// # Errors
/// If the file cannot be read, has no certificate, or has a malformed one.
pub fn validities(what: &'static str, path: &Path) -> Result<Vec<Validity>, TlsError> {
    let file = PemFile::read(what, path)?;
    let of = |certificate| {
        Certificate::validity_of(&certificate).ok_or_else(|| file.fault("one of its certificates is malformed"))
    };
    file.certificates()?.into_iter().map(of).collect()
}
