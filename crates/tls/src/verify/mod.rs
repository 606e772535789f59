//! Whether to trust a peer's certificate: webpki decides, and certificates that it cannot judge are verified here.
//!
//! webpki refuses some certificates that Go's crypto/x509, and so the reference, accepts: a certificate that is itself
//! in the trust store, one with CA:TRUE, one of X.509 v1, and one with the extended key usage "any". [`reconsider`]
//! verifies them again, with a path validation of its own: see [`path`]. The name and the handshake's signature are
//! checked for every certificate, whichever of the two accepted its chain.

mod error;
mod path;
mod signature;

use std::collections::HashMap;

use rustls::{
    CertificateError, Error,
    client::verify_server_name,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

pub(super) use signature::{verify_tls12, verify_tls13};

use super::{
    certificate::{Certificate, Version},
    distrusted::is_distrusted,
    extensions::Purpose,
    trust::Trust,
};
use path::Search;

/// Verifies again a certificate that webpki refused with `refusal`. That error is returned unless the certificate is of
/// a kind that webpki cannot judge.
pub(super) fn reconsider(
    refusal: Error,
    trust: &Trust,
    algorithms: &WebPkiSupportedAlgorithms,
    purpose: Purpose,
    (end_entity, intermediates): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    now: UnixTime,
) -> Result<(), Error> {
    let Ok(leaf) = Certificate::read(end_entity) else { return Err(refusal) };
    let is_broken = leaf.version == Version::V3 && ParsedCertificate::try_from(end_entity).is_err();
    if is_broken || is_distrusted(end_entity) {
        return Err(refusal);
    }
    let search = Search::new(trust, algorithms.all, purpose, now);
    if trust.contains(end_entity) {
        return Ok(search.check_end_entity(&leaf)?);
    }
    let purpose_refused = matches!(
        refusal,
        Error::InvalidCertificate(CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. })
    );
    if leaf.version == Version::V3 && !leaf.extensions.is_ca() && !purpose_refused {
        return Err(refusal);
    }
    search.check_end_entity(&leaf)?;
    Ok(search.find_chain(&leaf, intermediates)?)
}

/// The most certificates with the same subject that are tried. An authority may have several: from several issuers, or
/// renewed.
const MAX_OF_ONE_NAME: usize = 4;

/// The intermediates from which webpki may build chains, at most [`MAX_OF_ONE_NAME`] for each subject. Before it checks
/// any signature, webpki tries all paths through the certificates that a peer sends; with a few hundred certificates of
/// one subject these are too many.
pub(super) fn few_of_each_name<'a>(intermediates: &[CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let mut counts: HashMap<_, usize> = HashMap::new();
    let mut few = Vec::with_capacity(intermediates.len().min(MAX_OF_ONE_NAME));
    for one in intermediates {
        // certificates that cannot be read share one count
        let subject = Certificate::read(one).ok().map(|one| one.subject);
        let count = counts.entry(subject).or_default();
        *count += 1;
        if *count <= MAX_OF_ONE_NAME {
            few.push(one.clone());
        }
    }
    few
}

/// Checks that the certificate has this name among its subject alternative names; the subject itself does not count. A
/// certificate of X.509 v1 has no such names and always fails.
pub(super) fn verify_name(end_entity: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    if Certificate::read(end_entity).is_ok_and(|leaf| leaf.version == Version::V1) {
        let (expected, presented) = (name.to_owned(), Vec::new());
        return Err(CertificateError::NotValidForNameContext { expected, presented }.into());
    }
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)
}
