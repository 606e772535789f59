//! The way to a running service: plain, or over TLS with the options of `check`.

use std::{fmt::Write as _, io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{args::TlsArgs, check::CheckError};
use crate::tls::{ClientFiles, HandshakeError, Identity, client_config};

/// How long connecting may take, with the handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an HTTP/2 client says first: the preface and empty settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A way that is open.
pub(super) struct Way {
    pub(super) channel: Channel,
    tls: Option<(Secure, Uri)>,
}

impl Way {
    /// Connects to `address`: `host:port`, or a URL of `http` or `https`.
    pub(super) async fn open(address: &str, args: &TlsArgs) -> Result<Self, CheckError> {
        // Whatever the scheme, the connection is what we make it.
        let uri = match address.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None if address.contains("://") => address.to_owned(),
            None => format!("http://{address}"),
        };
        let malformed = |reason: String| CheckError::Address { address: address.to_owned(), reason };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| malformed(causes(&error)))?.connect_timeout(PATIENCE);
        let unreachable = |error| CheckError::Unreachable {
            address: address.to_owned(),
            reason: causes(&error as &dyn std::error::Error),
        };
        if !args.asked() && !address.starts_with("https://") {
            return Ok(Self { channel: endpoint.connect().await.map_err(unreachable)?, tls: None });
        }
        let uri = endpoint.uri().clone();
        let name = match &args.server_name {
            Some(name) => name.0.clone(),
            None => name(&uri).ok_or_else(|| malformed("it has no host that a certificate can be for".into()))?,
        };
        let secure = Secure { connector: connector(args)?, name };
        let connect = {
            let secure = secure.clone();
            service_fn(move |uri: Uri| {
                let secure = secure.clone();
                async move { secure.connect(&uri).await.map(TokioIo::new) }
            })
        };
        let channel = endpoint.connect_with_connector(connect).await.map_err(unreachable)?;
        Ok(Self { channel, tls: Some((secure, uri)) })
    }

    /// What the service holds against us, if it closed a connection that was made: with TLS 1.3 it looks at a certificate
    /// when the handshake is over for us. The channel knows only that the connection is gone, so this asks once more.
    pub(super) async fn objection(&self) -> Option<String> {
        let (secure, uri) = self.tls.as_ref()?;
        let ask = async {
            let mut stream = secure.connect(uri).await?;
            stream.write_all(GREETING).await?;
            stream.read_u8().await
        };
        timeout(PATIENCE, ask).await.ok()?.err().map(|error| error.to_string())
    }
}

/// How connections are secured.
#[derive(Clone)]
struct Secure {
    connector: TlsConnector,
    /// What the service's certificate must be for.
    name: ServerName<'static>,
}

impl Secure {
    async fn connect(&self, to: &Uri) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((host(to), to.port_u16().unwrap_or(443))).await?;
        let connected = self.connector.connect(self.name.clone(), stream).await;
        connected.map_err(|error| io::Error::other(HandshakeError::with_server(error).cause().to_string()))
    }
}

fn connector(args: &TlsArgs) -> Result<TlsConnector, CheckError> {
    let identity = args.cert.as_ref().zip(args.key.as_ref());
    let identity = identity.map(|(certificate, key)| Identity { certificate: certificate.clone(), key: key.clone() });
    let mut config = client_config(&ClientFiles { ca: args.ca.clone(), identity, verify_hostname: true })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}

fn name(uri: &Uri) -> Option<ServerName<'static>> {
    ServerName::try_from(host(uri).to_owned()).ok()
}

/// Without the brackets of an IPv6 address.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// The innermost causes say what happened; tonic's own text is only "transport error".
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
