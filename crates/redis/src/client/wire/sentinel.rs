//! Asks sentinels for the primary.

use bytes::Bytes;

use super::{
    Reply, Wire,
    command::{Command, ReplyLimit},
};
use crate::{
    Credentials, HostPort,
    client::{
        cure,
        plan::{Plan, Target},
        redirection,
    },
};

/// Asks the sentinels, in random order, for the address of the primary of group `master`, until one names it. The error
/// has the reason of each sentinel.
pub(super) async fn primary(
    plan: &Plan,
    master: &str,
    sentinels: &[HostPort],
    credentials: &Credentials,
) -> Result<HostPort, Box<str>> {
    let mut order: Vec<&HostPort> = sentinels.iter().collect();
    fastrand::shuffle(&mut order);
    let mut reasons = Vec::new();
    for sentinel in order {
        match ask(plan, master, sentinel, credentials).await {
            Ok(primary) => return Ok(primary),
            Err(reason) => {
                let cure = cure::of_sentinel(&reason).map(|cure| format!(": {cure}")).unwrap_or_default();
                reasons.push(format!("sentinel {}: {reason}{cure}", Target::Tcp(sentinel.clone())));
            }
        }
    }
    Err(format!("no sentinel names the primary of {master}: {}", reasons.join("; ")).into())
}

async fn ask(plan: &Plan, master: &str, at: &HostPort, credentials: &Credentials) -> Result<HostPort, Box<str>> {
    let (wire, _running) = Wire::to_sentinel(plan, at, credentials).await?;
    let words: [&[u8]; 3] = [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", master.as_bytes()];
    let reply = wire.run(Command::new(&words, ReplyLimit::SHORT), false, plan.patience()).await;
    match reply.map_err(|error| Box::from(error.to_string()))? {
        Reply::List(parts) => match &parts[..] {
            [Reply::Bytes(host), Reply::Bytes(port)] => host_port(host, port)
                .ok_or_else(|| "its answer to SENTINEL GET-MASTER-ADDR-BY-NAME is not an address".into()),
            _ => Err("its answer to SENTINEL GET-MASTER-ADDR-BY-NAME is not an address".into()),
        },
        Reply::Other => Err(format!("it knows no master {master}").into()),
        other => Err(format!("it answered SENTINEL GET-MASTER-ADDR-BY-NAME with {other}").into()),
    }
}

fn host_port(host: &Bytes, port: &Bytes) -> Option<HostPort> {
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    // an empty host would stand for the sentinel itself
    let host = std::str::from_utf8(host).ok().filter(|host| !host.is_empty())?;
    redirection::host_port(host, port, host)
}
