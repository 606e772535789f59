//! Lists of sentinels and of nodes as the reference has them: each is `host:port` or a `redis://` URL.

use super::pieces::{Pieces, database, server};
use super::target::{Accepted, CLUSTER_LIST, Parsed, REDIS_PORT, SENTINEL_LIST, SENTINEL_PORT, Server, Target};
use crate::settings::redis::login::Login;

/// `master,sentinel,sentinel`. The logins of the URLs are those to the sentinels.
pub(super) fn sentinel(text: &str) -> Result<Parsed, Accepted> {
    let (master, rest) = text
        .split_once(',')
        // it is logged, and no part of a login
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

/// `node,node`. The logins of the URLs are those to all nodes.
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
    /// That of the last that has one other than 0.
    database: u32,
    notes: Vec<&'static str>,
}

impl Members {
    /// Those of a list; empty parts of it are none.
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
                        "a list of redis://[user:password@]host[:port], with the , / ? # @ of a password percent-encoded",
                    )?;
                    plain |= !tls;
                    members.tls |= tls;
                }
            }
        }
        if members.tls && plain {
            return Err("a list of redis:// alone or of rediss:// alone: all are reached with TLS, or none");
        }
        if members.servers.is_empty() { Err(accepted) } else { Ok(members) }
    }

    fn add(&mut self, rest: &str, port: u16) -> Option<()> {
        let Pieces { login, servers, path, database: asked, notes } = Pieces::of(rest)?;
        self.servers.push(server(servers, Some(port))?);
        self.logins.push(login);
        let database = database(path.unwrap_or_default(), asked.as_deref())?;
        self.database = if database == 0 { self.database } else { database };
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Some(())
    }
}
