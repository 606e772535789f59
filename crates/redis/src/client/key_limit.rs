//! How many keys a call to an endpoint may carry: as set, or as detected from its peers. Shared by the workers.

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use tokio::sync::watch;

use crate::KeysPerCall;

const UNKNOWN: u8 = 0;
const MANY: u8 = 1;
const ONE: u8 = 2;

/// The limit, if known, and whether it is detected.
#[derive(Debug)]
pub(super) struct KeyLimit {
    /// Read by each call.
    now: AtomicU8,
    known: watch::Sender<Option<KeysPerCall>>,
    asks: bool,
}

impl KeyLimit {
    /// The limit that is set; `None`: to be detected.
    pub(super) fn new(set: Option<KeysPerCall>) -> Self {
        let keys = Self { now: AtomicU8::new(UNKNOWN), known: watch::Sender::default(), asks: set.is_none() };
        if let Some(set) = set {
            keys.learn(set);
        }
        keys
    }

    /// `None`: not known yet.
    pub(super) fn now(&self) -> Option<KeysPerCall> {
        match self.now.load(Relaxed) {
            MANY => Some(KeysPerCall::Many),
            ONE => Some(KeysPerCall::One),
            _ => None,
        }
    }

    /// Follows it.
    pub(super) fn follow(&self) -> watch::Receiver<Option<KeysPerCall>> {
        self.known.subscribe()
    }

    /// Whether to detect the limit of a new peer. Not after a peer that takes one key: from then on all get one.
    pub(super) fn asks(&self) -> bool {
        self.asks && self.now() != Some(KeysPerCall::One)
    }

    /// Takes up the limit of a peer, and its reason. Logged the first time, and when it changes.
    pub(super) fn found(&self, keys: KeysPerCall, peer: &impl fmt::Display, because: &str) {
        if !self.learn(keys) {
            return;
        }
        match keys {
            KeysPerCall::Many => tracing::info!(
                address = %peer,
                because,
                "this is a redis, or stands for one: a call may carry many keys; if it is a proxy over several, \
                 set REDIS_KEYS_PER_CALL=one"
            ),
            KeysPerCall::One => tracing::warn!(
                address = %peer,
                because,
                "this is a proxy that may have several redises behind it: a call carries one key, what is all or nothing \
                 is refused, and being ready says that one of them counts; if one redis has all keys, set \
                 REDIS_KEYS_PER_CALL=many"
            ),
        }
    }

    /// Returns whether that changes the limit. One key is final: another peer of the same address may be the proxy
    /// again.
    fn learn(&self, keys: KeysPerCall) -> bool {
        self.known.send_if_modified(|known| {
            if *known == Some(keys) || *known == Some(KeysPerCall::One) {
                return false;
            }
            *known = Some(keys);
            // under the lock, so that the two agree
            self.now.store(if keys == KeysPerCall::Many { MANY } else { ONE }, Relaxed);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_not_asked() {
        for set in [KeysPerCall::Many, KeysPerCall::One] {
            let keys = KeyLimit::new(Some(set));
            assert_eq!((keys.now(), keys.asks()), (Some(set), false));
        }
    }

    #[test]
    fn every_new_peer_is_asked_until_one_may_get_one_key() {
        let keys = KeyLimit::new(None);
        let seen = keys.follow();
        assert_eq!((keys.now(), keys.asks()), (None, true));
        keys.found(KeysPerCall::Many, &"a:1", "it knows INFO");
        assert_eq!((keys.now(), *seen.borrow(), keys.asks()), (Some(KeysPerCall::Many), keys.now(), true));
        for found in [KeysPerCall::One, KeysPerCall::Many] {
            keys.found(found, &"a:1", "it says so");
            assert_eq!((keys.now(), *seen.borrow(), keys.asks()), (Some(KeysPerCall::One), keys.now(), false));
        }
    }
}
