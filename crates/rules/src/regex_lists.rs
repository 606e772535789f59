//! Finds long lists of regular expressions that are tried one after another. Matching globs and networks does not get
//! slower with their number; each regular expression reads the value once.

use std::fmt;

use super::RuleSet;

/// More regular expressions with one key than this cause a warning: a value of 60 kB, the longest header that Envoy
/// accepts by default, then costs some ten milliseconds.
pub const MANY: usize = 64;

/// Siblings with one key, many of which have a regular expression.
#[derive(Clone, Copy, Debug)]
pub struct RegexList<'r> {
    /// The name of the domain.
    pub domain: &'r str,
    /// The key of the siblings.
    pub key: &'r str,
    /// File and line of the first one.
    pub place: (&'r str, u32),
    /// The number of regular expressions.
    pub count: usize,
}

/// The lists with more than [`MANY`], by domain.
#[must_use]
pub fn long(rules: &RuleSet) -> Vec<RegexList<'_>> {
    let mut found = Vec::new();
    for domain in rules.domains() {
        for group in &domain.patterns {
            let mut regexes = group.regexes();
            let (count, first) = (regexes.len(), regexes.next());
            let first = first.and_then(|first| domain.nodes.get(first as usize)).filter(|_| count > MANY);
            found.extend(first.map(|node| RegexList {
                domain: domain.name(),
                key: node.key(),
                place: rules.location(node),
                count,
            }));
        }
    }
    found
}

impl fmt::Display for RegexList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, key, place: (file, line), count } = self;
        write!(
            f,
            "{file}:{line}: domain `{domain}`: a value of `{key}` is read once for each of {count} regexes, and a client \
             chooses its length: join them with `|` where they share a limit, or use `value` with `*`, of which any number \
             cost one reading"
        )
    }
}
