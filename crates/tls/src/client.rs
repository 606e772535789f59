//! TLS for clients: the certificates that a client trusts, and the one that it presents.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    Identity, TlsError,
    extensions::Purpose,
    identity,
    pem::PemFile,
    provider::{HAS_SUITES, provider},
    trust::Trust,
    verify,
};

/// How a client secures its connections: the files, and whether it verifies names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The PEM file of the certificates to trust; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate to present to a server that requests one.
    pub identity: Option<Identity>,
    /// Whether the server's certificate must be for the host that is connected to. The chain is verified in any case.
    pub verify_hostname: bool,
}

/// Builds the configuration of a client from the current content of its files. Blocks on file I/O.
///
/// # Errors
/// If a file cannot be used, or the system has no trusted certificates.
pub fn client_config(files: &ClientFiles) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = ServerVerifier {
        trust: match &files.ca {
            Some(path) => Trust::of_file(&PemFile::read("authorities", path)?, Purpose::Server)?,
            None => Trust::of_system()?,
        },
        algorithms: provider.signature_verification_algorithms,
        verify_name: files.verify_hostname,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect(HAS_SUITES)
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some(Identity { certificate, key }) = &files.identity else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = (PemFile::read("client certificate", certificate)?, PemFile::read("client key", key)?);
    Ok(builder.with_client_cert_resolver(identity::read(&provider, &chain, &key)?))
}

/// Verifies the chain, then the name if `verify_name` is set.
#[derive(Debug)]
struct ServerVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    verify_name: bool,
}

impl ServerVerifier {
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let anchors = self.trust.anchors();
        let intermediates = verify::few_of_each_name(intermediates);
        verify_server_cert_signed_by_trust_anchor(&parsed, anchors, &intermediates, now, self.algorithms.all)
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(end_entity, intermediates, now).or_else(|refusal| {
            let shown = (end_entity, intermediates);
            verify::reconsider(refusal, &self.trust, &self.algorithms, Purpose::Server, shown, now)
        })?;
        if self.verify_name {
            verify::verify_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
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
