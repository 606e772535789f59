//! Why a peer is not the expected gRPC service: what it speaks instead, and what to do about it.

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

/// The cure where the cause is unknown.
pub(super) const UNKNOWN: &str =
    "is the service running, is this its gRPC port (8081 by default), and does it speak TLS (--tls) or not?";
const NOT_TLS: &str = "it does not speak TLS: leave --tls and its options out, or give another port";
const SPEAKS_TLS: &str = "it speaks TLS: add --tls, and --ca if its certificate is of a private authority";
const SPEAKS_HTTP1: &str =
    "an HTTP/1 server answers there, as on the ports 8080, 6070 and 9090: give the gRPC port, 8081 by default";

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refused {
    /// In words.
    pub(super) text: String,
    /// What to do about it.
    pub(super) cure: &'static str,
}

/// The cure for a plain connection that failed: probes what the peer speaks.
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

/// Whether a handshake ends in a way that only TLS has: it succeeds, or the peer sends an alert.
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

/// Whether the peer answers in HTTP/2 without TLS: with its SETTINGS frame.
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

/// The cure for a connection over TLS that was not made.
pub(super) async fn of_unmade_tls(error: &(dyn Error + 'static), uri: &Uri) -> &'static str {
    let (cure, Some(port)) = (of_tls(error), uri.port_u16()) else { return of_tls(error) };
    // a service without TLS closes the connection
    if cure == UNKNOWN && timeout(PATIENCE, speaks_plain_http2(host(uri), port)).await.unwrap_or(false) {
        return NOT_TLS;
    }
    cure
}

/// The cure for a connection over TLS that failed.
pub(super) fn of_tls(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(refused) = find::<Refused>(error) {
        return refused.cure;
    }
    let Some(error) = find::<rustls::Error>(error) else { return UNKNOWN };
    match error {
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS: leave --tls and its options out, or give another port"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is of no authority that is trusted here: name the authority's file with --ca"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name: give that with --server-name",
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired: renew it, or set the clock of this machine"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it wants a certificate of its clients: show one with --cert and --key"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown,
        ) => "it does not accept the certificate of --cert: show one of the authority in its GRPC_CLIENT_TLS_CACERT",
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks TLS, but not HTTP/2: give the gRPC port, 8081 by default"
        }
        _ => UNKNOWN,
    }
}

/// The first error of a type in the chain of causes.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        // the source of an I/O error is that of the error it wraps, which is skipped
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|wrapped| wrapped.downcast_ref::<E>());
        if let Some(found) = error.downcast_ref::<E>().or(wrapped) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
