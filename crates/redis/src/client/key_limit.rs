//! How many keys a call to an endpoint may carry: as configured, or as detected from its peers. Shared by the workers.

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use tokio::sync::watch;

use crate::KeysPerCall;

const UNKNOWN: u8 = 0;
const MANY: u8 = 1;
const ONE: u8 = 2;

/// The limit, if it is known, and whether to detect it.
#[derive(Debug)]
pub(super) struct KeyLimit {
    /// The same as `known`, for each call to read without a lock.
    now: AtomicU8,
    known: watch::Sender<Option<KeysPerCall>>,
    detects: bool,
}

impl KeyLimit {
    /// With the configured limit; `None`: to be detected.
    pub(super) fn new(set: Option<KeysPerCall>) -> Self {
        let keys = Self { now: AtomicU8::new(UNKNOWN), known: watch::Sender::default(), detects: set.is_none() };
        if let Some(set) = set {
            keys.learn(set);
        }
        keys
    }

    /// The limit; `None`: not known yet.
    pub(super) fn now(&self) -> Option<KeysPerCall> {
        match self.now.load(Relaxed) {
            MANY => Some(KeysPerCall::Many),
            ONE => Some(KeysPerCall::One),
            _ => None,
        }
    }

    /// Follows the limit.
    pub(super) fn follow(&self) -> watch::Receiver<Option<KeysPerCall>> {
        self.known.subscribe()
    }

    /// Whether to detect the limit of a new peer. Not after a peer with a limit of one key, which then applies to all.
    pub(super) fn needs_detection(&self) -> bool {
        self.detects && self.now() != Some(KeysPerCall::One)
    }

    /// Takes the limit of a peer into account. It is logged, with the reason, the first time and when it changes.
    pub(super) fn found(&self, keys: KeysPerCall, peer: &impl fmt::Display, because: &str) {
        if !self.learn(keys) {
            return;
        }
        match keys {
            KeysPerCall::Many => tracing::info!(
                address = %peer,
                because,
                "this is a redis, or a proxy to a single one: a call may carry many keys; if it is a proxy to several, \
                 set REDIS_KEYS_PER_CALL=one"
            ),
            KeysPerCall::One => tracing::warn!(
                address = %peer,
                because,
                "this is a proxy that may have several redises behind it: a call carries only one key, requests that \
                 are all or nothing are refused, and readiness means only that one redis counts; if one redis has all \
                 keys, set REDIS_KEYS_PER_CALL=many"
            ),
        }
    }

    /// Sets the limit; returns whether that changes it. A limit of one key is final, because the address may lead to
    /// the proxy again.
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
    fn a_configured_limit_is_not_detected() {
        for set in [KeysPerCall::Many, KeysPerCall::One] {
            let keys = KeyLimit::new(Some(set));
            assert_eq!((keys.now(), keys.needs_detection()), (Some(set), false));
        }
    }

    #[test]
    fn the_limit_of_each_new_peer_is_detected_until_one_takes_only_one_key() {
        let keys = KeyLimit::new(None);
        let seen = keys.follow();
        assert_eq!((keys.now(), keys.needs_detection()), (None, true));
        keys.found(KeysPerCall::Many, &"a:1", "it knows INFO");
        assert_eq!((keys.now(), *seen.borrow(), keys.needs_detection()), (Some(KeysPerCall::Many), keys.now(), true));
        for found in [KeysPerCall::One, KeysPerCall::Many] {
            keys.found(found, &"a:1", "it says so");
            assert_eq!(
                (keys.now(), *seen.borrow(), keys.needs_detection()),
                (Some(KeysPerCall::One), keys.now(), false)
            );
        }
    }
}
