//! The plain commands of an [`Addition`].

use super::wire::{Command, CommandKind, Reply, ReplyLimit};
use crate::Addition;

/// `SET name 0 NX PX lifetime` and `INCRBY name amount`.
pub(super) fn add(addition: &Addition) -> Command {
    let (lifetime, amount) = (addition.lifetime.as_millis().to_string(), addition.amount.to_string());
    let set = Command::new(&[b"SET", &addition.name, b"0", b"NX", b"PX", lifetime.as_bytes()], ReplyLimit::SHORT);
    let increment = Command::new(&[b"INCRBY", &addition.name, amount.as_bytes()], ReplyLimit::SHORT);
    set.then(&increment).with_keys(1).of_kind(CommandKind::Addition)
}

/// `PEXPIRE name lifetime`.
pub(super) fn expire(addition: &Addition) -> Command {
    let lifetime = addition.lifetime.as_millis().to_string();
    Command::new(&[b"PEXPIRE", &addition.name, lifetime.as_bytes()], ReplyLimit::SHORT)
}

/// The count in the replies to [`add`], and whether INCRBY may have created the counter, which then lives for ever: SET
/// was refused, or found a counter that expired before INCRBY. `None`: they are no such replies.
pub(super) fn count(replies: &[Reply], addition: &Addition) -> Option<(i64, bool)> {
    let [set, Reply::Number(count)] = replies else { return None };
    let is_new = u64::try_from(*count).is_ok_and(|count| count == addition.amount.get());
    Some((*count, is_new && !matches!(set, Reply::Bytes(_))))
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU64, time::Duration};

    use super::*;

    fn addition() -> Addition {
        let amount = NonZeroU64::new(7).expect("not zero");
        Addition { name: b"{a}f1@2".to_vec(), amount, lifetime: Duration::from_millis(1500) }
    }

    #[test]
    fn a_counter_that_incrby_may_have_created_is_noticed() {
        let ok = || Reply::Bytes("OK".into());
        let count = |replies: &[Reply]| count(replies, &addition());
        assert_eq!(count(&[ok(), Reply::Number(7)]), Some((7, false)));
        assert_eq!(count(&[Reply::Other, Reply::Number(8)]), Some((8, false)));
        assert_eq!(count(&[Reply::Other, Reply::Number(7)]), Some((7, true)));
        assert_eq!(count(&[Reply::Error("NOPERM".into()), Reply::Number(7)]), Some((7, true)));
        assert_eq!(count(&[ok(), ok()]), None);
        assert_eq!(count(&[ok()]), None);
    }
}
