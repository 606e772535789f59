//! Requests for a domain without rules. They pass uncounted, which is rarely intended: one per minute is logged, with
//! the most similar known domain.

use super::ActiveRules;
use limiter::domain::{Escaped, Request, likely};

/// The most bytes of a domain that are logged.
const SHOWN: usize = 100;
/// The most known domains that an unknown one is compared with.
const COMPARED: usize = 1000;

/// Counts the descriptors of a request whose domain is unknown, and logs it if a log line is due.
pub(super) fn record(active: &ActiveRules, request: &Request<'_>) {
    let stats = active.stats.stats();
    stats.domain_not_found(request.domain, request.descriptors.len() as u64);
    if let Some(count) = stats.unknown_domain_line_due() {
        warn(active, request.domain, count);
    }
}

#[cold]
fn warn(active: &ActiveRules, domain: &[u8], count: u64) {
    let shown = Escaped(&domain[..domain.len().min(SHOWN)]).to_string();
    let known = active.rules.domains().take(COMPARED).map(|domain| &**domain.name());
    let likely = std::str::from_utf8(domain).ok().and_then(|domain| likely(domain, known));
    let cure = likely.map_or_else(
        || "add it to the rules, or correct it in Envoy's configuration".to_owned(),
        |likely| format!("did you mean `{likely}`?"),
    );
    tracing::warn!(
        domain = shown,
        count,
        "no limit applies: no rules have this domain, so its requests pass uncounted; {cure} (one line per minute; \
         counted in ratelimit_service_rate_limit_domain_not_found)"
    );
}
