//! Where other servers behave differently, and why Tollgate does what it does.

mod codes;
mod connection;
mod heads;
mod messages;
mod trailers;

use super::servers::Other;

/// Something to which Tollgate and another server respond differently.
#[derive(Debug)]
pub struct Topic {
    /// What a client sends.
    pub what: &'static str,
    pub ours: &'static str,
    pub others: &'static str,
    pub why: &'static str,
    /// Which server, what its response looks like, and the scripts that get it.
    pub seen: &'static [(Other, &'static str, &'static [&'static str])],
}

fn all() -> impl Iterator<Item = &'static Topic> {
    [heads::TOPICS, trailers::TOPICS, messages::TOPICS, codes::TOPICS, connection::TOPICS].into_iter().flatten()
}

/// The known behaviour of another server for a script, if it differs from ours.
pub fn known(script: &str, other: Other) -> Option<&'static str> {
    let seen = all().flat_map(|topic| topic.seen);
    let mut known = seen.filter(|(whose, _, scripts)| *whose == other && scripts.contains(&script));
    let found = known.next().map(|(_, seen, _)| *seen);
    assert!(known.next().is_none(), "{script} is listed twice for {other:?}");
    found
}

/// The scripts that are listed.
pub fn scripts() -> impl Iterator<Item = &'static str> {
    all().flat_map(|topic| topic.seen).flat_map(|(_, _, scripts)| *scripts).copied()
}

/// The table for the docs.
pub fn table() -> String {
    let mut table = "| what a peer sends | Tollgate | others | why |\n|---|---|---|---|\n".to_owned();
    for Topic { what, ours, others, why, .. } in all() {
        table.push_str(&format!("| {what} | {ours} | {others} | {why} |\n"));
    }
    table
}
