//! How connections are secured: rustls' client configuration, from PEM files that are read once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem, pem::PemObject},
};

use crate::store::redis::{Identity, TlsConfig};

/// Why connections to Redis cannot be secured as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error(
        "cannot read the {what} of the connections to redis from {path}: {reason}; make it a PEM file that this process may read"
    )]
    Read {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<str>,
    },
    /// The certificate and the key cannot be used.
    #[error(
        "cannot use the client certificate {certificate} with the key {key}: {reason}; give the two that belong together"
    )]
    Identity {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        reason: Error,
    },
    /// The system trusts nobody.
    #[error(
        "the system has no authority to trust for the connections to redis{reason}; install its CA certificates, or name a CA file"
    )]
    NoRoots {
        /// What went wrong when they were looked for.
        reason: Box<str>,
    },
    /// rustls does not take the authorities, or the protocol versions.
    #[error("cannot verify redis' certificate with the authorities of {authorities}: {reason}; check that file")]
    Verifier {
        /// Where they are from.
        authorities: Box<str>,
        /// What is wrong.
        reason: Box<str>,
    },
}

/// The configuration of a client.
pub(super) fn client_config(config: &TlsConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let authorities: Box<str> =
        config.ca.as_ref().map_or_else(|| "the system".into(), |path| path.display().to_string().into());
    let verifier_error =
        |reason: String| TlsError::Verifier { authorities: authorities.clone(), reason: reason.into() };
    let roots = match &config.ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| verifier_error(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> =
        if config.verify_hostname { chain } else { Arc::new(AnyName { chain }) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| verifier_error(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &config.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|reason| TlsError::Identity {
                certificate: identity.certificate.clone(),
                key: identity.key.clone(),
                reason,
            })?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(unreadable(what, path, &pem::Error::NoItemsFound)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(what, path, &error)),
    }
}

/// Never with the text of the file.
fn unreadable(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has none".to_owned(),
        _ => "it is no valid PEM".to_owned(),
    };
    TlsError::Read { what, path: path.to_owned(), reason: reason.into() }
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("authorities", path)? {
        roots.add(certificate).map_err(|error| TlsError::Read {
            what: "authorities",
            path: path.to_owned(),
            reason: error.to_string().into(),
        })?;
    }
    Ok(roots)
}

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

fn read_identity(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates("client certificate", &identity.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| unreadable("client key", &identity.key, &error))?;
    Ok((chain, key))
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
