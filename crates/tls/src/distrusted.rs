//! Public authorities that webpki no longer trusts, even if they are configured as trusted.

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

/// Whether webpki refuses the certificate because of its public key, whatever else it says.
pub(super) fn is_distrusted(certificate: &CertificateDer<'_>) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    let epoch = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
    let verdict = certificate.verify_for_usage(&[], &[], &[], epoch, KeyUsage::server_auth(), None, None);
    matches!(verdict, Err(Error::CertDistrusted))
}
