//! Lists of sentinels or cluster nodes in the reference's form: each member is `host:port` or a `redis://` URL.

use super::parts::{UrlParts, database, server};
use super::target::{Accepted, CLUSTER_LIST, Parsed, REDIS_PORT, SENTINEL_LIST, SENTINEL_PORT, Server, Target};
use crate::settings::redis::login::Login;

/// Parses `master,sentinel,sentinel`. The logins in the URLs are for the sentinels.
pub(super) fn sentinel(text: &str) -> Result<Parsed, Accepted> {
    let (master, rest) = text
        .split_once(',')
        // the name is logged, so it must not be part of a login
        .filter(|(master, _)| !master.is_empty() && !master.contains([':', '@']))
        .ok_or(SENTINEL_LIST)?;
    let Members { servers: sentinels, logins, tls, database, notes } = Members::of(rest, SENTINEL_PORT, SENTINEL_LIST)?;
    if database != 0 {
        return Err("a list of sentinels without a database, which they do not have: \
                    redis-sentinel://host,…/master/1 selects one of the servers");
    }
    let target = Target::Sentinel { master: master.to_owned(), sentinels };
    Ok(Parsed { target, logins: vec![], sentinel_logins: logins, tls, database, notes })
}

/// Parses `node,node`. The logins in the URLs are for all nodes.
pub(super) fn cluster(text: &str) -> Result<Parsed, Accepted> {
    let Members { servers, logins, tls, database, notes } = Members::of(text, REDIS_PORT, CLUSTER_LIST)?;
    if database != 0 {
        return Err("a list of nodes without a database, which a cluster does not have");
    }
    Ok(Parsed { target: Target::Cluster(servers), logins, sentinel_logins: vec![], tls, database, notes })
}

struct Members {
    servers: Vec<Server>,
    logins: Vec<Login>,
    tls: bool,
    /// The database of the last member whose database is not 0; 0 if there is none.
    database: u32,
    notes: Vec<&'static str>,
}

impl Members {
    /// Parses a list; empty parts are ignored. `port`: the default port.
    fn of(text: &str, port: u16, accepted: Accepted) -> Result<Self, Accepted> {
        let mut members = Self { servers: vec![], logins: vec![], tls: false, database: 0, notes: vec![] };
        let mut plain = false;
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.split_once("://") {
                None => members.servers.push(server(item, None).ok_or(accepted)?),
                Some((scheme, rest)) => {
                    let tls = scheme.eq_ignore_ascii_case("rediss");
                    if !tls && !scheme.eq_ignore_ascii_case("redis") {
                        return Err(
                            "a list of host:port or redis://host:port, with the , of a password written as %2C",
                        );
                    }
                    members.add(rest, port).ok_or(
                        "a list of redis://[user:password@]host[:port], with the , / ? # @ of a password \
                         percent-encoded",
                    )?;
                    plain |= !tls;
                    members.tls |= tls;
                }
            }
        }
        if members.tls && plain {
            return Err("a list of only redis:// or only rediss:// URLs: all are reached with TLS, or none");
        }
        if members.servers.is_empty() { Err(accepted) } else { Ok(members) }
    }

    fn add(&mut self, rest: &str, port: u16) -> Option<()> {
        let UrlParts { login, servers, path, database: parameter, notes } = UrlParts::of(rest)?;
        self.servers.push(server(servers, Some(port))?);
        self.logins.push(login);
        let database = database(path.unwrap_or_default(), parameter.as_deref())?;
        self.database = if database == 0 { self.database } else { database };
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Some(())
    }
}
