//! A listener's files: read together, and built into the configuration of handshakes.

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

/// How many times files are read again because they changed meanwhile.
const ATTEMPTS: usize = 8;

const WHAT: &str = "certificate";

/// The certificate that a listener presents, and which clients it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate and key.
    pub identity: Identity,
    /// The authority of clients' certificates; `None`: clients need none.
    pub clients: Option<ClientAuthority>,
}

/// The authority of clients' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    /// PEM file of the authorities. No others are trusted.
    pub ca: PathBuf,
    /// The name that a client's certificate must have.
    pub name: Option<ServerName<'static>>,
}

impl ServerFiles {
    /// Every file that it is made of.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let Identity { certificate, key } = &self.identity;
        [certificate, key].into_iter().chain(self.clients.as_ref().map(|clients| &clients.ca))
    }
}

/// What the files held at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Material<'a> {
    files: &'a ServerFiles,
    certificate: PemFile<'a>,
    key: PemFile<'a>,
    ca: Option<PemFile<'a>>,
}

/// The configuration of handshakes.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) validity: Validity,
    /// Of the files' content.
    pub(super) digest: blake3::Hash,
}

impl<'a> Material<'a> {
    /// Reads the files until two reads agree, so that the key belongs to the certificate. Blocks.
    pub(super) fn read(files: &'a ServerFiles) -> Result<Self, TlsError> {
        let mut seen = Self::look(files)?;
        for _ in 1..ATTEMPTS {
            let now = Self::look(files)?;
            if now == seen {
                break;
            }
            seen = now;
        }
        Ok(seen)
    }

    fn look(files: &'a ServerFiles) -> Result<Self, TlsError> {
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

    /// The configuration of handshakes with one of `protocols` (ALPN). An expired certificate is refused: no client
    /// would accept it. One that is not valid yet is accepted, for the clock of this machine may be slow.
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
        // A resumed session is not verified again, for example after its certificate has expired. Connections live for
        // hours, so that resumption would save next to nothing.
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
