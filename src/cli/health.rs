//! `health`: one request to a running service's health page, for a container's HEALTHCHECK and for exec probes, which
//! have no other HTTP client. It changes nothing.

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

/// For the whole probe. Probes have a time limit of their own, which may be longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest reason that is read.
const LONGEST_REASON: usize = 4096;

/// Why the service is not known to be healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The environment does not say where the service listens.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address cannot be one.
    #[error(
        "{address:?} is no address of a health page: give host:port, such as localhost:8080, or http://host:port/page"
    )]
    Address {
        /// As typed.
        address: String,
    },
    /// There is no connection.
    #[error(
        "cannot reach {url}: {error}; is the service running, is this its HTTP port (PORT, 8080 by default), and does it speak TLS (https://) or not?"
    )]
    Unreachable {
        /// The URL.
        url: Uri,
        /// What the network said.
        error: String,
    },
    /// The service does not answer in time.
    #[error("{url} did not answer within {PATIENCE:?}")]
    Silent {
        /// What was asked for.
        url: Uri,
    },
    /// The service says that it is not healthy.
    #[error("{url} answered {status}: {reason}")]
    Unhealthy {
        /// What was asked for.
        url: Uri,
        /// The HTTP status.
        status: StatusCode,
        /// The reason that the service gives.
        reason: String,
    },
    /// There is no runtime to make the call on.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Sends one request, to the address that was typed, or to where this environment makes a service listen.
///
/// # Errors
/// If the service is not healthy, or not there.
pub(super) fn health(args: &HealthArgs, env: impl Fn(&str) -> Option<OsString>) -> Result<(), HealthError> {
    let url = match &args.address {
        Some(address) => typed(address)?,
        None => url(&Settings::resolve(&[], env, [])?.config.http),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(&url)).await });
    asked.unwrap_or_else(|_| Err(HealthError::Silent { url }))
}

/// Whether a service answers at this listener, healthy or not.
pub(super) async fn answers(listener: &HttpConfig) -> bool {
    let url = url(listener);
    let asked = tokio::time::timeout(PATIENCE, ask(&url)).await;
    matches!(asked, Ok(Ok(()) | Err(HealthError::Unhealthy { status: StatusCode::INTERNAL_SERVER_ERROR, .. })))
}

fn url(listener: &HttpConfig) -> Uri {
    local(if listener.tls.is_some() { "https" } else { "http" }, &listener.address)
}

async fn ask(url: &Uri) -> Result<(), HealthError> {
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
        // a page that is too long, or ends early, gives no reason
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

/// The URL of what was typed: a URL, or a host and a port.
fn typed(address: &str) -> Result<Uri, HealthError> {
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

/// Where a service that listens there is reached from within its own container.
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
        .expect("a host that was read and a port are an authority")
}

/// A connection, secured or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Over TLS every certificate is accepted: a service's certificate is rarely for `localhost`.
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

/// `localhost` has two addresses, and a service may listen at one of them only, as at `0.0.0.0`.
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
    fn the_environment_says_where_to_ask() {
        assert_eq!(from(&[]), "http://localhost:8080/healthcheck");
        assert_eq!(from(&[("HOST", "::"), ("PORT", "81")]), "http://localhost:81/healthcheck");
        assert_eq!(from(&[("HOST", "")]), "http://localhost:8080/healthcheck");
        assert_eq!(from(&[("HOST", "::1")]), "http://[::1]:8080/healthcheck");
        assert_eq!(from(&[("HOST", "10.0.0.1")]), "http://10.0.0.1:8080/healthcheck");
        assert_eq!(from(&[("HOST", "rate_limit.svc.")]), "http://rate_limit.svc.:8080/healthcheck");
    }

    #[test]
    fn what_is_typed_is_an_address_or_a_page() {
        for (text, url) in [
            ("localhost:80", "http://localhost:80/healthcheck"),
            ("[::1]:80", "http://[::1]:80/healthcheck"),
            ("http://a:1/", "http://a:1/healthcheck"),
            ("http://a:1/readyz", "http://a:1/readyz"),
            ("a:1/livez", "http://a:1/livez"),
            ("https://a:1", "https://a:1/healthcheck"),
        ] {
            assert_eq!(typed(text).expect(text).to_string(), url);
        }
        for bad in ["", "a b", "ftp://a", "/healthcheck", ":80"] {
            assert!(matches!(typed(bad), Err(HealthError::Address { .. })), "{bad}");
        }
    }
}
