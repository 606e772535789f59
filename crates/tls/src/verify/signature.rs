//! Signatures: of certificates by their issuers, and of handshakes by the key of a certificate.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved,
    client::danger::HandshakeSignatureValid,
    crypto::{self, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer},
};

use crate::certificate::{Certificate, PublicKey, Version};

/// Checks that the certificate was signed with this key.
pub(super) fn verify_signed_by(
    certificate: &Certificate<'_>,
    key: &PublicKey<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), CertificateError> {
    let algorithms = algorithms.iter().filter(|one| *one.signature_alg_id() == *certificate.algorithm);
    verify(key, algorithms.copied(), certificate.signed, certificate.signature)
}

/// Verifies a handshake's signature with the key of the certificate, in TLS 1.2.
pub(crate) fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some(key) = key_of_v1(certificate) else {
        return crypto::verify_tls12_signature(message, certificate, signed, algorithms);
    };
    // rustls can verify with a raw key only in TLS 1.3
    let schemes = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let (_, schemes) = schemes.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    verify(&key, schemes.iter().copied(), message, signed.signature())?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Verifies a handshake's signature with the key of the certificate, in TLS 1.3.
pub(crate) fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    match key_of_v1(certificate) {
        None => crypto::verify_tls13_signature(message, certificate, signed, algorithms),
        Some(key) => {
            let key = SubjectPublicKeyInfoDer::from(key.encoded);
            crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
        }
    }
}

/// The key of the certificate if it is of X.509 v1, which rustls cannot read.
fn key_of_v1<'a>(certificate: &'a CertificateDer<'_>) -> Option<PublicKey<'a>> {
    let certificate = Certificate::read(certificate).ok()?;
    (certificate.version == Version::V1).then_some(certificate.key)
}

/// Verifies the signature with the first of the algorithms that fits the kind of the key.
fn verify<'a>(
    key: &PublicKey<'_>,
    mut algorithms: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CertificateError> {
    match algorithms.find(|one| *one.public_key_alg_id() == *key.algorithm) {
        Some(algorithm) => {
            algorithm.verify_signature(key.bits, message, signature).map_err(|_| CertificateError::BadSignature)
        }
        None => Err(CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: key.algorithm.to_vec(),
            supported_algorithms: Vec::new(),
        }),
    }
}
