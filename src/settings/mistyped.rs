//! Names in the environment that are not variables of the service, but look like one that was mistyped or guessed.

use super::variables::{FAMILIES, TABLE};
use limiter::domain::slip;

/// The most names that get a warning of their own.
const MOST: usize = 20;

/// Names that people guess, and the variables that have the expected effect.
const GUESSES: &[(&str, &str)] = &[
    ("CONFIG_PATH", "RULES"),
    ("FAIL_MODE", "FAILURE_MODE"),
    ("GRPC_ADDR", "GRPC_HOST and GRPC_PORT"),
    ("HTTP_HOST", "HOST"),
    ("HTTP_PORT", "PORT"),
    ("METRICS_ADDR", "PROMETHEUS_ADDR"),
    ("METRICS_PORT", "PROMETHEUS_ADDR"),
    ("PROMETHEUS_PORT", "PROMETHEUS_ADDR"),
    ("RATELIMIT_CONFIG", "RULES"),
    ("REDIS_ADDR", "REDIS_URL"),
    ("REDIS_ADDRESS", "REDIS_URL"),
    ("REDIS_HOST", "REDIS_URL"),
    ("REDIS_PASSWORD", "REDIS_AUTH"),
    ("REDIS_USERNAME", "REDIS_AUTH"),
    ("RULES_DIR", "RULES"),
    ("RULES_DIRECTORY", "RULES"),
    ("RULES_FILE", "RULES"),
    ("RULES_PATH", "RULES"),
    ("RUNTIME_APP_DIRECTORY", "RUNTIME_APPDIRECTORY"),
];

/// Names that well-known deployments set although the reference does not read them either.
const OF_OTHERS: &[&str] = &["GRPC_SERVER_TLS_CA_CERT"]; // Envoy Gateway's

/// One warning for each suspicious name. `names`: all non-empty variables of the environment, sorted.
pub(super) fn warnings(names: &[String]) -> Vec<String> {
    let found = names.iter().filter_map(|name| Some((name, meant(name, names)?)));
    let warning =
        |name, meant| format!("{name} is not a variable of this service and has no effect; did you mean {meant}?");
    let mut warnings: Vec<String> = found.map(|(name, meant)| warning(name, meant)).collect();
    if warnings.len() > MOST {
        let more = warnings.len() - MOST;
        warnings.truncate(MOST);
        warnings.push(format!("{more} more names in the environment look like mistyped variables of this service"));
    }
    warnings
}

/// The variable that this name was probably meant to be.
fn meant(name: &str, names: &[String]) -> Option<&'static str> {
    let is_known = |name: &str| {
        TABLE.iter().any(|variable| variable.name == name)
            || FAMILIES.iter().any(|family| name.starts_with(family.prefix))
    };
    if is_known(name) || OF_OTHERS.contains(&name) || is_service_link(name, names) {
        return None;
    }
    // Other programs in the container may use these names, and templates compose REDIS_URL from REDIS_HOST: no warning
    // if the meant variable is set.
    let is_set = |meant: &str| names.iter().any(|name| meant.split(" and ").any(|meant| meant == name));
    let bare = name.strip_prefix("TOLLGATE_").unwrap_or(name);
    let guess = GUESSES.iter().find(|(guess, _)| guess.eq_ignore_ascii_case(bare));
    if let Some((_, meant)) = guess.filter(|(_, meant)| !is_set(meant)) {
        return Some(meant);
    }
    slip(bare, TABLE.iter().map(|variable| variable.name))
}

/// Whether Kubernetes, or a container link, sets a variable of this form for each service of the namespace: for `redis`
/// `REDIS_SERVICE_HOST`, `REDIS_PORT` (`tcp://…`), `REDIS_PORT_6379_TCP_ADDR` and others.
fn is_service_link(name: &str, names: &[String]) -> bool {
    let of_service = |service: &str| names.iter().any(|name| name.strip_suffix("_SERVICE_HOST") == Some(service));
    let numbered = |rest: &str| {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < rest.len() && (digits.starts_with("_TCP") || digits.starts_with("_UDP"))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.strip_suffix("_PORT").is_some_and(of_service)
        || name.match_indices("_PORT_").any(|(at, part)| numbered(&name[at + part.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(names: &[&str]) -> Vec<String> {
        warnings(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_mistyped_name_is_reported_with_the_likely_one() {
        for (name, meant) in [
            ("RULSE", "RULES"),
            ("GRPC_PROT", "GRPC_PORT"),
            ("REDIS_ULR", "REDIS_URL"),
            ("REDISURL", "REDIS_URL"),
            ("redis_url", "REDIS_URL"),
            ("FAILUREMODE", "FAILURE_MODE"),
            ("BACKEND_TPYE", "BACKEND_TYPE"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("SHADOW_MOD", "SHADOW_MODE"),
            ("USE_PROMETEUS", "USE_PROMETHEUS"),
            ("TOLLGATE_RULES", "RULES"),
            ("REDIS_PASSWORD", "REDIS_AUTH"),
            ("RULES_PATH", "RULES"),
            ("RULES_DIRECTORY", "RULES"),
            ("FAIL_MODE", "FAILURE_MODE"),
            ("CONFIG_GRPC_XDS_SERVER_ULR", "CONFIG_GRPC_XDS_SERVER_URL"),
        ] {
            let [warning] = &warned(&[name])[..] else { unreachable!("{name}: no warning, or several") };
            assert!(warning.starts_with(&format!("{name} is not a variable")), "{warning}");
            assert!(warning.ends_with(&format!("did you mean {meant}?")), "{warning}");
        }
    }

    #[test]
    fn variables_of_other_programs_are_not_reported() {
        for name in [
            "GRPC_SERVER_TLS_CA_CERT",
            "HOSTNAME",
            "HOME",
            "PATH",
            "PWD",
            "LANG",
            "TERM",
            "USER",
            "SHELL",
            "TZ",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "NO_COLOR",
            "SSL_CERT_FILE",
            "HTTP_PROXY",
            "POD_NAME",
            "POD_IP",
            "GOMAXPROCS",
            "MALLOC_ARENA_MAX",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_SERVICE_PORT_HTTPS",
            "KUBERNETES_PORT",
            "KUBERNETES_PORT_443_TCP_ADDR",
            "REDIS_SERVICE_HOST",
            "REDIS_SERVICE_PORT",
            "REDIS_PORT",
            "REDIS_PORT_6379_TCP_PROTO",
            "GRPC_PORTS_SERVICE_PORT",
            "TOLLGATE_SERVICE_HOST",
            "TOLLGATE_PORT_8081_TCP",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ] {
            assert_eq!(warned(&[name]), [""; 0], "{name}");
        }
        for variable in TABLE {
            assert_eq!(warned(&[variable.name]), [""; 0], "{}", variable.name);
        }
        assert_eq!(warned(&["REDIS_HOST", "REDIS_URL"]), [""; 0], "a template has used it");
        assert_eq!(warned(&["TOLLGATE_PORT", "TOLLGATE_SERVICE_HOST"]), [""; 0], "of a Service named tollgate");
    }

    #[test]
    fn the_number_of_warnings_is_bounded() {
        let names: Vec<String> = (b'A'..=b'Z').map(|letter| format!("RULES{}", char::from(letter))).collect();
        assert_eq!(warnings(&names).len(), MOST + 1);
    }
}
