//! The subscription over time: what was accepted, what was refused, and which replies are due.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info, warn};

use super::{
    BadHeader, XdsConfig, XdsStats,
    backoff::{Backoff, SHORTEST},
    decode::Sent,
    nack,
    request::Requests,
    stream::{AdsStream, Ended},
};
use rules::RuleResource;

use crate::source::{ContentHash, blocking};

/// Between the replies to two snapshots: a server that floods new ones gets a hundred replies a second.
const BETWEEN_NEW: Duration = Duration::from_millis(10);

/// Before the reply to a repeated snapshot: some servers send it again as soon as it is refused.
const BETWEEN_REPEATS: Duration = Duration::from_secs(1);

/// What the source yields.
#[derive(Debug)]
pub enum XdsUpdate {
    /// New rules. The server waits for [`XdsSource::settle`].
    Snapshot(XdsSnapshot),
    /// The server has sent the rules that are in force already. It has been acknowledged.
    Unchanged,
}

/// One whole rule set. It may be empty, which means: no rules.
#[derive(Debug)]
pub struct XdsSnapshot {
    /// By name.
    pub resources: Vec<RuleResource>,
    /// Of all of them, in any order.
    pub hash: ContentHash,
}

/// The rules of one server, over time. Drop it to end the stream.
#[derive(Debug)]
pub struct XdsSource {
    config: XdsConfig,
    requests: Requests,
    stats: Arc<XdsStats>,
    stream: Option<AdsStream>,
    backoff: Backoff,
    /// What was accepted last: its version, which may be older than its content.
    version: String,
    in_force: Option<ContentHash>,
    /// What was refused last, unless something was accepted since.
    refused: Option<(ContentHash, String)>,
    /// The snapshot that the caller has to settle.
    unsettled: Option<(ContentHash, Answered)>,
    /// A reply that is not due yet.
    waiting: Option<(Instant, Reply)>,
    /// When the last reply was sent, and to which version.
    replied: Option<(Instant, String)>,
    /// The last error of connecting that was logged: a repeated one is not logged again.
    logged: Option<String>,
}

/// The response that a reply is to.
#[derive(Debug)]
struct Answered {
    version: String,
    nonce: String,
}

#[derive(Debug)]
struct Reply {
    to: Answered,
    fault: Option<String>,
}

enum Event {
    Response(DiscoveryResponse),
    Due(Reply),
    Ended(Ended),
}

