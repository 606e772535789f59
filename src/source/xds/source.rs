//! The state of the subscription: the accepted version, the last rejection, and the replies that are due.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info, warn};

use super::{
    BadHeader, XdsConfig, XdsStats,
    backoff::{Backoff, SHORTEST},
    decode::ResponseContent,
    nack,
    request::Requests,
    stream::{AdsStream, StreamEnd},
};
use rules::RuleResource;

use crate::source::{ContentHash, blocking};

/// The pause between replies to two different snapshots: a server that floods them gets a hundred replies per second.
const BETWEEN_NEW: Duration = Duration::from_millis(10);

/// The pause before the reply to a repeated snapshot: some servers send it again as soon as it is rejected.
const BETWEEN_REPEATS: Duration = Duration::from_secs(1);

/// What the source yields.
#[derive(Debug)]
pub enum XdsUpdate {
    /// New rules, to be settled with [`XdsSource::settle`]. The server waits for that.
    Snapshot(XdsSnapshot),
    /// The server has sent the active rules again. They have been acknowledged.
    Unchanged,
}

/// A complete rule set. It may be empty, which means no rules.
#[derive(Debug)]
pub struct XdsSnapshot {
    /// Sorted by name.
    pub resources: Vec<RuleResource>,
    /// The hash of all resources, independent of their order.
    pub hash: ContentHash,
}

/// A subscription to the rules of one server. Drop it to end the stream.
#[derive(Debug)]
pub struct XdsSource {
    config: XdsConfig,
    requests: Requests,
    stats: Arc<XdsStats>,
    stream: Option<AdsStream>,
    backoff: Backoff,
    /// The version that was accepted last.
    version: String,
    /// The hash of the rules that were accepted last.
    active: Option<ContentHash>,
    /// The hash and the errors of the last rejected snapshot, unless one was accepted since.
    rejected: Option<(ContentHash, String)>,
    /// The snapshot that the caller has not settled yet.
    unsettled: Option<(ContentHash, ResponseId)>,
    /// A reply that is not due yet.
    waiting: Option<(Instant, Reply)>,
    /// The time of the last reply, and the version that it answered.
    replied: Option<(Instant, String)>,
    /// The last connection error that was logged: a repeated one is not logged again.
    logged: Option<String>,
}

/// Identifies a response, for the reply to it.
#[derive(Debug)]
struct ResponseId {
    version: String,
    nonce: String,
}

/// An ACK, or a NACK with the errors.
#[derive(Debug)]
struct Reply {
    to: ResponseId,
    errors: Option<String>,
}

enum Event {
    Response(DiscoveryResponse),
    ReplyDue(Reply),
    Ended(StreamEnd),
}

impl XdsSource {
    /// A source that does not connect before the first [`XdsSource::next`].
    ///
    /// # Errors
    /// If a configured header cannot be sent as gRPC metadata.
    pub fn new(config: XdsConfig, stats: Arc<XdsStats>) -> Result<Self, BadHeader> {
        let requests = Requests::new(&config)?;
        let backoff = Backoff::new(config.backoff);
        Ok(Self {
            config,
            requests,
            stats,
            stream: None,
            backoff,
            version: String::new(),
            active: None,
            rejected: None,
            unsettled: None,
            waiting: None,
            replied: None,
            logged: None,
        })
    }

    /// Waits for rules from the server, reconnecting as often as necessary. Rejects rules that cannot be decoded.
    /// Not cancellation safe: after dropping the future, drop the source too.
    ///
    /// Runs on a Tokio runtime with timers and I/O enabled, and decodes on its blocking threads.
    pub async fn next(&mut self) -> XdsUpdate {
        loop {
            match self.event().await {
                Event::Response(response) => {
                    if let Some(snapshot) = self.receive(response).await {
                        return XdsUpdate::Snapshot(snapshot);
                    }
                }
                Event::ReplyDue(reply) => {
                    let unchanged = reply.errors.is_none();
                    self.reply(reply).await;
                    if unchanged {
                        return XdsUpdate::Unchanged;
                    }
                }
                Event::Ended(end) => self.close(&end).await,
            }
        }
    }

