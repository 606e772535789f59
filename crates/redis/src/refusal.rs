//! What an error reply of Redis means for the store.

use limiter::domain::Refusal;

/// The first word of an error: its code.
pub(super) fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// The refusal that the store reports for the error with this text.
pub(super) fn of(text: &str) -> Refusal {
    if is_denied_in_script(text) {
        return Refusal::NotPermitted;
    }
    match code(text) {
        "READONLY" | "NOREPLICAS" => Refusal::ReadOnly,
        "OOM" => Refusal::OutOfMemory,
        "WRONGTYPE" | "WRONGVALUE" => Refusal::WrongType,
        "NOPERM" | "NOAUTH" | "WRONGPASS" => Refusal::NotPermitted,
        "LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "CLOCK" => Refusal::NotReady,
        _ => Refusal::Other,
    }
}

/// Whether the ACL user that runs the script may not run one of its commands. There is no error code for that: Redis 7
/// says "The user executing the script can't run this command", Redis 8 "ACL failure in script".
fn is_denied_in_script(text: &str) -> bool {
    ["can't run this command", "ACL failure in script"].iter().any(|words| text.contains(words))
}

/// Whether a command is unknown: it was renamed, or a proxy does not support it.
pub(super) fn is_unknown_command(text: &str) -> bool {
    // in a script Redis 6 says "Unknown Redis command called from Lua script", Redis 7 "… from script", and Valkey
    // "Unknown command called …"
    text.starts_with("ERR unknown command")
        || ["Unknown Redis command called from", "Unknown command called from"].iter().any(|words| text.contains(words))
}

/// Whether this error will recur until an operator corrects the setup: until then Redis counts nothing, however quickly
/// it answers. `has_slots`: the error comes from a node of a cluster, where redirections are normal.
pub(super) fn is_sticky(text: &str, has_slots: bool) -> bool {
    match code(text) {
        "NOPERM" | "NOAUTH" | "WRONGPASS" | "READONLY" | "OOM" | "MISCONF" | "NOREPLICAS" => true,
        "MOVED" | "ASK" | "CROSSSLOT" => !has_slots,
        _ => is_denied_in_script(text) || is_unknown_command(text),
    }
}

/// How to send a call again after an error that proves that nothing of it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// At once, with the text of the script.
    WithText,
    /// After a pause, each group in a call of its own.
    Apart,
    /// After a pause.
    Later,
}

/// How a call may be sent again after an error with this code; `None`: not at all, because it may have run or would
/// fail again.
pub(super) fn again(code: &str) -> Option<Again> {
    match code {
        "NOSCRIPT" => Some(Again::WithText),
        "TRYAGAIN" => Some(Again::Apart),
        "MOVED" | "ASK" | "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "READONLY" => Some(Again::Later),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_recognised_in_the_words_of_every_version() {
        for text in [
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "ERR The user executing the script can't run this command or subcommand script: 80a6, on @user_script:1.",
            "ERR ACL failure in script: User rl has no permissions to run the 'set' command",
            "The user executing the script can't run this command or subcommand",
            "ERR Error running script (call to f_27cd): @user_script:1: @user_script: 1: The user executing the script \
             can't run this command or subcommand",
        ] {
            assert_eq!(of(text), Refusal::NotPermitted, "{text}");
            assert!(is_sticky(text, false) && is_sticky(text, true), "{text}");
        }
    }

    #[test]
    fn a_temporary_error_is_not_sticky() {
        for text in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
            "MASTERDOWN Link with MASTER is down",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR Error running script",
        ] {
            assert!(!is_sticky(text, false), "{text}");
        }
    }

    #[test]
    fn an_error_that_an_operator_has_to_correct_is_sticky() {
        for text in [
            "READONLY You can't write against a read only replica.",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots",
            "NOREPLICAS Not enough good replicas to write.",
            "ERR unknown command 'evalsha', with args beginning with: 'abc'",
            "ERR unknown command `EVALSHA`, with args beginning with: ",
            "ERR Unknown Redis command called from script",
            "ERR Unknown command called from script",
            "Unknown Redis command called from Lua script",
            "ERR Error running script (call to f_27cd): @user_script:1: @user_script: 1: Unknown Redis command called from \
             Lua script",
        ] {
            assert!(is_sticky(text, false) && is_sticky(text, true), "{text}");
        }
        for text in ["MOVED 1 10.0.0.1:7000", "CROSSSLOT Keys in request don't hash to the same slot"] {
            assert!(is_sticky(text, false) && !is_sticky(text, true), "{text}");
        }
    }
}
