//! Finds where many regular expressions are tried one after the other. The cost of patterns with `*` and of networks
//! does not grow with their number; a value is read once for each regular expression.

use std::fmt;

use super::RuleSet;

/// More siblings with a regular expression than this are worth a warning: a value of 60 kB, the longest header that Envoy
/// takes by default, then costs some ten milliseconds.
pub const MANY: usize = 64;

/// Siblings with one key, many of which ask for a regular expression.
#[derive(Clone, Copy, Debug)]
pub struct RegexList<'r> {
    /// The domain.
    pub domain: &'r str,
    /// Their key.
    pub key: &'r str,
    /// File and line of the first.
    pub place: (&'r str, u32),
    /// How many regular expressions there are.
    pub count: usize,
}

/// Those with more than [`MANY`], by domain.
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
