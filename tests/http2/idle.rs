//! The memory of an idle connection, like most connections of a mesh most of the time.

use std::fs;

use crate::{
    messages::{Outcome::Answered, outcome, whole},
    rig::Rig,
};
use testkit::frames::Peer;

const FIRST: usize = 200;
const MORE: usize = 1_000;

/// It takes 2.7 KiB in a release build; the bound allows a little more for pages of the allocator. If a connection kept
/// the memory of a handshake or a large buffer, it would exceed the bound.
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

/// This many connections, each after one answered call.
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

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.expect("a figure").trim().parse::<usize>().expect("a number") << 10
}
