//! The proof that a server counts: a call of the script that charges a counter, and a reply that can be decoded.
//! Nothing less is enough: a replica, a Redis that is out of memory, a user without SET and a node of a cluster all
//! answer PING, and even a call of the script that charges nothing.
//!
//! The counters are of a domain that no rule can have. Their window is one second, and they live for two at most.

use std::{
    num::NonZeroU64,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    command, cure,
    health::Health,
    plain,
    plan::Plan,
    wire::{Command, Reply, Wire},
};
use limiter::domain::{Algorithm, Charge, CounterKey, Group, Hit, KeyBuilder, KeyValue, Limit, MAX_COUNT, Unit};

use crate::{
    Addition, Answer, Call, CallError, Credentials, Entry, GroupError, KeysPerCall, Script, Server, decode,
    named::NamedWindow, refusal, slot,
};

/// The most slots of a node that are tried, if each turns out to be migrating to another node.
const SLOTS_TRIED: usize = 4;

/// The most keys that are tried through a proxy. Each is, in effect, on a random server behind it.
const KEYS_TRIED: u32 = 16;

/// How long the counter lives that plain commands create.
const PLAIN_LIFETIME: Duration = Duration::from_secs(2);

/// Why a server is not proven to count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    /// The server answered with an error.
    #[error("{text}{cure}")]
    Refused {
        /// The error's text.
        text: Box<str>,
        /// The cure, with a colon before it; empty if none is known.
        cure: Box<str>,
    },
    /// There was no reply, or one that the script of this build cannot have returned.
    #[error("{0}")]
    NoReply(Box<str>),
}

impl Unproven {
    /// Whether the error will recur until an operator corrects the setup.
    pub(super) fn is_sticky(&self, has_slots: bool) -> bool {
        matches!(self, Self::Refused { text, .. } if refusal::is_sticky(text, has_slots))
    }

    /// Whether the server is a replica: then the primary has to be found again.
    pub(super) fn is_replica(&self) -> bool {
        matches!(self, Self::Refused { text, .. } if refusal::code(text) == "READONLY")
    }
}

/// The connection over which counters are charged, and what is known of its server.
pub(super) struct Charging<'a> {
    pub(super) wire: &'a Wire,
    pub(super) health: &'a Health,
    pub(super) plan: &'a Plan,
    /// The timeout of each call.
    pub(super) patience: Duration,
}

impl Charging<'_> {
    async fn run(&self, command: Command) -> Result<Reply, CallError> {
        self.wire.run(command, false, self.patience).await
    }

    fn server(&self) -> Server {
        Server {
            time: self.health.clock.at(Instant::now()),
            names_windows: self.plan.keys.now() != Some(KeysPerCall::One),
            plain_commands: false,
        }
    }
}

/// Whether the script has refused an entry because it was sent for another time.
fn is_late(answer: &Answer) -> bool {
    matches!(answer, Err(error) if error.code() == "CLOCK")
}

/// Charges counters at one address, to prove that its server counts.
#[derive(Debug)]
pub(super) struct Proof {
    keys: Keys,
    builder: KeyBuilder,
    prefix: Box<str>,
    credentials: Credentials,
}

#[derive(Debug)]
enum Keys {
    /// Two keys of different slots: a standalone Redis counts both, and a node of a cluster refuses them.
    OfAnySlot,
    /// One key of a slot that the node serves.
    OfSlots {
        served: Mutex<Vec<Range<usize>>>,
        /// Notified when the node replies that it does not serve the slot of a key.
        doubt: Arc<Notify>,
    },
}

impl Proof {
    /// For a standalone Redis or a primary that sentinels name. `prefix` is the prefix of all counters' keys.
    pub(super) fn of_one(prefix: &str, credentials: &Credentials) -> Self {
        Self::of(Keys::OfAnySlot, prefix, credentials)
    }

    /// For a node of a cluster, whose slots are not known yet. `doubt` is notified when they turn out to be wrong.
    pub(super) fn of_node(prefix: &str, credentials: &Credentials, doubt: &Arc<Notify>) -> Self {
        Self::of(Keys::OfSlots { served: Mutex::default(), doubt: Arc::clone(doubt) }, prefix, credentials)
    }

    fn of(keys: Keys, prefix: &str, credentials: &Credentials) -> Self {
        Self { keys, builder: KeyBuilder::new(prefix), prefix: prefix.into(), credentials: credentials.clone() }
    }

