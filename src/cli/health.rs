//! `health`: sends one request to a running service's health page, for a container's HEALTHCHECK and for exec probes,
//! because the image has no other HTTP client. It changes nothing.

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{args::HealthArgs, channel::causes};
use crate::{
    app::HttpConfig,
    server::{Host, HostPort},
    settings::{Settings, SettingsError},
};
use tls::insecure_client_config;

/// The page that is requested unless the address has one.
const PAGE: &str = "/healthcheck";

/// The deadline of the whole probe. The probes of Kubernetes have a timeout of their own, which may be longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most bytes of a reason that are read.
const LONGEST_REASON: usize = 4096;

/// Why the service is not known to be healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The environment is invalid, so that the service's address is unknown.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address is malformed.
    #[error(
        "{address:?} is not the address of a health page: give host:port, such as localhost:8080, or \
         http://host:port/page"
    )]
    Address {
        /// The address as given.
        address: String,
    },
    /// The connection failed.
    #[error(
        "cannot reach {url}: {error}; is the service running, is this its HTTP port (PORT, 8080 by default), and does \
         it speak TLS (https://) or not?"
    )]
    Unreachable {
        /// The requested URL.
        url: Uri,
        /// The error of the connection, with its causes.
        error: String,
    },
    /// The service does not answer in time.
    #[error("{url} did not answer within {PATIENCE:?}")]
    Silent {
        /// The requested URL.
        url: Uri,
    },
    /// The service reports that it is not healthy.
    #[error("{url} answered {status}: {reason}")]
    Unhealthy {
        /// The requested URL.
        url: Uri,
        /// The HTTP status.
        status: StatusCode,
        /// The body of the response.
        reason: String,
    },
    /// The runtime for the request cannot be started.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Sends one request, to the given address, or to the address that a service with this environment listens on.
///
/// # Errors
/// If the service is not healthy, or cannot be reached.
pub(super) fn health(args: &HealthArgs, env: impl Fn(&str) -> Option<OsString>) -> Result<(), HealthError> {
    let url = match &args.address {
        Some(address) => parse(address)?,
        None => url(&Settings::resolve(&[], env, [])?.config.http),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async { tokio::time::timeout(PATIENCE, request(&url)).await });
    outcome.unwrap_or_else(|_| Err(HealthError::Silent { url }))
}

/// Whether a service answers at this listener, healthy or not.
pub(super) async fn answers(listener: &HttpConfig) -> bool {
    let url = url(listener);
    let outcome = tokio::time::timeout(PATIENCE, request(&url)).await;
    matches!(outcome, Ok(Ok(()) | Err(HealthError::Unhealthy { status: StatusCode::INTERNAL_SERVER_ERROR, .. })))
}

fn url(listener: &HttpConfig) -> Uri {
    local(if listener.tls.is_some() { "https" } else { "http" }, &listener.address)
}

async fn request(url: &Uri) -> Result<(), HealthError> {
    let unreachable =
        |error: &dyn std::error::Error| HealthError::Unreachable { url: url.clone(), error: causes(error) };
    let stream = connect(url).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    let path = url.path_and_query().map_or(PAGE, |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    let request =
        Request::get(path).header(HOST, host).body(Empty::<Bytes>::new()).expect("an address has a host and a path");
    let answered = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // a body that is too long or incomplete counts as no reason
        let reason = Limited::new(response.into_body(), LONGEST_REASON).collect().await;
        let reason = reason.map(Collected::to_bytes).unwrap_or_default();
        Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&reason).trim().to_owned()))
    };
    // the connection ends once the answer is complete
    let (answered, _) = tokio::join!(answered, connection);
    match answered.map_err(|error| unreachable(&error))? {
        (status, _) if status.is_success() => Ok(()),
        (status, reason) => Err(HealthError::Unhealthy { url: url.clone(), status, reason }),
    }
}

/// The URL of an argument: a URL, or a host and a port.
fn parse(address: &str) -> Result<Uri, HealthError> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let parts = url.parse::<Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    match parts {
        Some(url) if url.path() == "/" => Ok(page_at(
            url.scheme_str().unwrap_or_default(),
            url.authority().map_or("", |authority| authority.as_str()),
        )),
        Some(url) => Ok(url),
        None => Err(HealthError::Address { address: address.to_owned() }),
    }
}

/// The URL of a listener from within the service's own container.
fn local(scheme: &str, listener: &HostPort) -> Uri {
    let port = listener.port;
    let authority = match &listener.host {
        Host::Any => format!("localhost:{port}"),
        Host::Ip(address) if address.is_unspecified() => format!("localhost:{port}"),
        Host::Ip(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Host::Ip(address) => format!("{address}:{port}"),
        Host::Name(name) => format!("{name}:{port}"),
    };
    page_at(scheme, &authority)
}

fn page_at(scheme: &str, authority: &str) -> Uri {
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(PAGE)
        .build()
        .expect("a parsed host and a port form an authority")
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects. Over TLS every certificate is accepted, because a service's certificate is rarely for `localhost`.
async fn connect(url: &Uri) -> io::Result<Box<dyn Stream>> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    if url.scheme_str() != Some("https") {
        return Ok(Box::new(dial(host, url.port_u16().unwrap_or(80)).await?));
    }
    let stream = dial(host, url.port_u16().unwrap_or(443)).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(insecure_client_config().map_err(io::Error::other)?));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// Connects to a host. `localhost` has two addresses, of which a service may listen on only one, as with `0.0.0.0`.
async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    match host {
        "localhost" => {
            TcpStream::connect(&[(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()][..]).await
        }
        host => TcpStream::connect((host, port)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(environment: &[(&str, &str)]) -> String {
        let env = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        url(&Settings::resolve(&[], env, []).expect("settings").config.http).to_string()
    }

    #[test]
    fn the_default_address_is_from_the_environment() {
        assert_eq!(from(&[]), "http://localhost:8080/healthcheck");
        assert_eq!(from(&[("HOST", "::"), ("PORT", "81")]), "http://localhost:81/healthcheck");
        assert_eq!(from(&[("HOST", "")]), "http://localhost:8080/healthcheck");
        assert_eq!(from(&[("HOST", "::1")]), "http://[::1]:8080/healthcheck");
        assert_eq!(from(&[("HOST", "10.0.0.1")]), "http://10.0.0.1:8080/healthcheck");
        assert_eq!(from(&[("HOST", "rate_limit.svc.")]), "http://rate_limit.svc.:8080/healthcheck");
    }

    #[test]
    fn an_argument_is_an_address_or_a_url() {
        for (text, url) in [
            ("localhost:80", "http://localhost:80/healthcheck"),
            ("[::1]:80", "http://[::1]:80/healthcheck"),
            ("http://a:1/", "http://a:1/healthcheck"),
            ("http://a:1/readyz", "http://a:1/readyz"),
            ("a:1/livez", "http://a:1/livez"),
            ("https://a:1", "https://a:1/healthcheck"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), url);
        }
        for bad in ["", "a b", "ftp://a", "/healthcheck", ":80"] {
            assert!(matches!(parse(bad), Err(HealthError::Address { .. })), "{bad}");
        }
    }
}
