//! The trust store: the certificates of a file, or the system's.

use std::sync::Arc;

use rustls::{CertificateError, RootCertStore, pki_types::CertificateDer, server::ParsedCertificate};

use super::{
    TlsError,
    certificate::{Certificate, Version},
    distrusted::is_distrusted,
    extensions::Purpose,
    pem::PemFile,
};

/// Trusted certificates. Each is trusted itself; those of authorities are also trusted as issuers.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    certificates: Vec<CertificateDer<'static>>,
    /// The authorities among them, for webpki.
    anchors: Arc<RootCertStore>,
    /// What the peers use their certificates for.
    purpose: Purpose,
}

impl Trust {
    /// The certificates of a PEM file. One that cannot be read is skipped with a warning, as Go does; it is an error if
    /// none remains.
    pub(super) fn of_file(file: &PemFile<'_>, purpose: Purpose) -> Result<Self, TlsError> {
        let mut trust = Self::empty(purpose);
        let mut unreadable = None;
        for (position, certificate) in (1..).zip(file.certificates()?) {
            if let Err(error) = trust.add(certificate) {
                tracing::warn!(
                    file = %file.path().display(),
                    "certificate {position} of the {} cannot be read and is not trusted: {error}", file.what()
                );
                unreadable = Some(error);
            }
        }
        match unreadable {
            Some(error) if trust.certificates.is_empty() => Err(file.fault(error.to_string())),
            _ => Ok(trust),
        }
    }

    /// The system's certificates, to verify servers.
    pub(super) fn of_system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut trust = Self::empty(Purpose::Server);
        for certificate in found.certs {
            // the system's list may have unusable certificates, which are skipped
            let _ = trust.add(certificate);
        }
        if trust.certificates.is_empty() {
            let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Err(TlsError::NoRoots { reason: reason.into() });
        }
        Ok(trust)
    }

    fn empty(purpose: Purpose) -> Self {
        Self { certificates: Vec::new(), anchors: Arc::new(RootCertStore::empty()), purpose }
    }

    /// Adds a certificate. One of X.509 v3 without CA:TRUE is trusted only itself, not as an issuer. An authority whose
    /// extended key usage excludes the purpose is no issuer either: webpki does not check that for trust anchors.
    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), rustls::Error> {
        if is_distrusted(&certificate) {
            return Err(CertificateError::Revoked.into());
        }
        // webpki would accept as an authority even a certificate that cannot be read here
        let read = Certificate::read(&certificate).map_err(|_| CertificateError::BadEncoding)?;
        if read.version == Version::V3 && !read.extensions.is_ca() {
            ParsedCertificate::try_from(&certificate)?;
        } else if read.extensions.allows(self.purpose).unwrap_or(false) {
            Arc::make_mut(&mut self.anchors).add(certificate.clone())?;
        }
        self.certificates.push(certificate);
        Ok(())
    }

    /// The trust anchors for webpki; empty if no trusted certificate is an authority's.
    pub(super) fn anchors(&self) -> &Arc<RootCertStore> {
        &self.anchors
    }

    /// Whether the trust store has exactly this certificate.
    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|one| one == certificate)
    }

    /// The subjects of all certificates, which are sent to clients to help them choose their own.
    pub(super) fn subjects(&self) -> Vec<rustls::DistinguishedName> {
        let readable = self.certificates.iter().filter_map(|one| Certificate::read(one).ok());
        readable.map(|one| rustls::DistinguishedName::in_sequence(one.subject)).collect()
    }

    /// The trusted certificates with this subject.
    pub(super) fn issuers(&self, subject: &[u8]) -> impl Iterator<Item = Certificate<'_>> {
        let readable = self.certificates.iter().filter_map(|one| Certificate::read(one).ok());
        readable.filter(move |one| one.subject == subject)
    }
}
