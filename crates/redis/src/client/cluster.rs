//! A Redis Cluster: which node serves which slot, and calls that follow redirections.
//!
//! Each node has its own connections, so that a node that is down affects no other. A redirection proves that nothing
//! ran, so the call is sent to the node that it names; in no other case is a call sent again. `CLUSTER SLOTS` is called
//! at the start, when something indicates a change, and periodically.

use std::{
    collections::{HashMap, HashSet},
    ops::Range as Indices,
    pin::pin,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    MAX_NODES,
    contact::Member,
    cure,
    health::Healths,
    node::{Node, Observation},
    peer::{Peer, Standing},
    plan::{Plan, Target},
    proof::Proof,
    redirection::{Range, Redirection, nowhere, ranges},
    wire::{Command, CommandKind, Reply, ReplyLimit, Wire},
};
use crate::{CallError, HostPort, Server, slot};

/// Slots of a cluster.
const SLOTS: usize = slot::SLOTS as usize;
/// The limit of a reply to `CLUSTER SLOTS`: some thousand ranges with their replicas.
const SLOTS_LIMIT: ReplyLimit = ReplyLimit { bytes: 4 << 20, items: 256 << 10 };
/// The most redirections that a call follows.
const HOPS: usize = 3;
/// How long a reply to `CLUSTER SLOTS` is used if nothing indicates a change.
const FRESH: Duration = Duration::from_secs(30);
/// The least time between two calls of `CLUSTER SLOTS`.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long a node that cannot be reached delays readiness at the start, if another node counts: one shard that is down
/// must not keep the others from being served.
const GRACE: Duration = Duration::from_secs(5);

/// A client's view of a cluster, and the task that keeps it up to date.
#[derive(Debug)]
pub(super) struct Cluster {
    view: Arc<View>,
    task: AbortHandle,
}

#[derive(Debug)]
struct View {
    plan: Arc<Plan>,
    seeds: Vec<HostPort>,
    healths: Arc<Healths>,
    /// The client's entry among those of the endpoint.
    member: Arc<Member>,
    map: RwLock<Map>,
    /// Notified when the map of slots may be out of date.
    doubt: Arc<Notify>,
    /// Notified when the first map has arrived, or an attempt to get it has failed.
    news: Notify,
    /// Whether the last attempt to get the map failed with every node.
    failed: AtomicBool,
}

#[derive(Debug)]
struct Map {
    nodes: HashMap<HostPort, Arc<Node>>,
    owners: Vec<Option<(HostPort, Arc<Node>)>>,
}

impl Cluster {
    /// Starts to discover the nodes, on the current runtime.
    pub(super) fn connect(plan: &Arc<Plan>, seeds: &[HostPort], healths: &Arc<Healths>, member: Arc<Member>) -> Self {
        let view = Arc::new(View {
            plan: Arc::clone(plan),
            seeds: seeds.to_vec(),
            healths: Arc::clone(healths),
            member,
            map: RwLock::new(Map { nodes: HashMap::new(), owners: vec![None; SLOTS] }),
            doubt: Arc::default(),
            news: Notify::new(),
            failed: AtomicBool::new(false),
        });
        let task = tokio::spawn(Arc::clone(&view).keep()).abort_handle();
        Self { view, task }
    }

    /// Sends a command to the node of this slot (`None`: any), and follows redirections.
    pub(super) async fn run(
        &self,
        slot: Option<u16>,
        command: Command,
    ) -> Result<(Reply, Option<Observation>), CallError> {
        let deadline = Instant::now() + self.view.plan.timeout;
        let result = self.view.follow(slot, &command, deadline).await;
        if !matches!(&result, Ok(_) | Err(CallError::Refused(_))) {
            self.view.doubt.notify_one();
        }
        result
    }

    /// Whether the breaker of the node that serves this slot admits calls. A node that it redirects to has its own
    /// breaker.
    pub(super) fn admits(&self, slot: Option<u16>) -> bool {
        let map = self.view.map();
        let owner = slot.and_then(|slot| map.owners.get(usize::from(slot))?.as_ref());
        let admits = owner.is_none_or(|(_, node)| node.admits());
        if !admits {
            // while no call is sent, no redirection can show that another node serves the slot by now
            self.view.doubt.notify_one();
        }
        admits
    }

    /// What is known of the server of this slot.
    pub(super) fn server(&self, slot: Option<u16>) -> Server {
        let map = self.view.map();
        let owner = slot.and_then(|slot| map.owners.get(usize::from(slot))?.as_ref());
        owner.map_or_else(Server::unknown, |(_, node)| node.server())
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.view.map().nodes.values().map(|node| node.open()).sum()
    }

    /// Replaces every connection, and discovers the nodes again.
    pub(super) fn reconnect(&self) {
        for node in self.view.map().nodes.values() {
            node.reconnect();
        }
        self.view.doubt.notify_one();
    }

