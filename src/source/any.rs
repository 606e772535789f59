//! A source of either kind.

use std::sync::Arc;

use super::{
    BadHeader, ContentHash, FileSource, FileSourceConfig, Location, ReadError, XdsConfig, XdsSource, XdsStats,
    XdsUpdate,
};
use rules::{RuleFile, RuleResource};

/// Where rules come from, before anything is read.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    /// Files.
    Files(FileSourceConfig),
    /// An xDS server.
    Xds(Box<XdsConfig>),
}

impl SourceConfig {
    /// Where the files are, if that is where the rules come from.
    #[must_use]
    pub const fn location(&self) -> Option<&Location> {
        match self {
            Self::Files(files) => Some(&files.location),
            Self::Xds(_) => None,
        }
    }
}

/// Where rules come from.
#[derive(Debug)]
pub enum Source {
    /// Files.
    Files(FileSource),
    /// An xDS server.
    Xds(Box<XdsSource>),
}

/// What a source yields.
#[derive(Debug)]
pub enum News {
    /// A whole rule set, to be compiled.
    Rules(RawRules),
    /// The source has sent the rules that are in force already.
    Unchanged,
    /// The rules cannot be read.
    Unreadable(ReadError),
}

/// One whole rule set, not compiled yet. It may be empty, which means: no rules.
#[derive(Debug)]
pub struct RawRules {
    /// Of the content.
    pub hash: ContentHash,
    /// The rules.
    pub content: Content,
}

/// Rules that can be compiled, more than once.
#[derive(Debug)]
pub enum Content {
    /// Files, which ought to be YAML.
    Files(Vec<RuleFile>),
    /// Resources of xDS.
    Resources(Vec<RuleResource>),
}

impl Source {
    /// Reads no file and connects to nothing before [`Source::next`] does. With an xDS server there are statistics of it.
    ///
    /// # Errors
    /// If a header for the xDS server cannot be sent.
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

    /// Waits for news. Not cancellation safe: a caller that drops the future drops the source too.
    pub async fn next(&mut self) -> News {
        match self {
            Self::Files(files) => match files.next().await {
                Ok(snapshot) => News::Rules(RawRules { hash: snapshot.hash, content: Content::Files(snapshot.files) }),
                Err(error) => News::Unreadable(error),
            },
            Self::Xds(xds) => match xds.next().await {
                XdsUpdate::Snapshot(snapshot) => {
                    News::Rules(RawRules { hash: snapshot.hash, content: Content::Resources(snapshot.resources) })
                }
                XdsUpdate::Unchanged => News::Unchanged,
            },
        }
    }

    /// Acknowledges the rules that [`Source::next`] returned last, or refuses them for these faults, a line each. Of no
    /// effect for files.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        match self {
            Self::Files(_) => {}
            Self::Xds(xds) => xds.settle(outcome).await,
        }
    }
}
