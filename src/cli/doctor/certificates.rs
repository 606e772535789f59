//! Certificates and keys of the listeners, and of the clients of Redis and of the xDS server; the trusted CAs. Checks
//! their dates, and who may read the keys.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Check, blocking, finding::Finding};
use crate::{
    app::{self, Config, StoreConfig},
    source::SourceConfig,
};
use tls::{ClientFiles, Validity, validities};

/// How long before the expiry of a certificate to warn: a week earlier than the service does.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn check(config: &Arc<Config>) -> Check {
    let config = Arc::clone(config);
    Check::new("certificates", blocking("certificates", move || inspect(&config, SystemTime::now())))
}

fn inspect(config: &Config, now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (listener, loaded) in app::certificates(config) {
        let name = match listener {
            "grpc" => "grpc certificate",
            "http" => "http certificate",
            _ => "metrics certificate",
        };
        findings.push(match loaded {
            Ok(tls) => dated(name, "it", tls.validity(), now),
            Err(error) => Finding::fail(name, error.to_string()),
        });
    }
    let metrics = config.metrics.as_ref().and_then(|metrics| metrics.tls.as_ref());
    let grpc = config.grpc.tls.as_ref();
    let listeners = [grpc.map(|grpc| &grpc.identity), config.http.tls.as_ref(), metrics];
    let mut keys: Vec<_> = listeners.into_iter().flatten().map(|identity| identity.key.as_path()).collect();
    if let Some(clients) = grpc.and_then(|grpc| grpc.clients.as_ref()) {
        findings.extend(authorities("client authorities", &clients.ca, now));
    }
    for ClientTls { certificate, authority, files: ClientFiles { identity, ca, .. } } in clients(config) {
        if let Some(identity) = identity {
            findings.push(client(certificate, &identity.certificate, now));
            keys.push(&identity.key);
        }
        findings.extend(ca.as_ref().and_then(|ca| authorities(authority, ca, now)));
    }
    keys.sort_unstable();
    keys.dedup();
    findings.extend(keys.into_iter().filter_map(readable_by_all));
    if findings.is_empty() {
        findings.push(Finding::ok("certificates", "none are set: no listener has TLS, no client has TLS files"));
    }
    findings
}

/// The TLS files of a client in the service, and the names of their findings. Whether key and certificate match is
/// checked when the client connects.
struct ClientTls<'c> {
    certificate: &'static str,
    authority: &'static str,
    files: &'c ClientFiles,
}

fn clients(config: &Config) -> impl Iterator<Item = ClientTls<'_>> {
    let redis = match &config.store {
        #[cfg(feature = "redis")]
        StoreConfig::Redis(redis) => redis.tls(),
        StoreConfig::Memory(_) => None,
    };
    let redis =
        redis.map(|files| ClientTls { certificate: "redis certificate", authority: "redis authorities", files });
    let xds = match &config.rules.source {
        SourceConfig::Xds(xds) => xds.tls.as_ref(),
        SourceConfig::Files(_) => None,
    };
    let xds =
        xds.map(|tls| ClientTls { certificate: "xds certificate", authority: "xds authorities", files: &tls.files });
    redis.into_iter().chain(xds)
}

/// A finding about the certificate that a client presents: the first one in its file.
fn client(name: &'static str, path: &Path, now: SystemTime) -> Finding {
    match validities("client certificate", path) {
        Ok(all) => all.first().map_or_else(
            || Finding::fail(name, format!("{} contains no certificate", path.display())),
            |first| dated(name, &path.display().to_string(), *first, now),
        ),
        Err(error) => Finding::fail(name, error.to_string()),
    }
}

/// A finding about a CA bundle, by the latest expiry in it: some of its certificates may have expired.
fn authorities(name: &'static str, path: &Path, now: SystemTime) -> Option<Finding> {
    let all = match validities("authorities", path) {
        Ok(all) => all,
        Err(error) => return Some(Finding::fail(name, error.to_string())),
    };
    let last = all.into_iter().max_by_key(|validity| validity.not_after)?;
    Some(dated(name, &path.display().to_string(), last, now))
}

fn dated(name: &'static str, what: &str, validity: Validity, now: SystemTime) -> Finding {
    let day = |time| humantime::format_rfc3339_seconds(time).to_string();
    let Validity { not_before, not_after } = validity;
    if not_after < now {
        return Finding::fail(name, format!("{what} expired on {}", day(not_after)))
            .cure("put one there that is valid, or set this machine's clock");
    }
    if not_before > now {
        return Finding::warn(name, format!("{what} is not valid before {}", day(not_before)))
            .cure("peers reject it until then: set this machine's clock if that is behind");
    }
    if not_after < now + AHEAD {
        let days = not_after.duration_since(now).unwrap_or_default().as_secs() / (24 * 60 * 60);
        return Finding::warn(name, format!("{what} expires on {}, in {days} days", day(not_after)))
            .cure("renew it, and find out why it was not renewed");
    }
    Finding::ok(name, format!("{what} is valid until {}", day(not_after)))
}

/// Warns about a key that every user of the machine may read. A key that this user may not read is reported where it is
/// used.
fn readable_by_all(key: &Path) -> Option<Finding> {
    let mode = fs::metadata(key).ok()?.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then(|| {
        Finding::warn("key file", format!("{} can be read by every user (mode {mode:04o})", key.display()))
            .cure("chmod o-r; for a Secret in Kubernetes, set defaultMode: 0440 and an fsGroup")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn expiry_is_reported_two_weeks_ahead() {
        let day = Duration::from_secs(24 * 60 * 60);
        let now = SystemTime::UNIX_EPOCH + day * 20_000;
        for (from, to, verdict, part) in [
            (19_000, 20_400, Verdict::Ok, "is valid until 2025-11-08T00:00:00Z"),
            (19_000, 20_014, Verdict::Ok, "is valid until"),
            (19_000, 20_013, Verdict::Warn, "expires on 2024-10-17T00:00:00Z, in 13 days"),
            (19_000, 20_000, Verdict::Warn, "in 0 days"),
            (19_000, 19_999, Verdict::Fail, "expired on 2024-10-03T00:00:00Z"),
            (20_001, 20_400, Verdict::Warn, "is not valid before 2024-10-05T00:00:00Z"),
        ] {
            let at = |days: u32| SystemTime::UNIX_EPOCH + day * days;
            let finding = dated("c", "it", Validity { not_before: at(from), not_after: at(to) }, now);
            assert!(finding.verdict == verdict && finding.found.contains(part), "{from} to {to}: {finding:?}");
        }
    }
}
