//! The validity of the certificates of a file, for diagnosis.

use std::path::Path;

use super::Validity;
use crate::{TlsError, certificate::Certificate, pem::PemFile};

/// When each certificate of a PEM file is valid, in the file's order. `what` they are, for messages. Blocks.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn validities(what: &'static str, path: &Path) -> Result<Vec<Validity>, TlsError> {
    let file = PemFile::read(what, path)?;
    let of = |certificate| {
        Certificate::validity_of(&certificate).ok_or_else(|| file.fault("one of its certificates is malformed"))
    };
    file.certificates()?.into_iter().map(of).collect()
}
