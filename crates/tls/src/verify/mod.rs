//! Whether a peer's certificate is to be trusted: webpki decides, and what it cannot judge is judged here.
//!
//! webpki refuses certificates that Go's crypto/x509, and so the reference, accepts: one that is itself among the
//! trusted ones, one that says CA:TRUE, one of X.509 v1, and one for any extended key usage. [`reconsider`] takes
//! them up again, and checks all that makes a certificate good: see [`path`]. Names and the handshake's signature are
//! checked for every certificate, whichever of the two found its chain good.

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

/// Verifies again a certificate that webpki refused. `refusal` stands unless the certificate is of a kind that webpki
/// cannot judge.
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

/// The most certificates of one subject that are tried: an authority may have been issued by several, and renewed.
const MAX_OF_ONE_NAME: usize = 4;

/// The certificates from which webpki may build chains. It tries all paths through what a peer sends, before it checks
/// any signature: with a few hundred certificates of one subject these are too many.
pub(super) fn few_of_each_name<'a>(intermediates: &[CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let mut counts: HashMap<_, usize> = HashMap::new();
    let mut few = Vec::with_capacity(intermediates.len().min(MAX_OF_ONE_NAME));
    for one in intermediates {
        // those that cannot be read here count together
        let subject = Certificate::read(one).ok().map(|one| one.subject);
        let count = counts.entry(subject).or_default();
        *count += 1;
        if *count <= MAX_OF_ONE_NAME {
            few.push(one.clone());
        }
    }
    few
}

/// Whether the certificate is for this name, by its subject alternative names alone. One of X.509 v1 has none.
pub(super) fn verify_name(end_entity: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    if Certificate::read(end_entity).is_ok_and(|leaf| leaf.version == Version::V1) {
        let (expected, presented) = (name.to_owned(), Vec::new());
        return Err(CertificateError::NotValidForNameContext { expected, presented }.into());
    }
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)
}
