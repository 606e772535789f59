//! An ADS server that hands each stream to the test and sends nothing on its own.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use envoy_types::pb::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
    },
    google::protobuf::Any,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap, transport::server::Connected};

use super::configs::TYPE_URL;

/// Longer than any condition takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that accepts streams until it is dropped.
pub struct Ads {
    pub address: SocketAddr,
    streams: mpsc::Receiver<AdsStream>,
    server: JoinHandle<()>,
}

/// One stream of the client; dropping it ends the stream.
pub struct AdsStream {
    pub metadata: MetadataMap,
    requests: Streaming<DiscoveryRequest>,
    responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
}

/// The sending half of a stream.
#[derive(Clone)]
pub struct Sender(mpsc::Sender<Result<DiscoveryResponse, Status>>);

/// The client's acknowledgement of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ack { version: String, nonce: String },
    Nack { version: String, nonce: String, fault: String },
}

pub fn ack(version: &str, nonce: &str) -> Reply {
    Reply::Ack { version: version.to_owned(), nonce: nonce.to_owned() }
}

impl Ads {
    pub async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), None).await
    }

    pub async fn tls(acceptor: TlsAcceptor) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), Some(acceptor)).await
    }

    /// Starts a server at an address that another one may have used before.
    pub async fn at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, streams) = mpsc::channel(16);
        let service = AggregatedDiscoveryServiceServer::new(Service(sender)).max_decoding_message_size(usize::MAX);
        let (connections, incoming) = mpsc::channel::<io::Result<Io>>(16);
        let server = tokio::spawn(async move {
            let accept = async {
                loop {
                    let Ok((tcp, _)) = listener.accept().await else { return };
                    let (tls, connections) = (tls.clone(), connections.clone());
                    tokio::spawn(async move {
                        let io: Box<dyn Stream> = match tls {
                            None => Box::new(tcp),
                            // a client whose connection is rejected reports that itself
                            Some(tls) => match tls.accept(tcp).await {
                                Ok(tls) => Box::new(tls),
                                Err(_) => return,
                            },
                        };
                        let _ = connections.send(Ok(Io(io))).await;
                    });
                }
            };
            let serve = tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(ReceiverStream::new(incoming));
            tokio::select! {
                () = accept => {}
                _ = serve => {}
            }
        });
        Self { address, streams, server }
    }

    /// Waits for the client's next stream.
    pub async fn accept(&mut self) -> AdsStream {
        timeout(PATIENCE, self.streams.recv()).await.expect("the client opens a stream").expect("the server runs")
    }
}

impl Drop for Ads {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl AdsStream {
    /// Waits for the client's next request.
    pub async fn request(&mut self) -> DiscoveryRequest {
        let request = timeout(PATIENCE, self.requests.next()).await.expect("the client says something");
        request.expect("the stream goes on").expect("a request")
    }

    /// Waits for the client's next acknowledgement.
    pub async fn reply(&mut self) -> Reply {
        let request = self.request().await;
        assert_eq!((request.type_url.as_str(), request.resource_names.len()), (TYPE_URL, 0));
        let (version, nonce) = (request.version_info, request.response_nonce);
        match request.error_detail {
            None => Reply::Ack { version, nonce },
            Some(status) => Reply::Nack { version, nonce, fault: status.message },
        }
    }

    /// Waits until the client ends the stream.
    pub async fn end(&mut self) {
        let end = async { while let Some(Ok(_)) = self.requests.next().await {} };
        timeout(PATIENCE, end).await.expect("the client ends the stream");
    }

    /// Sends a whole snapshot.
    pub async fn send(&self, version: &str, nonce: &str, resources: impl IntoIterator<Item = Any>) {
        self.sender().send(version, nonce, resources).await;
    }

    /// A sender to use while waiting for acknowledgements.
    pub fn sender(&self) -> Sender {
        Sender(self.responses.clone())
    }

    /// Ends the stream with an error.
    pub async fn fail(self, status: Status) {
        self.responses.send(Err(status)).await.expect("the stream goes on");
    }
}

impl Sender {
    pub async fn send(&self, version: &str, nonce: &str, resources: impl IntoIterator<Item = Any>) {
        let response = DiscoveryResponse {
            version_info: version.to_owned(),
            nonce: nonce.to_owned(),
            type_url: TYPE_URL.to_owned(),
            resources: resources.into_iter().collect(),
            ..DiscoveryResponse::default()
        };
        self.send_response(response).await;
    }

    pub async fn send_response(&self, response: DiscoveryResponse) {
        self.0.send(Ok(response)).await.expect("the stream goes on");
    }
}

struct Service(mpsc::Sender<AdsStream>);

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        let (responses, receiver) = mpsc::channel(1);
        let stream = AdsStream { metadata, requests, responses };
        self.0.send(stream).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn delta_aggregated_resources(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("state of the world only"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl Stream for TcpStream {}
impl Stream for tokio_rustls::server::TlsStream<TcpStream> {}

/// A connection with or without TLS.
struct Io(Box<dyn Stream>);

impl Connected for Io {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
