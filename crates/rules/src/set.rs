//! The rules of all domains: domains by name, rules by id.

use std::{
    fmt,
    hash::{BuildHasher, Hasher as _},
    sync::Arc,
};

use hashbrown::HashTable;

use super::{Domain, Match, Node, RuleId, node_index::Hasher};

/// A domain's index within its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainIndex(u32);

/// The rules of all domains. Immutable.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// Sorted by name.
    pub(super) domains: Box<[Domain]>,
    pub(super) by_name: HashTable<u32>,
    pub(super) hasher: Hasher,
    pub(super) files: Box<[Arc<str>]>,
    pub(super) rule_count: u32,
}

/// A domain or rule whose counters are charged all or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllOrNone<'a> {
    /// The domain's name.
    pub domain: &'a str,
    /// The file and line of a rule with several limits; `None` if the whole domain is atomic.
    pub rule: Option<(&'a str, u32)>,
}

impl fmt::Display for AllOrNone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, rule } = self;
        match rule {
            Some((file, line)) => write!(f, "{file}:{line}: a rule of domain `{domain}` has several rate_limits"),
            None => write!(f, "the domain `{domain}` is `atomic: true`"),
        }
    }
}

/// The hash by which a domain is looked up. Rules and requests hash bytes alike, because a `str` has another hash.
pub(super) fn domain_hash(hasher: &Hasher, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    state.finish()
}

impl RuleSet {
    /// Returns the rules of a domain; `None` if there are none.
    #[must_use]
    pub fn domain(&self, name: impl AsRef<[u8]>) -> Option<&Domain> {
        self.domain_index(name).map(|index| self.domain_at(index))
    }

    /// Returns the index of the domain with this name; it outlives a borrow of the set. `None` if there is none.
    #[must_use]
    pub fn domain_index(&self, name: impl AsRef<[u8]>) -> Option<DomainIndex> {
        let name = name.as_ref();
        let at = self.by_name.find(domain_hash(&self.hasher, name), |at| self.domains[*at as usize].is_named(name))?;
        Some(DomainIndex(*at))
    }

    /// Returns the domain with an index that this set returned.
    ///
    /// # Panics
    /// If the index belongs to another set, with more domains.
    #[must_use]
    #[inline]
    pub fn domain_at(&self, index: DomainIndex) -> &Domain {
        &self.domains[index.0 as usize]
    }

    /// All domains, sorted by name.
    pub fn domains(&self) -> impl ExactSizeIterator<Item = &Domain> {
        self.domains.iter()
    }

    /// The number of rules. Their ids are 0, 1, … up to this number, exclusive.
    #[must_use]
    pub fn rule_count(&self) -> u32 {
        self.rule_count
    }

    /// All rules by id, each with its domain and the nodes on the path to it.
    pub fn rules(&self) -> impl Iterator<Item = (&Domain, Match<'_>)> {
        self.domains.iter().flat_map(|domain| domain.rules.iter().map(move |rule| (domain, domain.as_match(rule))))
    }

    /// Returns one rule, with its domain and the nodes on the path to it.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<(&Domain, Match<'_>)> {
        // if several domains begin at the same id, all but the last are without rules
        let behind = self.domains.partition_point(|domain| domain.first_rule <= id.0);
        let domain = self.domains.get(behind.checked_sub(1)?)?;
        let rule = domain.rules.get((id.0 - domain.first_rule) as usize)?;
        Some((domain, domain.as_match(rule)))
    }

    /// Returns the first atomic domain, else the first rule with several limits.
    #[must_use]
    pub fn all_or_none(&self) -> Option<AllOrNone<'_>> {
        let domain = self.domains.iter().find(|domain| domain.atomic);
        let of_domain = domain.map(|domain| AllOrNone { domain: &domain.name, rule: None });
        of_domain.or_else(|| {
            let (domain, found) = self.rules().find(|(_, found)| found.rule.limits().len() > 1)?;
            let rule = found.path.last().map(|node| self.location(node));
            Some(AllOrNone { domain: &domain.name, rule })
        })
    }

    /// The file and line of a node of this set.
    #[must_use]
    pub fn location(&self, node: &Node) -> (&str, u32) {
        (self.files.get(node.file as usize).map_or("", |name| name), node.line)
    }
}
