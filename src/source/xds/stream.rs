//! One stream of `StreamAggregatedResources`: sends requests and receives responses until it ends.

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use envoy_types::pb::envoy::service::discovery::v3::{
    DiscoveryRequest, DiscoveryResponse, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
};
use hyper::Uri;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, metadata::MetadataMap};

use super::{
    XdsConfig,
    connect::{AbortTasks, ConnectError, Connection, connect},
    observed_io::ConnectionState,
};
use tls::ClientStats;

/// How long a request may wait for the server to read the previous one before the stream counts as broken.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

type Opening = Pin<Box<dyn Future<Output = Result<Streaming<DiscoveryResponse>, Status>> + Send>>;

/// An open stream, which owns its connection: dropping it closes both.
pub(super) struct AdsStream {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Responses,
    pub(super) opened: Instant,
    state: watch::Receiver<ConnectionState>,
    _tasks: AbortTasks,
}

enum Responses {
    /// The server has not sent headers yet: servers in Go send them with the first response.
    Opening(Opening),
    Open(Box<Streaming<DiscoveryResponse>>),
}

impl fmt::Debug for AdsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdsStream").field("opened", &self.opened).finish_non_exhaustive()
    }
}

/// Why a stream has ended.
#[derive(Debug)]
pub(super) enum StreamEnd {
    ByServer,
    Failed(Box<Status>),
    /// The connection is closed, for this reason.
    Disconnected(String),
    /// The server does not read the requests.
    NotReading,
}

impl AdsStream {
    /// Connects, and sends the first request.
    pub(super) async fn open(
        config: &XdsConfig,
        handshakes: &Arc<ClientStats>,
        metadata: MetadataMap,
        first: DiscoveryRequest,
    ) -> Result<Self, ConnectError> {
        let Connection { requests, tasks, state } = connect(config, handshakes).await?;
        let service = tower::service_fn(move |request| requests.clone().send_request(request));
        let mut client = AggregatedDiscoveryServiceClient::with_origin(service, origin(config)?)
            .max_decoding_message_size(config.max_message_bytes);
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(first).expect("an empty channel has room");
        let mut request = Request::new(ReceiverStream::new(receiver));
        *request.metadata_mut() = metadata;
        let opening = async move { client.stream_aggregated_resources(request).await.map(tonic::Response::into_inner) };
        let responses = Responses::Opening(Box::pin(opening));
        Ok(Self { requests: sender, responses, opened: Instant::now(), state, _tasks: tasks })
    }

    /// The next response. Cancelling this call loses no response.
    pub(super) async fn next(&mut self) -> Result<DiscoveryResponse, StreamEnd> {
        match (self.response().await, &*self.state.borrow()) {
            (Err(StreamEnd::Failed(_)), ConnectionState::Closed(reason)) => {
                Err(StreamEnd::Disconnected(reason.clone()))
            }
            (outcome, _) => outcome,
        }
    }

    async fn response(&mut self) -> Result<DiscoveryResponse, StreamEnd> {
        if let Responses::Opening(opening) = &mut self.responses {
            self.responses = Responses::Open(Box::new(opening.await.map_err(StreamEnd::from)?));
        }
        match &mut self.responses {
            Responses::Open(responses) => responses.message().await?.ok_or(StreamEnd::ByServer),
            Responses::Opening(_) => Err(StreamEnd::ByServer),
        }
    }

    /// Sends a request after the server has read the previous one.
    pub(super) async fn send(&mut self, request: DiscoveryRequest) -> Result<(), StreamEnd> {
        match timeout(SEND_TIMEOUT, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(StreamEnd::ByServer),
            Err(_) => Err(StreamEnd::NotReading),
        }
    }
}

fn origin(config: &XdsConfig) -> Result<Uri, ConnectError> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let origin = Uri::builder().scheme(scheme).authority(config.authority()).path_and_query("/").build();
    origin.map_err(|_| ConnectError::Name(config.authority()))
}

impl From<Status> for StreamEnd {
    fn from(status: Status) -> Self {
        Self::Failed(Box::new(status))
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByServer => f.write_str("the server ended it"),
            Self::NotReading => write!(f, "the server has read nothing for {SEND_TIMEOUT:?}"),
            Self::Disconnected(reason) => f.write_str(reason),
            Self::Failed(status) => match status.source() {
                // with a source, it is an error of the connection, not the server's status
                Some(cause) => {
                    let mut cause: &dyn Error = cause;
                    while let Some(deeper) = cause.source() {
                        cause = deeper;
                    }
                    write!(f, "a ping was not answered, or the connection was misused ({cause})")
                }
                None => {
                    write!(f, "{:?}: {}", status.code(), status.message())?;
                    let too_large = status.code() == Code::OutOfRange;
                    f.write_str(if too_large { "; raise XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES" } else { "" })
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_read_is_given_up() {
        let (requests, _unread) = mpsc::channel(1);
        let (_alive, state) = watch::channel(ConnectionState::Alive);
        let responses = Responses::Opening(Box::pin(std::future::pending()));
        let mut stream = AdsStream { requests, responses, opened: Instant::now(), state, _tasks: AbortTasks::none() };
        stream.send(DiscoveryRequest::default()).await.expect("there is room for one");
        let began = Instant::now();
        let ended = stream.send(DiscoveryRequest::default()).await.expect_err("there is no room");
        assert_eq!(
            (ended.to_string().as_str(), began.elapsed()),
            ("the server has read nothing for 30s", SEND_TIMEOUT)
        );
    }
}