impl XdsSource {
    /// Connects to nothing before [`XdsSource::next`] does.
    ///
    /// # Errors
    /// If a header cannot be sent.
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
            in_force: None,
            refused: None,
            unsettled: None,
            waiting: None,
            replied: None,
            logged: None,
        })
    }

    /// Waits for rules from the server, connecting as often as it takes. Rules that cannot be decoded are refused here.
    /// Not cancellation safe: a caller that drops the future drops the source too.
    ///
    /// Runs on a Tokio runtime with timers and IO enabled, and decodes on its blocking threads.
    pub async fn next(&mut self) -> XdsUpdate {
        loop {
            match self.event().await {
                Event::Response(response) => {
                    if let Some(snapshot) = self.take(response).await {
                        return XdsUpdate::Snapshot(snapshot);
                    }
                }
                Event::Due(reply) => {
                    let unchanged = reply.fault.is_none();
                    self.reply(reply).await;
                    if unchanged {
                        return XdsUpdate::Unchanged;
                    }
                }
                Event::Ended(ended) => self.close(&ended).await,
            }
        }
    }

    /// Acknowledges the snapshot that [`XdsSource::next`] returned last, or refuses it for these faults, a line each.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        let Some((hash, to)) = self.unsettled.take() else { return };
        match outcome {
            Ok(()) => {
                self.in_force = Some(hash);
                self.reply(Reply { to, fault: None }).await;
            }
            Err(faults) => self.refuse(hash, to, nack::text([faults.as_str()])).await,
        }
    }

    async fn event(&mut self) -> Event {
        if self.stream.is_none() {
            self.stream = Some(self.open().await);
        }
        if let Some((_, reply)) = self.waiting.take_if(|(due, _)| *due <= Instant::now()) {
            return Event::Due(reply);
        }
        let Some(stream) = &mut self.stream else { return Event::Ended(Ended::ByServer) };
        let due = self.waiting.as_ref().map_or_else(Instant::now, |(due, _)| *due);
        tokio::select! {
            // a server that never pauses gets its reply all the same
            biased;
            () = sleep_until(due), if self.waiting.is_some() => {}
            response = stream.next() => return response.map_or_else(Event::Ended, Event::Response),
        }
        match self.waiting.take() {
            Some((_, reply)) => Event::Due(reply),
            None => Event::Ended(Ended::ByServer),
        }
    }

    /// The snapshot, if the caller has to decide on it.
    async fn take(&mut self, response: DiscoveryResponse) -> Option<XdsSnapshot> {
        self.backoff.reset();
        // a reply that waits is to a snapshot that this one supersedes
        self.waiting = None;
        let began = Instant::now();
        let DiscoveryResponse { version_info: version, nonce, resources, type_url, .. } = response;
        let to = Answered { version, nonce };
        let sent = Sent { type_url, resources };
        let (hash, sent) = blocking(move || (sent.hash(), sent)).await;
        debug!(version = to.version, nonce = to.nonce, %hash, resources = sent.resources.len(), "xDS response");

        let known = self.known(&hash);
        if known.is_some() {
            // bounds the cost of a flood of them to a quarter of a core
            sleep(began.elapsed() * 3).await;
        }
        let replied = self.replied.as_ref();
        let is_repeat = known.is_some() && replied.is_some_and(|(_, version)| *version == to.version);
        let due = replied.map_or(began, |(at, _)| *at + if is_repeat { BETWEEN_REPEATS } else { BETWEEN_NEW });
        if !is_repeat {
            // a new snapshot is not superseded before its reply
            sleep_until(due).await;
        }
        if let Some(fault) = known {
            self.waiting = Some((due, Reply { to, fault }));
            return None;
        }
        match blocking(move || sent.decode()).await {
            Ok(resources) => {
                self.unsettled = Some((hash, to));
                Some(XdsSnapshot { resources, hash })
            }
            Err(faults) => {
                let fault = nack::text(faults.iter().map(String::as_str));
                error!(version = to.version, "rules over xDS cannot be decoded, those in force stay:\n{fault}");
                self.refuse(hash, to, fault).await;
                None
            }
        }
    }

    /// The reply to a snapshot whose outcome is known: a fault, or none if it is in force.
    #[allow(clippy::option_option)]
    fn known(&self, hash: &ContentHash) -> Option<Option<String>> {
        match &self.refused {
            _ if self.in_force.as_ref() == Some(hash) => Some(None),
            Some((refused, fault)) if refused == hash => Some(Some(fault.clone())),
            _ => None,
        }
    }

    async fn refuse(&mut self, hash: ContentHash, to: Answered, fault: String) {
        self.refused = Some((hash, fault.clone()));
        self.reply(Reply { to, fault: Some(fault) }).await;
    }

    async fn reply(&mut self, Reply { to, fault }: Reply) {
        self.replied = Some((Instant::now(), to.version.clone()));
        match &fault {
            None => {
                if self.refused.take().is_some() {
                    info!(version = to.version, "the xDS server's rules are good again");
                }
                self.version = to.version;
                self.stats.accepted(&self.version);
            }
            Some(_) => self.stats.refused(),
        }
        // if the stream has ended meanwhile, the next one begins with the version that was accepted
        let Some(stream) = &mut self.stream else { return };
        let request = self.requests.request(&self.version, &to.nonce, fault.as_deref());
        match stream.send(request).await {
            Ok(()) if fault.is_none() => self.stats.acked(),
            Ok(()) => self.stats.nacked(),
            Err(ended @ Ended::NotReading) => self.close(&ended).await,
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
                        warn!(server, "cannot connect to the xDS server, trying again every {pause:?}: {message}");
                        self.logged = Some(message);
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    /// Ends the stream, and waits before the next one.
    async fn close(&mut self, ended: &Ended) {
        let stream = self.stream.take();
        self.stats.closed();
        self.waiting = None;
        if stream.is_some_and(|stream| stream.opened.elapsed() > self.config.backoff.max) {
            // it lasted long enough to count as a success
            self.backoff.reset();
        }
        let pause = self.backoff.pause(fastrand::f64());
        let server = self.config.authority();
        warn!(server, "the xDS stream ended, another one follows in {pause:.1?} and the rules stay: {ended}");
        sleep(pause).await;
    }
}
