//! Redirections and replies to `CLUSTER SLOTS`: which node serves which slot.

use std::ops::Range as Indices;

use super::wire::Reply;
use crate::{HostPort, slot};

/// A redirection: the call was not run, and is to be sent to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The node `to` serves the slot.
    Moved { slot: u16, to: HostPort },
    /// The slot is migrating to `to`, and the key has migrated already. Applies to this call only.
    Ask { to: HostPort },
}

impl Redirection {
    /// From the text of an error. `from` is the host that sent it, for an error that names no host.
    pub(super) fn parse(error: &str, from: &str) -> Option<Self> {
        let mut words = error.split(' ');
        let kind = words.next()?;
        let slot = words.next()?.parse().ok()?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let to = host_port(host, port.parse().ok()?, from)?;
        match kind {
            "MOVED" => Some(Self::Moved { slot, to }),
            "ASK" => Some(Self::Ask { to }),
            _ => None,
        }
    }
}

/// A range of slots and the node that serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) slots: Indices<usize>,
    pub(super) at: HostPort,
}

/// The ranges in a reply to `CLUSTER SLOTS`. `from` is the host that sent it. Malformed ranges are left out.
pub(super) fn ranges(reply: &Reply, from: &str) -> Vec<Range> {
    let Reply::List(list) = reply else { return Vec::new() };
    list.iter().filter_map(|range| self::range(range, from)).collect()
}

/// Explains to an operator why a reply to `CLUSTER SLOTS` names no node.
pub(super) fn nowhere(reply: &Reply) -> &'static str {
    let Reply::List(list) = reply else { return "CLUSTER SLOTS was not answered with a list: is this a Redis?" };
    let is_unknown = |range: &Reply| match range {
        Reply::List(parts) => match parts.get(2) {
            Some(Reply::List(primary)) => primary.first() == Some(&Reply::Bytes("?".into())),
            _ => false,
        },
        _ => false,
    };
    if list.iter().any(is_unknown) {
        "CLUSTER SLOTS names its nodes `?`: they prefer a host name and announce none. Set cluster-announce-hostname \
         on each node, or cluster-preferred-endpoint-type ip"
    } else {
        "CLUSTER SLOTS names no node: no slot is served yet"
    }
}

fn range(reply: &Reply, from: &str) -> Option<Range> {
    let Reply::List(parts) = reply else { return None };
    let [Reply::Number(first), Reply::Number(last), Reply::List(primary), ..] = &parts[..] else { return None };
    let [host, Reply::Number(port), ..] = &primary[..] else { return None };
    let host = match host {
        Reply::Bytes(host) => std::str::from_utf8(host).ok()?,
        Reply::Other => "",
        Reply::Number(_) | Reply::List(_) | Reply::Error(_) => return None,
    };
    let slots = usize::try_from(*first).ok()?..usize::try_from(*last).ok()?.checked_add(1)?;
    if slots.is_empty() || slots.end > usize::from(slot::SLOTS) {
        return None;
    }
    let at = host_port(host, u16::try_from(*port).ok()?, from)?;
    Some(Range { slots, at })
}

/// The longest name of a host (RFC 1035).
const MAX_HOST: usize = 253;

/// The address in a reply. An empty host stands for `from`, the host that sent the reply. `None` if the host is unknown
/// (`?`) or no valid host name.
pub(super) fn host_port(host: &str, port: u16, from: &str) -> Option<HostPort> {
    let host = match host {
        "" => from,
        "?" => return None,
        host if host.len() > MAX_HOST || host.contains(|char: char| char.is_control() || char == ' ') => return None,
        host => host.trim_start_matches('[').trim_end_matches(']'),
    };
    Some(HostPort { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> HostPort {
        HostPort { host: host.to_owned(), port }
    }

    #[test]
    fn redirections_name_a_node_or_only_its_port() {
        let parse = |text| Redirection::parse(text, "here");
        assert_eq!(parse("MOVED 12 10.0.0.1:7000"), Some(Redirection::Moved { slot: 12, to: at("10.0.0.1", 7000) }));
        assert_eq!(parse("ASK 3999 host.example:1"), Some(Redirection::Ask { to: at("host.example", 1) }));
        assert_eq!(parse("MOVED 12 :7000"), Some(Redirection::Moved { slot: 12, to: at("here", 7000) }));
        assert_eq!(
            parse("MOVED 12 2001:db8::1:7000"),
            Some(Redirection::Moved { slot: 12, to: at("2001:db8::1", 7000) })
        );
        let long = format!("MOVED 1 {}:5", "a".repeat(254));
        assert_eq!(parse(&long), None);
        assert_eq!(parse("MOVED 1 a\u{9b}:5"), None);
        for text in ["", "MOVED", "MOVED x 1.2.3.4:5", "MOVED 1 1.2.3.4", "MOVED 1 ?:5", "ERR 1 a:5", "TRYAGAIN 1 a:5"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn slots_belong_to_the_primary_that_is_listed_first() {
        let node = |host: Reply, port| Reply::List(vec![host, Reply::Number(port), Reply::Bytes("id".into())]);
        let range = |first, last, nodes: Vec<Reply>| {
            Reply::List([Reply::Number(first), Reply::Number(last)].into_iter().chain(nodes).collect())
        };
        let reply = Reply::List(vec![
            range(0, 99, vec![node(Reply::Bytes("a".into()), 1), node(Reply::Bytes("b".into()), 2)]),
            range(100, 100, vec![node(Reply::Other, 3)]),
            range(200, 300, vec![node(Reply::Bytes("?".into()), 4)]),
            range(-1, 300, vec![node(Reply::Bytes("a".into()), 4)]),
            range(16_000, 16_384, vec![node(Reply::Bytes("a".into()), 4)]),
            range(20_000, 20_000, vec![node(Reply::Bytes("a".into()), 4)]),
            range(9, 8, vec![node(Reply::Bytes("a".into()), 4)]),
            range(0, i64::MAX, vec![node(Reply::Bytes("a".into()), 4)]),
            range(1, 2, vec![]),
            Reply::Number(1),
        ]);
        let read = vec![Range { slots: 0..100, at: at("a", 1) }, Range { slots: 100..101, at: at("here", 3) }];
        assert_eq!(ranges(&reply, "here"), read);
        assert_eq!(ranges(&Reply::Other, "here"), vec![]);

        let unknown = Reply::List(vec![range(0, 16_383, vec![node(Reply::Bytes("?".into()), 4)])]);
        assert_eq!(ranges(&unknown, "here"), vec![]);
        assert!(nowhere(&unknown).contains("cluster-announce-hostname"));
        assert!(nowhere(&Reply::List(Vec::new())).contains("no slot is served yet"));
    }
}
