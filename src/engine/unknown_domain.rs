//! Requests for a domain that no rules have. They pass uncounted, which is rarely intended: one a minute is logged,
//! with the known domain whose name is closest.

use super::ActiveRules;
use limiter::domain::{Escaped, Request, likely};

/// At most this many bytes of a domain are logged.
const SHOWN: usize = 100;
/// At most this many domains are compared with it.
const COMPARED: usize = 1000;

/// Counts the descriptors of a request whose domain is unknown, and logs it if a line is due.
pub(super) fn record(live: &ActiveRules, request: &Request<'_>) {
    let stats = live.stats.stats();
    stats.domain_not_found(request.domain, request.descriptors.len() as u64);
    if let Some(count) = stats.unknown_domain_line_due() {
        warn(live, request.domain, count);
    }
}

#[cold]
fn warn(live: &ActiveRules, domain: &[u8], count: u64) {
    let shown = Escaped(&domain[..domain.len().min(SHOWN)]).to_string();
    let known = live.rules.domains().take(COMPARED).map(|domain| &**domain.name());
    let likely = std::str::from_utf8(domain).ok().and_then(|domain| likely(domain, known));
    let cure = likely.map_or_else(
        || "name it in the rules, or correct it in Envoy's configuration".to_owned(),
        |likely| format!("did you mean `{likely}`?"),
    );
    tracing::warn!(
        domain = shown,
        count,
        "no limit applies: no rules have this domain, so its requests pass uncounted; {cure} (one line a minute; \
         counted in ratelimit_service_rate_limit_domain_not_found)"
    );
}