    /// Whether keys have slots here.
    pub(super) const fn has_slots(&self) -> bool {
        matches!(self.keys, Keys::OfSlots { .. })
    }

    /// Whether there is a key to charge: not while a node of a cluster serves no slot.
    pub(super) fn has_keys(&self) -> bool {
        match &self.keys {
            Keys::OfAnySlot => true,
            Keys::OfSlots { served, .. } => !served.lock().unwrap_or_else(PoisonError::into_inner).is_empty(),
        }
    }

    /// Sets the slots of the node.
    pub(super) fn serve(&self, slots: Vec<Range<usize>>) {
        if let Keys::OfSlots { served, .. } = &self.keys {
            *served.lock().unwrap_or_else(PoisonError::into_inner) = slots;
        }
    }

    /// Adds a slot to those of the node.
    pub(super) fn serve_also(&self, slot: u16) {
        if let Keys::OfSlots { served, .. } = &self.keys {
            let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = usize::from(slot);
            if !served.iter().any(|range| range.contains(&slot)) {
                served.push(slot..slot + 1);
            }
        }
    }

    /// Charges over this connection. `Ok(false)`: the node serves no slot, so
    /// nothing can be charged.
    pub(super) async fn charge(&self, over: &Charging<'_>) -> Result<bool, Unproven> {
        match &self.keys {
            // a call with one key proves only the server of that key; one server behind a proxy that counts is enough
            Keys::OfAnySlot if over.wire.carries_one_key() => {
                let mut outcome = Ok(true);
                // different keys each time, because a server that hangs delays all replies after its own
                let first = fastrand::u32(..1000);
                for number in first..first + KEYS_TRIED {
                    outcome = self.charge_keys(over, std::iter::once(self.key(number))).await.map(|()| true);
                    if !matches!(&outcome, Err(Unproven::Refused { .. })) {
                        break;
                    }
                }
                outcome
            }
            Keys::OfAnySlot => {
                let first = self.key(0);
                // there is no other one if a hash tag in the prefix gives all counters the same slot
                let other = (1..64).map(|number| self.key(number)).find(|key| slot_of(key) != slot_of(&first));
                self.charge_keys(over, std::iter::once(first).chain(other)).await.map(|()| true)
            }
            Keys::OfSlots { served, doubt } => {
                let served = served.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if served.is_empty() {
                    return Ok(false);
                }
                let is_served = |key: &CounterKey| served.iter().any(|range| range.contains(&slot_of(key)));
                let [one, two, three] = [0, 1, 2].map(|number| slot_of(&self.key(number)));
                // A node with a single slot serves one key in 16 384. If a hash tag in the prefix gives all counters
                // the same slot, it serves all keys or none.
                let numbers = if one == two && two == three { 1 } else { 1 << 20 };
                let keys = (0..numbers).map(|number| self.key(number)).filter(is_served).take(SLOTS_TRIED);
                // if no key is found, the prefix gives all counters a slot of another node, and this one gets no calls
                let mut outcome = Ok(());
                for key in keys {
                    outcome = self.charge_keys(over, std::iter::once(key)).await;
                    match &outcome {
                        Err(Unproven::Refused { text, .. }) => match refusal::code(text) {
                            // this slot is migrating; the next one may not be
                            "ASK" | "TRYAGAIN" => {}
                            "MOVED" => {
                                doubt.notify_one();
                                break;
                            }
                            _ => break,
                        },
                        _ => break,
                    }
                }
                match outcome {
                    // the node answers, and calls follow the redirection
                    Err(Unproven::Refused { text, .. }) if refusal::code(&text) == "ASK" => Ok(true),
                    outcome => outcome.map(|()| true),
                }
            }
        }
    }

    async fn charge_keys(&self, over: &Charging<'_>, keys: impl Iterator<Item = CounterKey>) -> Result<(), Unproven> {
        let limit = Limit::fixed_window(MAX_COUNT, Unit::Second);
        let entry = |key| Entry::new(Group::single(Hit::new(key, limit, Charge::Take(1))));
        // twice each: alone, a hit is answered by the early path of the script, which does without MGET
        let entries: Vec<_> = keys.map(entry).flat_map(|entry| [entry.clone(), entry]).collect();
        let answers = match self.call(over, &entries).await? {
            // the server's clock was not known before its first reply
            answers if answers.iter().any(is_late) => self.call(over, &entries).await?,
            answers => answers,
        };
        for answer in answers {
            match answer {
                Ok(_) => {}
                Err(GroupError::Refused { text, .. }) => return Err(self.refused(&text)),
                Err(error @ GroupError::Diverged { .. }) => return Err(Unproven::NoReply(error.to_string().into())),
            }
        }
        match entries.first() {
            Some(entry) if over.server().names_windows && over.plan.plain_commands => self.try_plain(over, entry).await,
            _ => Ok(()),
        }
    }

