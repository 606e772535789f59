//! Verifies client certificates: issued by the configured authority, and for the configured name, if there is one.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{extensions::Purpose, trust::Trust, verify};

/// The most bytes of authorities' subjects that are sent to clients in the certificate request. That message has at
/// most 64 KiB, which the subjects share with their lengths and other fields.
const MAX_SUBJECT_BYTES: usize = 32 << 10;

/// Verifies the chain, then the name, by the rules for the name of a server: it must be a subject alternative name.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    trust: Trust,
    /// `None` if no trusted certificate is an authority's: webpki requires a trust anchor.
    webpki: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    name: Option<ServerName<'static>>,
    subjects: Vec<DistinguishedName>,
}

impl ClientVerifier {
    pub(super) fn new(
        trust: Trust,
        name: Option<ServerName<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let anchors = trust.anchors();
        let webpki = if anchors.is_empty() {
            None
        } else {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(anchors), Arc::clone(provider));
            Some(builder.build()?)
        };
        let mut subjects = trust.subjects();
        if subjects.iter().map(|subject| subject.as_ref().len()).sum::<usize>() > MAX_SUBJECT_BYTES {
            // subjects are a hint: without them, clients choose their certificate by other means
            subjects = Vec::new();
        }
        Ok(Self { trust, webpki, algorithms: provider.signature_verification_algorithms, name, subjects })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = match &self.webpki {
            Some(webpki) => {
                webpki.verify_client_cert(end_entity, &verify::few_of_each_name(intermediates), now).map(drop)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verdict.or_else(|refusal| {
            let shown = (end_entity, intermediates);
            verify::reconsider(refusal, &self.trust, &self.algorithms, Purpose::Client, shown, now)
        })?;
        if let Some(name) = &self.name {
            verify::verify_name(end_entity, name)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify::verify_tls12(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify::verify_tls13(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
