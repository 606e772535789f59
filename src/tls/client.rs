//! A client's side: whom it trusts, and what it shows of itself.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{Identity, TlsError, pem::PemFile};

/// How a client secures its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// PEM file of the authorities to trust; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// What it shows of itself to a server that asks.
    pub identity: Option<Identity>,
    /// Whether the server's certificate must be for the host that it connects to. The chain is verified in any case.
    pub verify_hostname: bool,
}

/// The configuration of a client, from its files as they are now.
///
/// # Errors
/// If a file cannot be used, or the system trusts nobody.
pub fn client_config(files: &ClientFiles) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let authorities: Box<str> =
        files.ca.as_ref().map_or_else(|| "the system".into(), |path| path.display().to_string().into());
    let verifier_error =
        |reason: String| TlsError::Verifier { authorities: authorities.clone(), reason: reason.into() };
    let roots = match &files.ca {
        Some(path) => PemFile::read("authorities", path)?.authorities()?,
        None => system_roots()?,
    };
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| verifier_error(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = if files.verify_hostname { chain } else { Arc::new(AnyName { chain }) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("AWS-LC has suites for both versions of TLS")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(Identity { certificate, key }) = &files.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = PemFile::read(WHAT, certificate)?.certificates()?;
    let private = PemFile::read("client key", key)?.key()?;
    builder.with_client_auth_cert(chain, private).map_err(|error| TlsError::Identity {
        what: WHAT,
        certificate: certificate.clone(),
        key: key.clone(),
        reason: error.to_string().into(),
    })
}

const WHAT: &str = "client certificate";

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TlsError::NoRoots { reason: reason.into() });
    }
    Ok(roots)
}

/// Verifies as usual, but does not mind for which host a certificate is.
#[derive(Debug)]
struct AnyName {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is looked at last, when the chain has been found good.
        match self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