    /// Acknowledges the snapshot that [`XdsSource::next`] returned last, or rejects it with these errors, one per line.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        let Some((hash, to)) = self.unsettled.take() else { return };
        match outcome {
            Ok(()) => {
                self.active = Some(hash);
                self.reply(Reply { to, errors: None }).await;
            }
            Err(errors) => self.reject(hash, to, nack::text([errors.as_str()])).await,
        }
    }

    async fn event(&mut self) -> Event {
        if self.stream.is_none() {
            self.stream = Some(self.open().await);
        }
        if let Some((_, reply)) = self.waiting.take_if(|(due, _)| *due <= Instant::now()) {
            return Event::ReplyDue(reply);
        }
        let Some(stream) = &mut self.stream else { return Event::Ended(StreamEnd::ByServer) };
        let due = self.waiting.as_ref().map_or_else(Instant::now, |(due, _)| *due);
        tokio::select! {
            // the reply first: the server may send responses without a pause
            biased;
            () = sleep_until(due), if self.waiting.is_some() => {}
            response = stream.next() => return response.map_or_else(Event::Ended, Event::Response),
        }
        match self.waiting.take() {
            Some((_, reply)) => Event::ReplyDue(reply),
            None => Event::Ended(StreamEnd::ByServer),
        }
    }

    /// Handles a response. Returns its snapshot if that is new and can be decoded.
    async fn receive(&mut self, response: DiscoveryResponse) -> Option<XdsSnapshot> {
        self.backoff.reset();
        // a waiting reply answers a snapshot that this one supersedes
        self.waiting = None;
        let began = Instant::now();
        let DiscoveryResponse { version_info: version, nonce, resources, type_url, .. } = response;
        let to = ResponseId { version, nonce };
        let content = ResponseContent { type_url, resources };
        let (hash, content) = blocking(move || (content.hash(), content)).await;
        debug!(version = to.version, nonce = to.nonce, %hash, resources = content.resources.len(), "xDS response");

        let known = self.known_outcome(&hash);
        if known.is_some() {
            // bounds the cost of a flood of repeats to a quarter of a core
            sleep(began.elapsed() * 3).await;
        }
        let replied = self.replied.as_ref();
        let is_repeat = known.is_some() && replied.is_some_and(|(_, version)| *version == to.version);
        let due = replied.map_or(began, |(at, _)| *at + if is_repeat { BETWEEN_REPEATS } else { BETWEEN_NEW });
        if !is_repeat {
            // a new snapshot cannot be superseded before its reply, so it is handled when that is due
            sleep_until(due).await;
        }
        if let Some(errors) = known {
            self.waiting = Some((due, Reply { to, errors }));
            return None;
        }
        match blocking(move || content.decode()).await {
            Ok(resources) => {
                self.unsettled = Some((hash, to));
                Some(XdsSnapshot { resources, hash })
            }
            Err(errors) => {
                let errors = nack::text(errors.iter().map(String::as_str));
                error!(version = to.version, "rules over xDS cannot be decoded, the active rules stay:\n{errors}");
                self.reject(hash, to, errors).await;
                None
            }
        }
    }

    /// The outcome of a snapshot that was settled before: its errors, or `Some(None)` if it is active.
    #[allow(clippy::option_option)]
    fn known_outcome(&self, hash: &ContentHash) -> Option<Option<String>> {
        match &self.rejected {
            _ if self.active.as_ref() == Some(hash) => Some(None),
            Some((rejected, errors)) if rejected == hash => Some(Some(errors.clone())),
            _ => None,
        }
    }

    async fn reject(&mut self, hash: ContentHash, to: ResponseId, errors: String) {
        self.rejected = Some((hash, errors.clone()));
        self.reply(Reply { to, errors: Some(errors) }).await;
    }

    async fn reply(&mut self, Reply { to, errors }: Reply) {
        self.replied = Some((Instant::now(), to.version.clone()));
        match &errors {
            None => {
                if self.rejected.take().is_some() {
                    info!(version = to.version, "the xDS server's rules are valid again");
                }
                self.version = to.version;
                self.stats.accepted(&self.version);
            }
            Some(_) => self.stats.rejected(),
        }
        // if the stream has ended meanwhile, the next one begins with the accepted version
        let Some(stream) = &mut self.stream else { return };
        let request = self.requests.request(&self.version, &to.nonce, errors.as_deref());
        match stream.send(request).await {
            Ok(()) if errors.is_none() => self.stats.acked(),
            Ok(()) => self.stats.nacked(),
            Err(end @ StreamEnd::NotReading) => self.close(&end).await,
            // the next read returns the cause
            Err(_) => {}
        }
    }

    async fn open(&mut self) -> AdsStream {
        let server = self.config.authority();
        loop {
            let first = self.requests.request(&self.version, "", None);
            match AdsStream::open(&self.config, self.stats.handshakes(), self.requests.metadata(), first).await {
                Ok(stream) => {
                    self.stats.opened();
                    self.logged = None;
                    info!(server, version = self.version, "connected to the xDS server");
                    return stream;
                }
                Err(error) => {
                    self.stats.connection_failed();
                    let pause = self.config.connect_retry.max(SHORTEST);
                    let message = error.to_string();
                    if self.logged.as_ref() != Some(&message) {
                        warn!(server, "cannot connect to the xDS server, retrying every {pause:?}: {message}");
                        self.logged = Some(message);
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    /// Closes the stream, and waits for the pause before the next one.
    async fn close(&mut self, end: &StreamEnd) {
        let stream = self.stream.take();
        self.stats.closed();
        self.waiting = None;
        if stream.is_some_and(|stream| stream.opened.elapsed() > self.config.backoff.max) {
            // the stream lasted long enough to count as a success
            self.backoff.reset();
        }
        let pause = self.backoff.pause(fastrand::f64());
        let server = self.config.authority();
        warn!(server, "the xDS stream ended, retrying in {pause:.1?}, the active rules stay: {end}");
        sleep(pause).await;
    }
}
