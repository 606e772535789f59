//! Finds out why a peer is not the expected gRPC service: which protocol it speaks instead, and the cure.

use std::{error::Error, io, sync::Arc};

use rustls::{AlertDescription, CertificateError, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::transport::Uri;

use super::http2::{GREETING, PATIENCE, host};
use tls::insecure_client_config;

/// The cure for an unknown cause.
pub(super) const UNKNOWN: &str =
    "is the service running, is this its gRPC port (8081 by default), and does it speak TLS (--tls) or not?";
const NOT_TLS: &str = "it does not speak TLS: omit --tls and its options, or give another port";
const SPEAKS_TLS: &str = "it speaks TLS: add --tls, and --ca if a private CA has issued its certificate";
const SPEAKS_HTTP1: &str =
    "an HTTP/1 server answers there, as on the ports 8080, 6070 and 9090: give the gRPC port, 8081 by default";

/// A failed TLS handshake, with its cure.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct HandshakeFailure {
    /// The cause.
    pub(super) text: String,
    /// What to do about it.
    pub(super) cure: &'static str,
}

/// The cure for a plain connection that failed: probes which protocol the peer speaks.
pub(super) async fn of_plain(uri: &Uri) -> &'static str {
    let Some(port) = uri.port_u16() else { return UNKNOWN };
    if timeout(PATIENCE, speaks_tls(host(uri), port)).await.unwrap_or(false) {
        return SPEAKS_TLS;
    }
    if timeout(PATIENCE, speaks_http1(host(uri), port)).await.unwrap_or(false) {
        return SPEAKS_HTTP1;
    }
    UNKNOWN
}

/// Whether the peer speaks TLS: a handshake succeeds, or the peer sends an alert.
async fn speaks_tls(host: &str, port: u16) -> bool {
    let Ok(stream) = TcpStream::connect((host, port)).await else { return false };
    let (Ok(config), Ok(name)) = (insecure_client_config(), ServerName::try_from(host.to_owned())) else {
        return false;
    };
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(_) => true,
        Err(error) => matches!(find(&error), Some(rustls::Error::AlertReceived(_))),
    }
}

async fn speaks_http1(host: &str, port: u16) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let ask = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: tollgate\r\nconnection: close\r\n\r\n").await?;
        let mut start = [0; START.len()];
        stream.read_exact(&mut start).await?;
        Ok::<_, io::Error>(start)
    };
    ask.await.is_ok_and(|start| start == START)
}

/// Whether the peer speaks HTTP/2 without TLS: it sends a SETTINGS frame.
async fn speaks_plain_http2(host: &str, port: u16) -> bool {
    const TYPE: usize = 3;
    const SETTINGS: u8 = 4;
    let ask = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(GREETING).await?;
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        Ok::<_, io::Error>(head[TYPE])
    };
    ask.await.is_ok_and(|kind| kind == SETTINGS)
}

/// The cure for a connection over TLS that was not established.
pub(super) async fn of_failed_tls(error: &(dyn Error + 'static), uri: &Uri) -> &'static str {
    let (cure, Some(port)) = (of_tls(error), uri.port_u16()) else { return of_tls(error) };
    // a service without TLS closes the connection
    if cure == UNKNOWN && timeout(PATIENCE, speaks_plain_http2(host(uri), port)).await.unwrap_or(false) {
        return NOT_TLS;
    }
    cure
}

/// The cure for an error of a connection over TLS.
pub(super) fn of_tls(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(failure) = find::<HandshakeFailure>(error) {
        return failure.cure;
    }
    let Some(error) = find::<rustls::Error>(error) else { return UNKNOWN };
    match error {
        rustls::Error::InvalidMessage(_) => NOT_TLS,
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no trusted CA has issued its certificate: name the CA's file with --ca"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name: give that name with --server-name",
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired: renew it, or set the clock of this machine"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it requires a client certificate: present one with --cert and --key"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown,
        ) => "it rejects the certificate of --cert: present one issued by the CA in its GRPC_CLIENT_TLS_CACERT",
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks TLS, but not HTTP/2: give the gRPC port, 8081 by default"
        }
        _ => UNKNOWN,
    }
}

/// The first error of this type in the chain of sources.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        // `source` of an I/O error skips the error that it wraps
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|wrapped| wrapped.downcast_ref::<E>());
        if let Some(found) = error.downcast_ref::<E>().or(wrapped) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