    /// Closes the connections for good.
    pub(super) async fn close(&self) {
        self.task.abort();
        let nodes = {
            let mut map = self.view.map_mut();
            map.owners.fill(None);
            std::mem::take(&mut map.nodes)
        };
        for node in nodes.values() {
            node.close().await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl View {
    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_mut(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(
        &self,
        slot: Option<u16>,
        command: &Command,
        deadline: Instant,
    ) -> Result<(Reply, Option<Observation>), CallError> {
        timeout_at(deadline, self.mapped()).await.map_err(|_| CallError::Unreachable)?;
        let (mut at, mut node) = self.owner(slot).ok_or(CallError::Unreachable)?;
        let mut asking = false;
        for hop in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallError::Unreachable);
            }
            let error = match node.run(command.clone(), asking, left).await {
                Err(CallError::Refused(text)) => text,
                result => return result,
            };
            let redirection = Redirection::parse(&error, &at.host);
            if redirection.is_some() || error.starts_with("CLUSTERDOWN") {
                self.doubt.notify_one();
            }
            // ASKING is for one command, and those of an addition are several; and its window is that of the clock of this
            // node: the script follows
            if command.kind == CommandKind::Addition {
                if let Some(Redirection::Moved { slot, to }) = redirection {
                    self.moved(slot, &to);
                }
                return Err(CallError::Refused(error));
            }
            node = match redirection {
                Some(Redirection::Moved { slot, to }) if hop < HOPS => {
                    (at, asking) = (to, false);
                    self.moved(slot, &at).ok_or(CallError::Refused(error))?
                }
                Some(Redirection::Ask { to }) if hop < HOPS => {
                    (at, asking) = (to, true);
                    self.node(&at).ok_or(CallError::Refused(error))?
                }
                _ => return Err(CallError::Refused(error)),
            };
            // nothing has run so far, so the call can wait for a connection to a node that has just become known
            timeout_at(deadline, node.connected()).await.map_err(|_| CallError::Unreachable)?;
        }
        Err(CallError::Unreachable)
    }

    /// Waits for the first map of slots, or until every node has failed to send it.
    async fn mapped(&self) {
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable();
            if !self.map().nodes.is_empty() || self.failed.load(Relaxed) {
                return;
            }
            news.await;
        }
    }

