//! An HTTP/2 connection to the server, over TCP or TLS.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{client::conn::http2, rt::Executor};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    XdsConfig, XdsTlsConfig,
    observed_io::{ConnectionState, ObservedIo},
};
use crate::source::blocking;
use tls::{ClientStats, ClientTls, HandshakeError, Reason, TlsError, client_config};

/// The deadline of connecting: TCP, the TLS handshake, and the server's first bytes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for the answer to a ping, or the interval between pings if that is shorter.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// TCP keepalive: the kernel probes the peer's machine after this long without traffic, and then at this interval,
/// until it has been silent for [`TCP_USER_TIMEOUT`], which also bounds the wait for acknowledgements. That detects a
/// machine that has disappeared; pings detect a server that hangs.
const TCP_IDLE: Duration = Duration::from_secs(30);
const TCP_INTERVAL: Duration = Duration::from_secs(10);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Why connecting failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0}; check that the server is running, and CONFIG_GRPC_XDS_SERVER_URL")]
    Tcp(io::Error),
    #[error("the server closed the connection: {0}")]
    Closed(String),
    #[error(
        "no HTTP/2 connection within {CONNECT_TIMEOUT:?}; check that the server is running, and \
         CONFIG_GRPC_XDS_SERVER_URL"
    )]
    Timeout,
    #[error("{0} (CONFIG_GRPC_XDS_SERVER_TLS_CACERT, CONFIG_GRPC_XDS_CLIENT_TLS_CERT, CONFIG_GRPC_XDS_CLIENT_TLS_KEY)")]
    Tls(#[from] TlsError),
    #[error("`{0}` is not a name that a certificate can have; set CONFIG_GRPC_XDS_SERVER_TLS_SAN")]
    Name(String),
    #[error(
        "the TLS handshake failed: {0} (CONFIG_GRPC_XDS_SERVER_USE_TLS, CONFIG_GRPC_XDS_SERVER_TLS_CACERT, \
         CONFIG_GRPC_XDS_SERVER_TLS_SAN)"
    )]
    Handshake(String),
    #[error("the server does not speak HTTP/2: {0}")]
    Http(hyper::Error),
}

impl ConnectError {
    fn of_handshake(error: &HandshakeError) -> Self {
        match error.reason {
            Reason::Timeout => Self::Timeout,
            _ => Self::Handshake(error.cause().to_string()),
        }
    }
}

/// A connection, and the tasks that drive it.
pub(super) struct Connection {
    pub(super) requests: http2::SendRequest<tonic::body::Body>,
    pub(super) tasks: AbortTasks,
    pub(super) state: watch::Receiver<ConnectionState>,
}

/// Aborts the tasks of a connection when it is dropped, so that a hanging connection does not linger.
pub(super) struct AbortTasks(Tasks);

#[cfg(test)]
impl AbortTasks {
    pub(super) fn none() -> Self {
        Self(Tasks::default())
    }
}

impl Drop for AbortTasks {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// hyper's executor. The tasks hold clones of it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move { drop(task.await) });
    }
}

/// Connects, and counts the TLS handshake in `handshakes`.
pub(super) async fn connect(config: &XdsConfig, handshakes: &Arc<ClientStats>) -> Result<Connection, ConnectError> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let opening = async {
        let tls = match &config.tls {
            Some(options) => Some(tls(config, options, handshakes).await?),
            None => None,
        };
        let tcp = tcp(config).await.map_err(ConnectError::Tcp)?;
        match tls {
            Some((tls, name)) => {
                let secured = tls.connect(name, tcp, &config.authority(), sleep_until(deadline)).await;
                http(config, secured.map_err(|error| ConnectError::of_handshake(&error))?).await
            }
            None => http(config, tcp).await,
        }
    };
    timeout_at(deadline, opening).await.unwrap_or(Err(ConnectError::Timeout))
}

/// The TLS client, and the name that the server's certificate must be for.
async fn tls(
    config: &XdsConfig,
    options: &XdsTlsConfig,
    handshakes: &Arc<ClientStats>,
) -> Result<(ClientTls, ServerName<'static>), ConnectError> {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(config.host.clone()).map_err(|_| ConnectError::Name(config.host.clone()))?,
    };
    let files = options.files.clone();
    let mut client = blocking(move || client_config(&files)).await?;
    client.alpn_protocols.push(b"h2".to_vec());
    Ok((ClientTls::new(client, Arc::clone(handshakes)), name))
}

async fn tcp(config: &XdsConfig) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect((config.host.as_str(), config.port)).await?;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_IDLE).with_interval(TCP_INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    Ok(tcp)
}

async fn http<IO>(config: &XdsConfig, io: IO) -> Result<Connection, ConnectError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks.clone());
    builder.timer(TokioTimer::new());
    if let Some(interval) = config.keepalive {
        let timeout = PING_TIMEOUT.min(interval);
        builder.keep_alive_interval(interval).keep_alive_timeout(timeout).keep_alive_while_idle(true);
    }
    let (io, mut state) = ObservedIo::new(io);
    let (requests, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|error| match &*state.borrow() {
        ConnectionState::Closed(reason) => ConnectError::Closed(reason.clone()),
        ConnectionState::Silent | ConnectionState::Alive => ConnectError::Http(error),
    })?;
    // the stream reports errors of the connection
    tasks.execute(connection);
    let tasks = AbortTasks(tasks);
    // A server rejects a client's certificate only after the handshake; if it accepts it, it sends its settings.
    match state.wait_for(|state| *state != ConnectionState::Silent).await.map(|state| state.clone()) {
        Ok(ConnectionState::Closed(reason)) => Err(ConnectError::Closed(reason)),
        Err(_) => Err(ConnectError::Closed("connection lost".to_owned())),
        Ok(ConnectionState::Alive | ConnectionState::Silent) => Ok(Connection { requests, tasks, state }),
    }
}
