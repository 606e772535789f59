//! A source of either kind, for a caller that does not mind which.

use std::sync::Arc;

use super::{
    BadHeader, ContentHash, FileSource, FileSourceConfig, Location, ReadError, SourceFile, XdsConfig, XdsSource,
    XdsStats, XdsUpdate,
};
use crate::rules::{RuleFile, RuleResource};

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

/// What a source has to say.
#[derive(Debug)]
pub enum News {
    /// A whole rule set, to be compiled.
    Rules(RawRules),
    /// The source repeats what is in force.
    Unchanged,
    /// The rules cannot be read.
    Unreadable(ReadError),
}

/// One whole rule set as it came. It may be empty, which means: no rules.
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

    /// Waits for news. Never ends; a caller that drops the future before it is done drops the source too.
    pub async fn next(&mut self) -> News {
        match self {
            Self::Files(files) => match files.next().await {
                Ok(snapshot) => {
                    let file = |file: SourceFile| RuleFile { name: file.name, content: file.bytes };
                    let files = snapshot.files.into_iter().map(file).collect();
                    News::Rules(RawRules { hash: snapshot.hash, content: Content::Files(files) })
                }
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

    /// Tells the source what became of the rules that [`Source::next`] gave last: they are in force, or they are
    /// refused for these faults, a line each. Files do not care.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        match self {
            Self::Files(_) => {}
            Self::Xds(xds) => xds.settle(outcome).await,
        }
    }
}