    /// Waits until this client has counted on each node that serves slots. A node that cannot be reached is waited for
    /// only during a grace period, if another node counts.
    async fn proven(&self) {
        let mut news = self.plan.contacts.follow();
        let mut patience = None;
        loop {
            let (mut proven, mut refused, mut unknown) = (0, 0, 0);
            for node in self.map().nodes.values().filter(|node| node.proof().has_keys()) {
                match node.standing() {
                    Standing::Proven => proven += 1,
                    Standing::Refused => refused += 1,
                    Standing::Unknown => unknown += 1,
                }
            }
            let is_mapped = proven + refused + unknown > 0;
            // counted from the arrival of the map, which names the nodes to wait for
            let given_up = is_mapped && *patience.get_or_insert_with(|| Instant::now() + GRACE) <= Instant::now();
            if is_mapped && refused == 0 && (unknown == 0 || given_up && proven > 0) {
                return;
            }
            let deadline = patience.filter(|_| !given_up && is_mapped);
            tokio::select! {
                Ok(()) = news.changed() => {}
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
        }
    }

    /// The node that serves a slot; for `None`, any node that is connected.
    fn owner(&self, slot: Option<u16>) -> Option<(HostPort, Arc<Node>)> {
        let map = self.map();
        match slot {
            Some(slot) => map.owners.get(usize::from(slot))?.clone(),
            None => map.owners.iter().flatten().find(|(_, node)| node.open() > 0).cloned(),
        }
    }

    /// The node at this address, added if it is new; `None` if there are too many nodes.
    fn node(&self, at: &HostPort) -> Option<Arc<Node>> {
        let mut map = self.map_mut();
        if map.nodes.len() >= MAX_NODES && !map.nodes.contains_key(at) {
            return None;
        }
        Some(Arc::clone(map.nodes.entry(at.clone()).or_insert_with(|| self.connect(at))))
    }

    fn connect(&self, at: &HostPort) -> Arc<Node> {
        self.connect_to(at, Vec::new())
    }

    /// Connects to a node that serves these slots.
    fn connect_to(&self, at: &HostPort, slots: Vec<Indices<usize>>) -> Arc<Node> {
        let target = Target::Tcp(at.clone());
        let proof = Proof::of_node(&self.plan.key_prefix, &self.plan.credentials, &self.doubt);
        proof.serve(slots);
        Node::connect(Peer::new(&self.plan, &target, &self.healths.of(&target), proof, &self.member))
    }

    fn moved(&self, slot: u16, to: &HostPort) -> Option<Arc<Node>> {
        let node = self.node(to)?;
        node.proof().serve_also(slot);
        if let Some(owner) = self.map_mut().owners.get_mut(usize::from(slot)) {
            *owner = Some((to.clone(), Arc::clone(&node)));
        }
        Some(node)
    }

    /// Keeps the map of slots up to date, and reports once that the client counts on each node. Never returns.
    async fn keep(self: Arc<Self>) {
        let report = async {
            self.proven().await;
            self.member.counts();
            std::future::pending::<()>().await;
        };
        tokio::join!(self.keep_map(), report);
    }

    async fn keep_map(&self) {
        let _turn = self.plan.contacts.turn().await;
        let mut failures = 0;
        loop {
            if let Some(ranges) = self.fetch_ranges().await {
                self.plan.contacts.answers();
                self.update(&ranges);
                self.news.notify_waiters();
                failures = 0;
                let _ = tokio::time::timeout(FRESH, self.doubt.notified()).await;
                tokio::time::sleep(BETWEEN).await;
            } else {
                self.failed.store(true, Relaxed);
                self.news.notify_waiters();
                tokio::time::sleep(self.plan.pause(failures)).await;
                failures += 1;
            }
        }
    }

    /// Calls `CLUSTER SLOTS` on nodes until one answers, connected nodes first. `None` if all fail.
    async fn fetch_ranges(&self) -> Option<Vec<Range>> {
        let mut known: Vec<_> = {
            let map = self.map();
            map.nodes.iter().map(|(at, node)| (at.clone(), node.wire())).collect()
        };
        fastrand::shuffle(&mut known);
        for (at, wire) in &known {
            let Some(wire) = wire else { continue };
            match self.fetch_ranges_over(wire, at).await {
                Ok(ranges) => return Some(ranges),
                Err(reason) => {
                    tracing::debug!(reason, node = %Target::Tcp(at.clone()), "a node did not return the slots");
                }
            }
        }
        let mut others: Vec<_> = self.seeds.iter().cloned().chain(known.into_iter().map(|(at, _)| at)).collect();
        fastrand::shuffle(&mut others);
        for at in others {
            let target = Target::Tcp(at.clone());
            let fetched = match Wire::open(&self.plan, &target).await {
                Err(reason) => Err(reason),
                Ok((wire, _running)) => self.fetch_ranges_over(&wire, &at).await,
            };
            match fetched {
                Ok(ranges) => return Some(ranges),
                Err(reason) => {
                    let cure = cure::of(&reason, true, &self.plan.credentials, &self.plan.key_prefix);
                    let cure = cure.map(|cure| format!(": {cure}")).unwrap_or_default();
                    self.healths.of(&target).failed(&format!("{reason}{cure}"));
                }
            }
        }
        None
    }

    /// Calls `CLUSTER SLOTS` over this connection. The error says why the reply is unusable.
    async fn fetch_ranges_over(&self, wire: &Wire, at: &HostPort) -> Result<Vec<Range>, Box<str>> {
        let command = Command::new(&[b"CLUSTER", b"SLOTS"], SLOTS_LIMIT);
        let reply = match wire.run(command, false, self.plan.patience()).await {
            Ok(reply) => reply,
            Err(CallError::Refused(text)) => return Err(text),
            Err(error) => return Err(format!("CLUSTER SLOTS: {error}").into()),
        };
        let ranges = ranges(&reply, &at.host);
        if ranges.iter().map(|range| range.slots.len()).sum::<usize>() > SLOTS {
            return Err("CLUSTER SLOTS names several nodes for one slot".into());
        }
        let nodes = ranges.iter().map(|range| &range.at).collect::<HashSet<_>>().len();
        match nodes {
            0 => Err(nowhere(&reply).into()),
            1..=MAX_NODES => Ok(ranges),
            _ => Err(format!("CLUSTER SLOTS names {nodes} nodes, of which a cluster has {MAX_NODES} at most").into()),
        }
    }

    /// Replaces the map of slots. Connections to nodes that no longer serve a slot are closed.
    fn update(&self, ranges: &[Range]) {
        let mut slots: HashMap<&HostPort, Vec<Indices<usize>>> = HashMap::new();
        for Range { slots: range, at } in ranges {
            slots.entry(at).or_default().push(range.clone());
        }
        let mut map = self.map_mut();
        let mut before = std::mem::take(&mut map.nodes);
        map.owners.fill(None);
        for (at, slots) in slots {
            let node = match before.remove(at) {
                Some(node) => {
                    let had_none = !node.proof().has_keys();
                    node.proof().serve(slots.clone());
                    if had_none && node.standing() != Standing::Proven {
                        // its connections were not proven to count, because it served no slots
                        node.reconnect();
                    }
                    node
                }
                None => self.connect_to(at, slots.clone()),
            };
            for range in slots {
                if let Some(owners) = map.owners.get_mut(range) {
                    owners.fill(Some((at.clone(), Arc::clone(&node))));
                }
            }
            map.nodes.insert(at.clone(), node);
        }
        for seed in self.seeds.iter().filter(|seed| !map.nodes.contains_key(seed)) {
            self.plan.contacts.forget(&Target::Tcp(seed.clone()).to_string());
        }
    }
}
