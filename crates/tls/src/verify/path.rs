//! The checks of RFC 5280, section 6, for a certificate that webpki cannot judge, from it up to a trusted one.
//!
//! Stricter than webpki where that costs nothing: the trusted certificate must be valid now and say that it is an
//! authority, key usages count, and a chain with name constraints is refused, for only webpki checks names against
//! them.

use std::cell::Cell;

use rustls::{
    pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime},
    server::ParsedCertificate,
};

use super::{
    error::{Link, VerifyError},
    signature::verify_signed_by,
};
use crate::{
    certificate::{Certificate, Version},
    distrusted::is_distrusted,
    extensions::Purpose,
    trust::Trust,
};

/// Authorities between the certificate and the trusted one, as in webpki.
const MAX_INTERMEDIATES: usize = 6;

/// The most signatures that are checked for one certificate: the peer chooses the number of candidates for each.
const MAX_SIGNATURES: u32 = 32;

/// The search for a chain.
pub(super) struct Search<'a> {
    trust: &'a Trust,
    algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    purpose: Purpose,
    now: UnixTime,
    signatures_left: Cell<u32>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        trust: &'a Trust,
        algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
        purpose: Purpose,
        now: UnixTime,
    ) -> Self {
        Self { trust, algorithms, purpose, now, signatures_left: Cell::new(MAX_SIGNATURES) }
    }

    /// The checks of a certificate that do not depend on its issuer.
    pub(super) fn check_end_entity(&self, leaf: &Certificate<'_>) -> Result<(), VerifyError> {
        self.check(leaf, Link::EndEntity)?;
        if leaf.extensions.may_sign_handshakes() { Ok(()) } else { Err(VerifyError::NoDigitalSignature) }
    }

    /// Finds a chain from the certificate to a trusted one, through these.
    pub(super) fn find_chain(
        &self,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), VerifyError> {
        // As in webpki, a certificate that cannot be read is no candidate; webpki reads more strictly.
        let readable =
            intermediates.iter().filter(|one| ParsedCertificate::try_from(*one).is_ok() && !is_distrusted(one));
        let candidates: Vec<_> = readable.filter_map(|one| Certificate::read(one).ok()).collect();
        self.climb(&mut vec![leaf], &candidates)
    }

    /// Continues from the last certificate of `path`, which is good if its issuer is.
    fn climb<'c>(
        &self,
        path: &mut Vec<&'c Certificate<'c>>,
        candidates: &'c [Certificate<'c>],
    ) -> Result<(), VerifyError> {
        let child = path[path.len() - 1];
        let below = path.len() - 1;
        let mut closest = VerifyError::unknown_issuer();
        for root in self.trust.issuers(child.issuer) {
            match self.check_issuer(&root, child, below, Link::Root) {
                Ok(()) => return Ok(()),
                Err(error) => closest.replace_with(error)?,
            }
        }
        for issuer in candidates.iter().filter(|one| one.subject == child.issuer) {
            let is_loop = path.iter().any(|one| one.subject == issuer.subject && one.key == issuer.key);
            if is_loop || below == MAX_INTERMEDIATES {
                continue;
            }
            if let Err(error) = self.check_issuer(issuer, child, below, Link::Intermediate) {
                closest.replace_with(error)?;
                continue;
            }
            path.push(issuer);
            match self.climb(path, candidates) {
                Ok(()) => return Ok(()),
                Err(error) => closest.replace_with(error)?,
            }
            path.pop();
        }
        Err(closest)
    }

    /// Checks that `issuer` may have issued `child`, has, and is good itself. `below`: the authorities between it and
    /// the end of the chain.
    fn check_issuer(
        &self,
        issuer: &Certificate<'_>,
        child: &Certificate<'_>,
        below: usize,
        of: Link,
    ) -> Result<(), VerifyError> {
        self.check(issuer, of)?;
        let extensions = &issuer.extensions;
        // An authority of X.509 v1 has nothing to check: it is trusted by itself.
        let is_authority = extensions.is_ca() || (issuer.version == Version::V1 && of == Link::Root);
        if !is_authority || !extensions.may_sign_certificates() {
            return Err(VerifyError::NotAuthority { of });
        }
        let allowed = extensions.basic_constraints.and_then(|constraints| constraints.path_length);
        if allowed.is_some_and(|allowed| below as u64 > allowed) {
            return Err(VerifyError::PathLength { of });
        }
        if extensions.has_name_constraints {
            return Err(VerifyError::NameConstraints { of });
        }
        let left = self.signatures_left.get().checked_sub(1).ok_or(VerifyError::TooMuchWork { max: MAX_SIGNATURES })?;
        self.signatures_left.set(left);
        Ok(verify_signed_by(child, &issuer.key, self.algorithms)?)
    }

    /// Checks what counts for every certificate of a chain.
    fn check(&self, certificate: &Certificate<'_>, of: Link) -> Result<(), VerifyError> {
        certificate.validity.check(self.now)?;
        if certificate.extensions.has_unknown_critical {
            return Err(VerifyError::UnknownCritical { of });
        }
        if !certificate.extensions.allows(self.purpose).map_err(VerifyError::Malformed)? {
            return Err(VerifyError::Purpose { of, purpose: self.purpose.name() });
        }
        Ok(())
    }
}
