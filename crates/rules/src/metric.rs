//! The statistic that a match counts towards: one label for each level, named as in the reference.

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;

use super::{Match, Node, ValueKind, pattern::Network};
use limiter::domain::{Entry, Escaped};

/// One level of a statistic's name. Printed as `key` or `key_value`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricLevel<'a> {
    /// The rule's key.
    pub key: &'a str,
    /// The node's own value (see [`Node::value`]), or the value in the request; for a node with networks the canonical
    /// text of the request's address or network.
    pub value: Option<Cow<'a, [u8]>>,
}

impl fmt::Display for MetricLevel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}_{}", self.key, Escaped(value)),
            None => f.write_str(self.key),
        }
    }
}

/// The name of a statistic, level by level.
pub type MetricLevels<'a> = SmallVec<[MetricLevel<'a>; 4]>;

impl Node {
    /// This node's level of the name, independent of any request.
    #[must_use]
    pub fn metric_level(&self) -> MetricLevel<'_> {
        MetricLevel { key: self.key(), value: self.value.bytes().map(Cow::Borrowed) }
    }
}

impl<'a> Match<'a> {
    /// The levels of the rule's own statistic, independent of any request.
    pub fn static_levels(&self) -> impl ExactSizeIterator<Item = MetricLevel<'a>> {
        self.path.iter().map(|node| node.metric_level())
    }

    /// The levels for this request, if they differ from [`static_levels`](Self::static_levels): `detailed_metric` on
    /// the matched node inserts the request's value at each level, `value_to_metric` at its own level. A level with
    /// `share_threshold` always keeps the pattern.
    ///
    /// `entries` are those that were matched.
    #[must_use]
    pub fn metric_levels<'e>(&self, entries: &[Entry<'e>]) -> Option<MetricLevels<'e>>
    where
        'a: 'e,
    {
        if !self.rule.varying_metric {
            return None;
        }
        let detailed = self.path.last().is_some_and(|node| node.detailed_metric());
        // the reference writes an empty value as `key_`, unless some level has share_threshold, which takes another
        // path there
        let empty = if self.path.iter().any(|node| node.share_threshold()) { None } else { Some(&b""[..]) };
        let level = |(node, entry): (&&'a Node, &Entry<'e>)| {
            let value = match () {
                () if node.share_threshold() => node.value.bytes(),
                () if detailed && entry.value.is_empty() => empty,
                () if detailed || node.value_to_metric() => Some(entry.value).filter(|value| !value.is_empty()),
                () => node.value.bytes(),
            };
            let usual = |value| node.network(value).filter(|_| !node.share_threshold()).map(Network::usual);
            let value =
                value.map(|value| usual(value).map_or(Cow::Borrowed(value), |usual| Cow::Owned(usual.into_bytes())));
            MetricLevel { key: node.key(), value }
        };
        let levels: MetricLevels<'e> = self.path.iter().zip(entries).map(level).collect();
        let differs = levels.iter().zip(&self.path).any(|(level, node)| *level != node.metric_level());
        differs.then_some(levels)
    }
}

/// Whether the statistics of a rule at the end of `path` can depend on the request.
pub(super) fn varies<'a>(path: impl IntoIterator<Item = &'a Node>, detailed: bool) -> bool {
    path.into_iter().any(|node| {
        let any_value = node.value_kind() != ValueKind::Exact && !node.share_threshold();
        any_value && (detailed || node.value_to_metric())
    })
}
