//! The connection of `check` to a running service: plain, or over TLS.

use std::{fmt::Write as _, io, sync::Arc};

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

use super::{
    args::TlsArgs,
    diagnosis::{self, HandshakeFailure},
    http2::{GREETING, PATIENCE, host},
};
use tls::{ClientFiles, HandshakeError, Identity, TlsError, client_config};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is malformed.
    #[error("{address:?} is not a gRPC address: {reason}; give host:port, such as localhost:8081")]
    Address {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file for TLS cannot be used.
    #[error("{0} (--ca, --cert, --key)")]
    Tls(#[from] TlsError),
    /// No gRPC service answers at the address.
    #[error("cannot reach {address}: {reason}; {cure}")]
    Unreachable {
        /// The address as given.
        address: String,
        /// The error of the connection, with its causes.
        reason: String,
        /// What to do about it.
        cure: &'static str,
    },
}

/// An open connection.
pub(super) struct GrpcConnection {
    pub(super) channel: Channel,
    uri: Uri,
    tls: Option<Secure>,
}

impl GrpcConnection {
    /// Connects to `address`: `host:port`, or a URL of `http` or `https`.
    pub(super) async fn open(address: &str, args: &TlsArgs) -> Result<Self, ConnectError> {
        // With `https` tonic would add its own TLS, but the connector below decides about TLS.
        let uri = match address.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None if address.contains("://") => address.to_owned(),
            None => format!("http://{address}"),
        };
        let malformed = |reason: String| ConnectError::Address { address: address.to_owned(), reason };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| malformed(causes(&error)))?.connect_timeout(PATIENCE);
        let uri = endpoint.uri().clone();
        // in a URL the port may be omitted
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if host(&uri).is_empty() {
            return Err(malformed("the host is missing".to_owned()));
        }
        if uri.port().is_none() && !address.contains("://") {
            let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
            return Err(malformed(match port {
                Some(port) if !port.is_empty() => format!("`{port}` is not a port"),
                _ => "the port is missing".to_owned(),
            }));
        }
        let unreachable = |error, cure| ConnectError::Unreachable {
            address: address.to_owned(),
            reason: causes(&error as &dyn std::error::Error),
            cure,
        };
        if !args.enabled() && !address.starts_with("https://") {
            return match endpoint.connect().await {
                Ok(channel) => Ok(Self { channel, uri, tls: None }),
                Err(error) => Err(unreachable(error, diagnosis::of_plain(&uri).await)),
            };
        }
        let name = match &args.server_name {
            Some(name) => name.0.clone(),
            None => name(&uri).ok_or_else(|| malformed("a certificate cannot be for its host".into()))?,
        };
        let secure = Secure { connector: connector(args)?, name };
        let connect = {
            let secure = secure.clone();
            service_fn(move |uri: Uri| {
                let secure = secure.clone();
                async move { secure.connect(&uri).await.map(TokioIo::new) }
            })
        };
        match endpoint.connect_with_connector(connect).await {
            Ok(channel) => Ok(Self { channel, uri, tls: Some(secure) }),
            Err(error) => {
                let cure = diagnosis::of_failed_tls(&error, &uri).await;
                Err(unreachable(error, cure))
            }
        }
    }

    /// The cure for a connection that was established and then lost, without an error from the service.
    pub(super) async fn cure(&self) -> &'static str {
        match self.tls {
            Some(_) => diagnosis::UNKNOWN,
            None => diagnosis::of_plain(&self.uri).await,
        }
    }

    /// Why the service closed an established connection, and the cure. With TLS 1.3 a server checks the client's
    /// certificate after the client's handshake is complete. The channel reports only a lost connection, so this
    /// connects again to read the alert.
    pub(super) async fn rejection_reason(&self) -> Option<(String, &'static str)> {
        let secure = self.tls.as_ref()?;
        let ask = async {
            let mut stream = secure.connect(&self.uri).await?;
            stream.write_all(GREETING).await?;
            stream.read_u8().await
        };
        let error = timeout(PATIENCE, ask).await.ok()?.err()?;
        Some((error.to_string(), diagnosis::of_tls(&error)))
    }
}

/// Connects over TLS.
#[derive(Clone)]
struct Secure {
    connector: TlsConnector,
    /// The name that the service's certificate must be for.
    name: ServerName<'static>,
}

impl Secure {
    async fn connect(&self, to: &Uri) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((host(to), to.port_u16().unwrap_or(443))).await?;
        let connected = self.connector.connect(self.name.clone(), stream).await;
        connected.map_err(|error| {
            let cure = diagnosis::of_tls(&error);
            io::Error::other(HandshakeFailure { text: HandshakeError::with_server(error).cause().to_string(), cure })
        })
    }
}

fn connector(args: &TlsArgs) -> Result<TlsConnector, ConnectError> {
    let identity = args.cert.as_ref().zip(args.key.as_ref());
    let identity = identity.map(|(certificate, key)| Identity { certificate: certificate.clone(), key: key.clone() });
    let mut config = client_config(&ClientFiles { ca: args.ca.clone(), identity, verify_hostname: true })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}

fn name(uri: &Uri) -> Option<ServerName<'static>> {
    ServerName::try_from(host(uri).to_owned()).ok()
}

/// The error with all its causes, because tonic's own text is only "transport error".
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        // some errors repeat their causes
        if !text.ends_with(&message) {
            let _ = write!(text, ": {message}");
        }
        next = cause.source();
    }
    text
}
