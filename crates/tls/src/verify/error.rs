//! Why a certificate that webpki cannot judge is not trusted.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

/// Why a chain is not trusted: the fault of the certificate or of one of its issuers, and the cure.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum VerifyError {
    /// An error that rustls has a variant for.
    #[error("{0}")]
    Known(CertificateError),
    #[error("its encoding is malformed: {0}; issue it anew")]
    Malformed(der::Error),
    #[error(
        "{of} has a critical extension that is not supported; issue it anew without that extension, or with it not \
         critical"
    )]
    UnknownCritical { of: Link },
    #[error(
        "the key usage of the certificate does not allow digital signatures, which every handshake needs; issue \
         it anew with -addext keyUsage=digitalSignature, or without a key usage"
    )]
    NoDigitalSignature,
    #[error(
        "{of} is not for {purpose} by its extended key usage; issue it anew with that purpose, or without an \
         extended key usage"
    )]
    Purpose { of: Link, purpose: &'static str },
    #[error(
        "{of} may not issue certificates: that needs basicConstraints=CA:TRUE, and keyUsage=keyCertSign if there is a \
         key usage; issue it anew with these, or use another authority"
    )]
    NotAuthority { of: Link },
    #[error("{of} allows fewer authorities below it than there are; issue it anew with a longer path length")]
    PathLength { of: Link },
    #[error(
        "{of} has name constraints, which are checked only for ordinary certificates, and this certificate has \
         CA:TRUE, is of X.509 v1 or is for any purpose; issue it anew with -addext basicConstraints=CA:FALSE"
    )]
    NameConstraints { of: Link },
    #[error("more than {max} signatures would have to be checked; send only the certificate's own chain")]
    TooMuchWork { max: u32 },
}

/// The certificate of a chain that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    EndEntity,
    Intermediate,
    Root,
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::EndEntity => "the certificate",
            Self::Intermediate => "an intermediate authority",
            Self::Root => "the trusted authority",
        })
    }
}

impl VerifyError {
    pub(super) fn unknown_issuer() -> Self {
        Self::Known(CertificateError::UnknownIssuer)
    }

    /// Keeps the error that is more helpful of two candidates': the later one, unless it says only that no issuer was
    /// found. An error that ends the search is returned instead.
    pub(super) fn replace_with(&mut self, error: Self) -> Result<(), Self> {
        match error {
            Self::TooMuchWork { .. } => return Err(error),
            Self::Known(CertificateError::UnknownIssuer) => {}
            error => *self = error,
        }
        Ok(())
    }
}

impl From<CertificateError> for VerifyError {
    fn from(error: CertificateError) -> Self {
        Self::Known(error)
    }
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        Self::InvalidCertificate(match error {
            VerifyError::Known(known) => known,
            other => CertificateError::Other(OtherError(Arc::new(other))),
        })
    }
}
