//! Path validation (RFC 5280, section 6) for a certificate that webpki cannot judge, up to a trusted certificate.
//!
//! It is stricter than webpki where that costs nothing: the trusted certificate must be valid now and be marked as an
//! authority, and key usages are checked. A chain with name constraints is refused, because only webpki checks names
//! against them.

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

/// The most authorities between the certificate and the trusted one, as in webpki.
const MAX_INTERMEDIATES: usize = 6;

/// The most signatures that are checked for one certificate. The bound is needed because the peer chooses how many
/// candidates there are for each issuer.
const MAX_SIGNATURES: u32 = 32;

/// A depth-first search for a chain from a certificate to a trusted one.
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

    /// Checks what does not depend on the issuer of the certificate.
    pub(super) fn check_end_entity(&self, leaf: &Certificate<'_>) -> Result<(), VerifyError> {
        self.check(leaf, Link::EndEntity)?;
        if leaf.extensions.may_sign_handshakes() { Ok(()) } else { Err(VerifyError::NoDigitalSignature) }
    }

    /// Finds a chain from the certificate to a trusted one, through `intermediates`.
    pub(super) fn find_chain(
        &self,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), VerifyError> {
        // as in webpki, a certificate that cannot be read is no candidate; webpki's parser is stricter than ours
        let readable =
            intermediates.iter().filter(|one| ParsedCertificate::try_from(*one).is_ok() && !is_distrusted(one));
        let candidates: Vec<_> = readable.filter_map(|one| Certificate::read(one).ok()).collect();
        self.extend(&mut vec![leaf], &candidates)
    }

    /// Searches for an issuer of the last certificate of `path`, and recursively for a chain from there.
    fn extend<'c>(
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
            match self.extend(path, candidates) {
                Ok(()) => return Ok(()),
                Err(error) => closest.replace_with(error)?,
            }
            path.pop();
        }
        Err(closest)
    }

    /// Checks that `issuer` is valid itself, was allowed to issue `child`, and has signed it. `below` is the number of
    /// authorities between the issuer and the end entity.
    fn check_issuer(
        &self,
        issuer: &Certificate<'_>,
        child: &Certificate<'_>,
        below: usize,
        of: Link,
    ) -> Result<(), VerifyError> {
        self.check(issuer, of)?;
        let extensions = &issuer.extensions;
        // a certificate of X.509 v1 cannot be marked as an authority: it is one if it is trusted
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

    /// Checks what applies to every certificate of a chain: validity, critical extensions and purpose.
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
