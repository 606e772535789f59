//! Hints for the operator about a Redis that refuses to count.

use crate::{Credentials, refusal};

/// The ACL rules that a user needs, on a standalone Redis, behind sentinels or in a cluster.
pub const RIGHTS: &str = "+eval +evalsha +del +get +mget +set +incrby +pexpire +time +ping +cluster|slots +role";

/// The cure for this error of a sentinel's login, if one is known.
pub(super) fn of_sentinel(text: &str) -> Option<&'static str> {
    (lacks_auth(text) || lacks_password(text)).then_some(
        "this sentinel takes no password: leave it out of REDIS_SENTINEL_AUTH and of the URLs in the list, or enable \
         AUTH",
    )
}

/// Whether the error says that AUTH is an unknown command.
fn lacks_auth(text: &str) -> bool {
    let command = text.strip_prefix("ERR unknown command").unwrap_or_default();
    command.trim_start_matches([' ', '\'', '`', '"']).to_ascii_lowercase().starts_with("auth")
}

/// Whether the error says that the server has no password, which is why it refuses AUTH.
fn lacks_password(text: &str) -> bool {
    text.starts_with("ERR Client sent AUTH, but no password is set")
        || text.starts_with("ERR AUTH <password> called without any password configured")
}

/// The cure for this error, if one is known. `has_slots`: it came from a server that is configured as a node of a
/// cluster.
pub(super) fn of(text: &str, has_slots: bool, credentials: &Credentials, prefix: &str) -> Option<String> {
    if lacks_auth(text) {
        let cure = "this Redis takes no password: leave it out of REDIS_URL and REDIS_AUTH, or enable AUTH";
        return Some(cure.to_owned());
    }
    if lacks_password(text) {
        let cure = "this Redis takes no password: leave it out of REDIS_URL and REDIS_AUTH, or set one in Redis";
        return Some(cure.to_owned());
    }
    if refusal::is_unknown_command(text) {
        return Some(
            "counting needs EVAL and EVALSHA, and in the script GET, MGET, SET and TIME: make them available under \
             these names (rename-command, or a proxy before this Redis, has removed one)"
                .to_owned(),
        );
    }
    if matches!(refusal::code(text), "NOAUTH" | "WRONGPASS") {
        return None;
    }
    if refusal::of(text) == limiter::domain::Refusal::NotPermitted {
        let user = match credentials {
            Credentials::Fixed { user: Some(user), .. } => user,
            Credentials::Fixed { user: None, .. } | Credentials::None => "default",
            Credentials::File(_) => "USER",
        };
        // keys and commands separately: ACL SETUSER rejects a key pattern for a user that has access to all keys
        let lacks = if text.contains(" key") {
            format!("~{}*", escaped(prefix))
        } else if text.contains("'select'") {
            format!("{RIGHTS} +select")
        } else {
            RIGHTS.to_owned()
        };
        return Some(format!("allow the user `{user}` to count: ACL SETUSER {user} {lacks}"));
    }
    let cure = match refusal::code(text) {
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" if !has_slots => {
            "this Redis is a node of a cluster: set REDIS_TYPE=CLUSTER (of the second Redis, REDIS_PERSECOND_TYPE); if \
             it is a proxy before one, REDIS_KEYS_PER_CALL=one (REDIS_PERSECOND_KEYS_PER_CALL)"
        }
        // the error of Alibaba's proxy
        "ERR" if !has_slots && text.contains("keys must be in same slot") => {
            "this is a proxy before a cluster: set REDIS_KEYS_PER_CALL=one (of the second Redis, \
             REDIS_PERSECOND_KEYS_PER_CALL)"
        }
        "READONLY" => {
            "this Redis is a replica, which takes no writes: name its primary, or the sentinels with \
             REDIS_TYPE=SENTINEL"
        }
        "OOM" => "this Redis is full: raise its maxmemory, or remove what else it holds",
        "MISCONF" => {
            "this Redis cannot save its data and so takes no writes: see its log, or set stop-writes-on-bgsave-error no"
        }
        "NOREPLICAS" => "too few replicas are connected to this Redis: see its min-replicas-to-write",
        "WRONGTYPE" | "WRONGVALUE" => "another program writes keys of the same names: set a CACHE_KEY_PREFIX",
        "LOADING" => "this Redis is reading its data, and will count when it has finished",
        "ERR" if text.contains("DB index is out of range") => {
            "this Redis has fewer databases: leave the database number out of the URL, or raise its `databases`"
        }
        "ERR" if has_slots && text.contains("cluster support disabled") => {
            "this Redis is not a node of a cluster: set REDIS_TYPE=SINGLE (of the second Redis, REDIS_PERSECOND_TYPE)"
        }
        _ => return None,
    };
    Some(cure.to_owned())
}

/// Escapes a text to a glob pattern that matches only this text.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_a_prefix_matches_it_alone() {
        let cure = |prefix| {
            of("NOPERM this user has no permissions to access one of the keys", false, &Credentials::None, prefix)
        };
        assert!(cure("gate:").is_some_and(|cure| cure.ends_with("ACL SETUSER default ~gate:*")));
        assert!(cure("a[b]:").is_some_and(|cure| cure.ends_with(r"ACL SETUSER default ~a\[b\]:*")));
    }

    #[test]
    fn a_server_without_auth_is_not_one_without_scripts() {
        let cure = |text| of(text, false, &Credentials::None, "").expect("a cure");
        for text in ["ERR unknown command 'AUTH'", "ERR unknown command `auth`", "ERR unknown command AUTH"] {
            assert!(cure(text).ends_with("leave it out of REDIS_URL and REDIS_AUTH, or enable AUTH"), "{text}");
            assert!(of_sentinel(text).is_some());
        }
        assert!(cure("ERR Client sent AUTH, but no password is set").ends_with("or set one in Redis"));
        assert!(cure("ERR unknown command 'EVALSHA'").contains("EVALSHA"));
        assert!(of_sentinel("ERR unknown command 'SENTINEL'").is_none());
        assert!(cure("ERR DB index is out of range").contains("`databases`"));
    }

    #[test]
    fn a_database_needs_the_right_to_select() {
        let text = "NOPERM this user has no permissions to run the 'select' command";
        assert!(of(text, false, &Credentials::None, "").is_some_and(|cure| cure.ends_with(" +role +select")));
    }
}
