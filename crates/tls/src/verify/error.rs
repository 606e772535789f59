//! Why a certificate that webpki cannot judge is not trusted.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

/// The error of a certificate, or of one of its issuers. Names the cure.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum VerifyError {
    /// An error that rustls has a variant for.
    #[error("{0}")]
    Known(CertificateError),
    #[error("its encoding is broken: {0}; issue it anew")]
    Malformed(der::Error),
    #[error(
        "{of} has a critical extension that is unknown here; issue it anew without, or with that extension not \
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
        "{of} does not say that it may issue certificates, by basicConstraints=CA:TRUE, and keyUsage=keyCertSign \
         if it has a key usage; let one that says so issue the certificate"
    )]
    NotAuthority { of: Link },
    #[error("{of} allows fewer authorities below it than there are; issue it anew with a longer path length")]
    PathLength { of: Link },
    #[error(
        "{of} has name constraints, which are checked for ordinary certificates alone, and this one says CA:TRUE, \
         is of X.509 v1 or is for any purpose; issue it anew with -addext basicConstraints=CA:FALSE"
    )]
    NameConstraints { of: Link },
    #[error("more than {max} signatures would have to be checked; send the certificate's own chain alone")]
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

    /// Of the errors of several candidates, the last that says more than that none was found. An error that ends the
    /// search is returned.
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