    /// Calls the script. The clock of the server is known afterwards.
    async fn call(&self, over: &Charging<'_>, entries: &[Entry]) -> Result<Vec<Answer>, Unproven> {
        let (server, sent) = (over.server(), Instant::now());
        let call = Call::new(entries, &server, |_| Duration::ZERO);
        let mut reply = over.run(command(Script::Sha1, &call)).await;
        if matches!(&reply, Err(CallError::Refused(text)) if refusal::code(text) == "NOSCRIPT") {
            reply = over.run(command(Script::Text, &call)).await;
        }
        let bytes = match reply {
            Ok(Reply::Bytes(bytes)) => bytes,
            Ok(other) => {
                let text = format!("it answered the script with {other}: does a proxy mix up replies?");
                return Err(Unproven::NoReply(text.into()));
            }
            Err(CallError::Refused(text)) => return Err(self.refused(&text)),
            Err(error) => return Err(Unproven::NoReply(error.to_string().into())),
        };
        let decoded = decode(entries, &server, &bytes);
        let (_, answers) = decoded.map_err(|error| Unproven::NoReply(error.to_string().into()))?;
        over.health.clock.observe_reply(&bytes, sent);
        Ok(answers)
    }

    /// Finds out whether the server takes the plain commands that may stand in for the script. If it refuses them, it
    /// counts all the same.
    async fn try_plain(&self, over: &Charging<'_>, entry: &Entry) -> Result<(), Unproven> {
        let hit = &entry.group().hits[0];
        let window = NamedWindow::of(entry.group(), hit, &over.server()).expect("it is of a fixed window");
        let mut name = Vec::new();
        window.push_name(&hit.key, &mut name);
        let addition = Addition { name, amount: NonZeroU64::MIN, lifetime: PLAIN_LIFETIME };
        match over.run(plain::add(&addition).then(&plain::expire(&addition))).await {
            Ok(Reply::List(replies)) => match replies.into_iter().find(|reply| matches!(reply, Reply::Error(_))) {
                Some(Reply::Error(text)) => over.health.refused_plain_proof(&text),
                _ => over.health.took_plain(),
            },
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(error) => {
                let text = format!(
                    "{error} (to SET, INCRBY and PEXPIRE; if a proxy does not pass these, set REDIS_PLAIN_COMMANDS=false)"
                );
                return Err(Unproven::NoReply(text.into()));
            }
        }
        Ok(())
    }

    /// The error with this text, and its cure if one is known.
    pub(super) fn refused(&self, text: &str) -> Unproven {
        let cure = cure::of(text, self.has_slots(), &self.credentials, &self.prefix);
        Unproven::Refused { text: text.into(), cure: cure.map(|cure| format!(": {cure}").into()).unwrap_or_default() }
    }

    /// The counter with this number. Each is, in effect, in a random slot.
    fn key(&self, number: u32) -> CounterKey {
        let number = number.to_string();
        let entry = (&b"probe"[..], KeyValue::Exact(number.as_bytes()));
        self.builder.domain("").base([entry]).counter(Algorithm::FixedWindow, Unit::Second.into())
    }
}

fn slot_of(key: &CounterKey) -> usize {
    usize::from(slot::of(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_keys_are_named_as_counters_are_by_a_domain_that_no_rule_can_have() {
        let proof = Proof::of_one("mine:", &Credentials::None);
        assert_eq!(proof.key(0).as_bytes(), b"mine:{|probe=0}f1");
        let slots: std::collections::HashSet<_> = (0..1000).map(|number| slot_of(&proof.key(number))).collect();
        assert!(slots.len() > 900, "{}", slots.len());
    }

    #[test]
    fn each_slot_has_a_key() {
        let proof = Proof::of_one("", &Credentials::None);
        let mut missing: std::collections::HashSet<usize> = (0..16_384).collect();
        let mut numbers = 0..1 << 20;
        while let Some(number) = numbers.next().filter(|_| !missing.is_empty()) {
            missing.remove(&slot_of(&proof.key(number)));
        }
        assert!(missing.is_empty(), "no key for {missing:?}");
    }
}
