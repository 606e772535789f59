//! The certificate chain and key that a listener or a client presents.

use std::sync::Arc;

use rustls::{
    Error, InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    TlsError,
    certificate::{Certificate, Version},
    pem::PemFile,
};

/// Builds the identity from the chain in one file and the key in another, or in the same.
pub(super) fn read(
    provider: &CryptoProvider,
    chain: &PemFile<'_>,
    key: &PemFile<'_>,
) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let signing = provider.key_provider.load_private_key(key.key()?).map_err(|error| TlsError::Key {
        what: key.what(),
        path: key.path().to_owned(),
        reason: match error {
            Error::General(reason) => reason.into(),
            error => error.to_string().into(),
        },
    })?;
    let certified = CertifiedKey::new(chain.certificates()?, signing);
    match check(&certified) {
        // some key formats have no public half: then peers detect a mismatch
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(Arc::new(SingleCertAndKey::from(certified)))
        }
        Err(error) => Err(TlsError::Identity {
            what: chain.what(),
            certificate: chain.path().to_owned(),
            key: key.path().to_owned(),
            reason: error.to_string().into(),
        }),
    }
}

/// Checks that the key belongs to the first certificate. rustls cannot read a certificate of X.509 v1, so its key is
/// compared here.
fn check(certified: &CertifiedKey) -> Result<(), Error> {
    let own: &CertificateDer<'_> = certified.end_entity_cert()?;
    let Some(v1) = Certificate::read(own).ok().filter(|own| own.version == Version::V1) else {
        return certified.keys_match();
    };
    match certified.key.public_key() {
        None => Err(InconsistentKeys::Unknown.into()),
        Some(public) if *public == *v1.key.encoded => Ok(()),
        Some(_) => Err(InconsistentKeys::KeyMismatch.into()),
    }
}
