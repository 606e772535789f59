//! What a connection costs that says nothing, as most connections of a mesh do most of the time.

use std::fs;

use crate::{
    messages::{Outcome::Answered, outcome, whole},
    rig::Rig,
};
use testkit::frames::Peer;

const FIRST: usize = 200;
const MORE: usize = 1_000;

/// It is 2.7 KiB in a release build, and so much and a little for pages of the allocator here. What a handshake or a
/// large buffer would add, if a connection kept it, is more than the difference.
const MOST: usize = 5 << 10;

#[tokio::test]
async fn a_connection_that_was_answered_and_is_idle_takes_a_few_kilobytes() {
    let rig = Rig::start(testkit::tollgate!());
    let mut peers = open(&rig, FIRST).await;
    let before = resident(rig.tollgate.pid());
    peers.extend(open(&rig, MORE).await);
    let each = resident(rig.tollgate.pid()).saturating_sub(before) / MORE;
    println!("an idle connection: {each} bytes");
    assert!(each <= MOST, "{each} bytes");
}

/// So many connections, each with one call that has been answered.
async fn open(rig: &Rig, count: usize) -> Vec<Peer> {
    let mut peers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut peer = rig.connect().await;
        peer.send_raw(&whole(1)).await;
        assert_eq!(outcome(&mut peer, 1).await, Answered);
        peers.push(peer);
    }
    peers
}

/// Bytes of a process that are in memory.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.expect("a figure").trim().parse::<usize>().expect("a number") << 10
}
