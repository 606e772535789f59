//! PEM files: read whole, up to a bound, and split into certificates and keys.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};

use super::TlsError;

/// The largest file that is accepted. A bundle of all public authorities has a quarter of a megabyte.
const MAX_BYTES: u64 = 4 << 20;

/// A PEM file's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PemFile<'a> {
    /// What the file should contain, for error messages: `certificate`, `client key`.
    what: &'static str,
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> PemFile<'a> {
    pub(super) fn read(what: &'static str, path: &'a Path) -> Result<Self, TlsError> {
        let mut file = Self { what, path, bytes: Vec::new() };
        // checked before the file is opened: opening a named pipe would wait for a writer
        let is_file = fs::metadata(path).map_err(|error| file.fault(error.to_string()))?.is_file();
        if !is_file {
            return Err(file.fault("it is not a regular file"));
        }
        file.bytes = read(path).map_err(|error| file.fault(error.to_string()))?;
        if file.bytes.len() as u64 > MAX_BYTES {
            return Err(file.fault(format!("it has more than {} MiB", MAX_BYTES >> 20)));
        }
        if file.bytes.trim_ascii().is_empty() {
            return Err(file.fault("it is empty"));
        }
        Ok(file)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its certificates: at least one, else an error.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all: Vec<_> = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.malformed(&error))?;
        if all.is_empty() { Err(self.malformed(&pem::Error::NoItemsFound)) } else { Ok(all) }
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| {
            let encrypted = self.bytes.windows(9).any(|text| text == b"ENCRYPTED");
            if encrypted { self.fault("it is encrypted, which is not supported") } else { self.malformed(&error) }
        })
    }

    /// What the file should contain, for error messages.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    pub(super) fn fault(&self, reason: impl Into<Box<str>>) -> TlsError {
        TlsError::File { what: self.what, path: self.path.to_owned(), reason: reason.into() }
    }

    fn malformed(&self, error: &pem::Error) -> TlsError {
        self.fault(match error {
            pem::Error::NoItemsFound => "it has none",
            pem::Error::MissingSectionEnd { .. } => "it ends in the middle of a section",
            // the error's own text may repeat the file's content
            _ => "it is not valid PEM",
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // one byte more than allowed is enough to detect a file that is too long
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
