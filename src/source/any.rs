//! A source of either kind, for a caller that does not mind which.

use super::{ContentHash, FileSource, ReadError, XdsSource, XdsUpdate};
use crate::rules::{RuleFile, RuleResource};

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
    /// Waits for news. Never ends; a caller that drops the future before it is done drops the source too.
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

    /// Tells the source what became of the rules that [`Source::next`] gave last: they are in force, or they are
    /// refused for these faults, a line each. Files do not care.
    pub async fn settle(&mut self, outcome: Result<(), String>) {
        match self {
            Self::Files(_) => {}
            Self::Xds(xds) => xds.settle(outcome).await,
        }
    }
}
