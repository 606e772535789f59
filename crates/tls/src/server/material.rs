//! A listener's files: read as one consistent set, and built into the configuration of handshakes.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use rustls::{ServerConfig, crypto::CryptoProvider, pki_types::ServerName, server::NoServerSessionStorage};

use super::clients::ClientVerifier;
use crate::{
    Identity, TlsError, Validity,
    certificate::Certificate,
    extensions::Purpose,
    identity,
    pem::PemFile,
    provider::{HAS_SUITES, provider},
    trust::Trust,
};

/// How many times the files are read at most, if they keep changing meanwhile.
const ATTEMPTS: usize = 8;

const WHAT: &str = "certificate";

/// The files of a listener: the certificate that it presents, and the authority of the clients that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate chain and key.
    pub identity: Identity,
    /// The authority of clients' certificates; `None`: no certificate is requested from clients.
    pub clients: Option<ClientAuthority>,
}

/// Which clients' certificates a listener accepts (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    /// The PEM file of the authorities to trust. Those of the system are not trusted.
    pub ca: PathBuf,
    /// The subject alternative name that a client's certificate must have; `None`: any.
    pub name: Option<ServerName<'static>>,
}

impl ServerFiles {
    /// Every file to read and watch.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let Identity { certificate, key } = &self.identity;
        [certificate, key].into_iter().chain(self.clients.as_ref().map(|clients| &clients.ca))
    }
}

/// The content of the files at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Material<'a> {
    files: &'a ServerFiles,
    certificate: PemFile<'a>,
    key: PemFile<'a>,
    ca: Option<PemFile<'a>>,
}

/// The configuration of handshakes, and where it came from.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The validity of the listener's own certificate.
    pub(super) validity: Validity,
    /// The digest of the files' content, to detect changes.
    pub(super) digest: blake3::Hash,
}

impl<'a> Material<'a> {
    /// Reads the files until two consecutive reads agree, so that the key belongs to the certificate. Blocks on file
    /// I/O.
    pub(super) fn read(files: &'a ServerFiles) -> Result<Self, TlsError> {
        let mut material = Self::read_once(files)?;
        for _ in 1..ATTEMPTS {
            let again = Self::read_once(files)?;
            if again == material {
                break;
            }
            material = again;
        }
        Ok(material)
    }

    fn read_once(files: &'a ServerFiles) -> Result<Self, TlsError> {
        Ok(Self {
            files,
            certificate: PemFile::read(WHAT, &files.identity.certificate)?,
            key: PemFile::read("key", &files.identity.key)?,
            ca: files
                .clients
                .as_ref()
                .map(|clients| PemFile::read("authorities of clients", &clients.ca))
                .transpose()?,
        })
    }

    pub(super) fn digest(&self) -> blake3::Hash {
        let mut whole = blake3::Hasher::new();
        for file in [Some(&self.certificate), Some(&self.key), self.ca.as_ref()].into_iter().flatten() {
            whole.update(blake3::hash(file.bytes()).as_bytes());
        }
        whole.finalize()
    }

    /// Builds the configuration of handshakes that negotiate one of `protocols` (ALPN). An expired certificate is
    /// refused, because no client would accept it. A certificate that is not valid yet is accepted, because the clock
    /// of this machine may be slow.
    pub(super) fn load(&self, protocols: &[&[u8]], now: SystemTime) -> Result<Loaded, TlsError> {
        let chain = self.certificate.certificates()?;
        let validity = chain.first().and_then(Certificate::validity_of);
        let validity = validity.ok_or_else(|| self.certificate.fault("its first certificate is malformed"))?;
        if validity.not_after < now {
            let on = humantime::format_rfc3339_seconds(validity.not_after).to_string();
            return Err(TlsError::Expired { path: self.files.identity.certificate.clone(), on });
        }
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect(HAS_SUITES);
        let builder = match self.clients(&provider)? {
            Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(identity::read(&provider, &self.certificate, &self.key)?);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // No session resumption: the certificate of a resumed session is not verified again, even if it has expired in
        // the meantime, and connections live for hours, so resumption would save next to nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Loaded { config: Arc::new(config), validity, digest: self.digest() })
    }

    fn clients(&self, provider: &Arc<CryptoProvider>) -> Result<Option<ClientVerifier>, TlsError> {
        let (Some(file), Some(clients)) = (&self.ca, &self.files.clients) else { return Ok(None) };
        let verifier = ClientVerifier::new(Trust::of_file(file, Purpose::Client)?, clients.name.clone(), provider);
        verifier.map(Some).map_err(|error| file.fault(error.to_string()))
    }
}
