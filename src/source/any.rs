//! A source of either kind: files or xDS.

use std::sync::Arc;

use super::{
    BadHeader, ContentHash, FileSource, FileSourceConfig, Location, ReadError, Snapshot, XdsConfig, XdsSnapshot,
    XdsSource, XdsStats, XdsUpdate,
};
use rules::{RuleFile, RuleResource};

/// The configuration of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    /// Rules from files.
    Files(FileSourceConfig),
    /// Rules from an xDS server.
    Xds(Box<XdsConfig>),
}

impl SourceConfig {
    /// The location of the rule files; `None` for an xDS server.
    #[must_use]
    pub const fn location(&self) -> Option<&Location> {
        match self {
            Self::Files(files) => Some(&files.location),
            Self::Xds(_) => None,
        }
    }
}

/// A source of rules.
#[derive(Debug)]
pub enum Source {
    /// Rules from files.
    Files(FileSource),
    /// Rules from an xDS server.
    Xds(Box<XdsSource>),
}

/// What a source yields.
#[derive(Debug)]
pub enum SourceUpdate {
    /// A new rule set, to be compiled.
    Rules(RawRules),
    /// The source has sent the active rules again.
    Unchanged,
    /// The rules cannot be read.
    Unreadable(ReadError),
}

/// A complete rule set before compilation. It may be empty, which means no rules.
#[derive(Debug)]
pub struct RawRules {
    /// The hash of the content.
    pub hash: ContentHash,
    /// The content itself.
    pub content: Content,
}

/// The input of the compiler. It is kept, because changed defaults require compiling it again.
#[derive(Debug)]
pub enum Content {
    /// Rule files, not parsed yet.
    Files(Vec<RuleFile>),
    /// Decoded xDS resources.
    Resources(Vec<RuleResource>),
}

impl Source {
    /// A source that does no I/O before the first [`Source::next`], and the statistics of its xDS server, if it has
    /// one.
    ///
    /// # Errors
    /// If a configured header cannot be sent as gRPC metadata.
    pub fn new(config: SourceConfig) -> Result<(Self, Option<Arc<XdsStats>>), BadHeader> {
        match config {
            SourceConfig::Files(files) => Ok((Self::Files(FileSource::new(files)), None)),
            SourceConfig::Xds(xds) => {
                let stats = Arc::new(XdsStats::new(xds.tls.is_some()));
                let source = XdsSource::new(*xds, Arc::clone(&stats))?;
                Ok((Self::Xds(Box::new(source)), Some(stats)))
            }
        }
    }

    /// Waits for the next update. Not cancellation safe: after dropping the future, drop the source too.
    pub async fn next(&mut self) -> SourceUpdate {
        match self {
            Self::Files(files) => match files.next().await {
                Ok(Snapshot { hash, files }) => SourceUpdate::Rules(RawRules { hash, content: Content::Files(files) }),
                Err(error) => SourceUpdate::Unreadable(error),
            },
            Self::Xds(xds) => match xds.next().await {
                XdsUpdate::Snapshot(XdsSnapshot { hash, resources }) => {
                    SourceUpdate::Rules(RawRules { hash, content: Content::Resources(resources) })
                }
                XdsUpdate::Unchanged => SourceUpdate::Unchanged,
            },
        }
    }

    /// Reports the outcome of the rules that [`Source::next`] returned last: an xDS server gets an ACK, or a NACK with
    /// these errors, one per line. No effect for files.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        match self {
            Self::Files(_) => {}
            Self::Xds(xds) => xds.settle(outcome).await,
        }
    }
}
