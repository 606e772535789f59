//! Derives from how many keys a call to Redis may carry whether groups can be charged all or none: with one key they
//! cannot.

use limiter::domain::AtomicGroups;
use tokio::sync::watch;

use redis::KeysPerCall;

/// Whether groups are charged all or none, for the main Redis and the one for limits per second. A value that is not
/// known yet counts as [`KeysPerCall::Many`].
pub(crate) fn atomic_groups(main: Option<KeysPerCall>, per_second: Option<KeysPerCall>) -> AtomicGroups {
    if main == Some(KeysPerCall::One) {
        AtomicGroups::Unsupported(
            "REDIS_KEYS_PER_CALL is one, or auto found it to be, as a proxy may have several Redises behind it; \
             set it to many if one Redis has all keys, or use a Redis Cluster without a proxy",
        )
    } else if per_second == Some(KeysPerCall::One) {
        AtomicGroups::Unsupported(
            "REDIS_PERSECOND_KEYS_PER_CALL is one, or auto found it to be, as a proxy may have several Redises behind \
             it; set it to many if one Redis has all keys, or use a Redis Cluster without a proxy",
        )
    } else {
        AtomicGroups::Supported
    }
}

/// Updates `groups` when a value becomes known or changes. Runs until dropped.
pub(super) async fn follow(
    mut main: watch::Receiver<Option<KeysPerCall>>,
    mut per_second: Option<watch::Receiver<Option<KeysPerCall>>>,
    groups: watch::Sender<AtomicGroups>,
) {
    loop {
        let now = |keys: &mut watch::Receiver<Option<KeysPerCall>>| *keys.borrow_and_update();
        let known = atomic_groups(now(&mut main), per_second.as_mut().and_then(now));
        groups.send_if_modified(|current| std::mem::replace(current, known) != known);
        tokio::select! {
            () = changed(Some(&mut main)) => {}
            () = changed(per_second.as_mut()) => {}
        }
    }
}

/// Waits for a change; for ever, if there can be none.
async fn changed(keys: Option<&mut watch::Receiver<Option<KeysPerCall>>>) {
    let changed = match keys {
        Some(keys) => keys.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_per_call_in_either_redis_makes_groups_unsupported_and_names_its_setting() {
        let why = |main, per_second| atomic_groups(main, per_second).unsupported().map(|why| why.split(' ').next());
        for known in [None, Some(KeysPerCall::Many)] {
            assert_eq!(why(known, known), None);
            assert_eq!(why(Some(KeysPerCall::One), known), Some(Some("REDIS_KEYS_PER_CALL")));
            assert_eq!(why(known, Some(KeysPerCall::One)), Some(Some("REDIS_PERSECOND_KEYS_PER_CALL")));
        }
    }

    #[tokio::test]
    async fn what_becomes_known_later_is_passed_on() {
        let main = watch::Sender::new(None);
        let per_second = watch::Sender::new(Some(KeysPerCall::Many));
        let groups = watch::Sender::new(AtomicGroups::Supported);
        let mut seen = groups.subscribe();
        let follower = tokio::spawn(follow(main.subscribe(), Some(per_second.subscribe()), groups));
        main.send_replace(Some(KeysPerCall::Many));
        per_second.send_replace(Some(KeysPerCall::One));
        seen.changed().await.expect("a follower");
        assert!(seen.borrow().unsupported().is_some_and(|why| why.starts_with("REDIS_PERSECOND_")));
        follower.abort();
    }
}
