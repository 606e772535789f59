//! Detects the kind of a peer: a Redis, or a proxy that sends each call to the server of its first key.
//!
//! A peer is taken for a proxy if it says so, or if it supports neither INFO nor CLIENT: it rejects them as unknown, or
//! closes the connection. A missing permission to run them (NOPERM) does not count. Each behaviour was observed, or
//! read in source code:
//!
//! | peer | INFO | CLIENT |
//! |---|---|---|
//! | twemproxy 0.5 | closes | closes |
//! | Envoy, older | unknown | unknown |
//! | Envoy 1.40 | answers for all its servers, `redis_mode:cluster` | says that the proxy does not support it |
//! | Codis 3 | takes `server` for a server's name | closes |
//! | predixy 7 | `RedisMode:proxy` | unknown |

use super::{
    Reply, Running, TIMED_OUT, Wire,
    command::{Command, ReplyLimit},
};
use crate::{
    CallError, KeysPerCall,
    client::plan::{Plan, Target},
};

/// A connection that is logged in.
type Opened = (Wire, Running);

/// Detects the kind of the peer, and returns a usable connection: a new one if the peer closed the first at a query.
pub(super) async fn detect(plan: &Plan, target: &Target, opened: Opened) -> Result<Opened, Box<str>> {
    let (info, opened) = answer(plan, target, opened, &[b"INFO", b"server"]).await?;
    let (client, opened) = answer(plan, target, opened, &[b"CLIENT", b"GETNAME"]).await?;
    let (keys, because) = judge(&info, &client);
    plan.keys.found(keys, target, because);
    Ok(opened)
}

/// The answer of a peer to a query.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It closed the connection, and accepted another one.
    Closed,
    Error(Box<str>),
    Reply(Reply),
}

impl Answer {
    /// Whether the peer does not support the command.
    fn is_unknown(&self) -> bool {
        let Self::Error(text) = self else { return *self == Self::Closed };
        let text = text.to_ascii_lowercase();
        ["unknown command", "unsupport", "not support", "not allowed", "disallowed", "invalid command"]
            .iter()
            .any(|words| text.contains(words))
            && !text.starts_with("noperm")
    }

    fn error_has(&self, words: &str) -> bool {
        matches!(self, Self::Error(text) if text.to_ascii_lowercase().contains(words))
    }

    fn has_line(&self, wanted: &str) -> bool {
        let Self::Reply(Reply::Bytes(text)) = self else { return false };
        String::from_utf8_lossy(text).lines().any(|line| line.eq_ignore_ascii_case(wanted))
    }
}

async fn answer(plan: &Plan, target: &Target, opened: Opened, words: &[&[u8]]) -> Result<(Answer, Opened), Box<str>> {
    let reply = opened.0.exchange(None, &Command::new(words, ReplyLimit::SHORT), plan.patience()).await;
    let answer = match reply {
        Ok(reply) => Answer::Reply(reply),
        Err(CallError::Refused(text)) => Answer::Error(text),
        Err(CallError::Unanswered(text)) if &*text != TIMED_OUT => {
            drop(opened);
            // a peer that is shutting down accepts no other connection, and is queried again later
            return Ok((Answer::Closed, Wire::log_in_to(plan, target).await?));
        }
        Err(error) => {
            let words = String::from_utf8_lossy(words[0]);
            return Err(
                format!("{words}: {error}; setting REDIS_KEYS_PER_CALL to many or one avoids this query").into()
            );
        }
    };
    Ok((answer, opened))
}

/// The limit of a peer by its answers to INFO and CLIENT, and the reason for the log.
fn judge(info: &Answer, client: &Answer) -> (KeysPerCall, &'static str) {
    if info.has_line("RedisMode:proxy") || info.error_has("backend server 'server' not found") {
        (KeysPerCall::One, "it answers INFO as a proxy does")
    } else if client.error_has("proxy") {
        (KeysPerCall::One, "it answers CLIENT as a proxy does")
    } else if !client.is_unknown() {
        (KeysPerCall::Many, "it supports CLIENT")
    } else if info.is_unknown() {
        (KeysPerCall::One, "it supports neither INFO nor CLIENT")
    } else if info.has_line("redis_mode:cluster") {
        (KeysPerCall::One, "it answers INFO as a cluster does, and does not support CLIENT")
    } else {
        (KeysPerCall::Many, "it supports INFO")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Answer {
        Answer::Error(text.into())
    }

    fn text(text: &'static str) -> Answer {
        Answer::Reply(Reply::Bytes(text.into()))
    }

    fn redis() -> Answer {
        text("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nconfig_file:/etc/proxy/redis.conf\r\n")
    }

    #[test]
    fn proxies_are_detected_by_their_answers_to_two_queries() {
        let unknown = || error("ERR unknown command `CLIENT`, with args beginning with: `GETNAME`, ");
        for (proxy, info, client) in [
            ("twemproxy", Answer::Closed, Answer::Closed),
            ("older Envoy", error("ERR unknown command 'info', with args beginning with: server"), unknown()),
            ("oldest Envoy", error("unsupported command 'info'"), error("unsupported command 'client'")),
            (
                "Envoy 1.40",
                text("# Server\r\nredis_mode:cluster\r\n"),
                error("ERR CLIENT subcommand 'GETNAME' is not supported by the proxy"),
            ),
            ("Envoy 1.40 with a server down", error("upstream failure"), error("ERR … not supported by the proxy")),
            ("an Envoy between", text("# Server\r\nredis_mode:cluster\r\n"), unknown()),
            ("overlord", error("ERR command not support now"), error("ERR command not support now")),
            ("redis-cluster-proxy", error("ERR unsupported command `info`"), error("ERR unsupported command `client`")),
            ("Codis", error("ERR backend server 'server' not found"), Answer::Closed),
            ("predixy", text("# Proxy\nVersion:7.0.1\nRedisMode:proxy\n"), error("ERR unknown command 'client'")),
            ("one that closes for one alone", Answer::Closed, unknown()),
        ] {
            assert_eq!(judge(&info, &client).0, KeysPerCall::One, "{proxy}");
        }
    }

    #[test]
    fn a_redis_that_rejects_the_queries_is_not_taken_for_a_proxy() {
        let noperm = |command| error(&format!("NOPERM this user has no permissions to run the '{command}' command"));
        let nil = || Answer::Reply(Reply::Other);
        for (redis, info, client) in [
            ("Redis", redis(), nil()),
            ("a user without rights", noperm("info"), noperm("client|getname")),
            ("a user without INFO", noperm("info"), nil()),
            (
                "Redis 6.0's words",
                error("NOPERM this user has no permissions to run the 'info' command or its subcommand"),
                noperm("client"),
            ),
            (
                "CLIENT renamed away",
                redis(),
                error("ERR unknown command `CLIENT`, with args beginning with: `GETNAME`, "),
            ),
            ("INFO renamed away", error("ERR unknown command 'INFO', with args beginning with: 'server' "), nil()),
            (
                "one that loads",
                error("LOADING Redis is loading the dataset in memory"),
                error("LOADING Redis is loading"),
            ),
            ("one that is busy", error("BUSY Redis is busy running a script."), nil()),
            ("a node of a cluster", text("redis_mode:cluster\r\n"), nil()),
        ] {
            assert_eq!(judge(&info, &client).0, KeysPerCall::Many, "{redis}");
        }
    }
}
