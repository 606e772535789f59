//! Counts a batch of one hit in a named window by plain commands, which cost Redis less than the script. Whatever they
//! cannot serve, and whatever Redis refuses to do by them, is left to the script.

use std::{
    num::NonZeroU64,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use limiter::{
    algorithm::{Held, State},
    domain::{Charge, MAX_COUNT, StoreError},
};
use smallvec::smallvec;

use super::{
    super::{Addition, CallError, Caller, Entry, Server, decode::derive, named::NamedWindow, refusal},
    context::{CallContext, CallGuard, fail, hand_out},
    existing::Existing,
    queue::Batch,
};

/// Counts a batch and answers its checks, or returns it: the script has to count it.
pub(super) async fn add<C: Caller>(context: &CallContext<C>, slot: Option<u16>, mut batch: Batch) -> Option<Batch> {
    let server = context.caller.server(slot);
    let Some((amount, window)) = addend(&batch, &server, &context.existing) else { return Some(batch) };
    let (entry, hit) = (&batch.entries[0], &batch.entries[0].group().hits[0]);
    let mut name = Vec::with_capacity(hit.key.as_bytes().len() + 16);
    window.push_name(&hit.key, &mut name);
    let lifetime = window.left_at(server.time.now) + context.extra_life(Some(window.length()));
    let addition = Addition { name, amount, lifetime: lifetime.max(Duration::from_millis(1)) };
    let added = {
        let _counted = CallGuard::new(&context.stats);
        context.stats.plain.fetch_add(1, Relaxed);
        context.caller.add(slot, &addition).await
    };
    let error = match added {
        Ok(count) => {
            let before = count.saturating_sub_unsigned(amount.get()) as f64;
            let state = State { time: window.start(), current: before, previous: 0.0 };
            let held = Held::found(Some(state)).at(Some(window.clamp(server.time.now)));
            let answer = derive(entry, server.time.now, smallvec![held], &[true]);
            hand_out(vec![answer], batch.waiters, &context.slots);
            return None;
        }
        // nothing was added; the script is refused alike, or is not
        Err(error @ (CallError::Refused(_) | CallError::ManyKeys)) => {
            if let CallError::Refused(text) = &error {
                context.stats.count_resent(refusal::code(text));
            }
            batch.keep_awaited(Instant::now(), &context.slots);
            return (!batch.entries.is_empty()).then_some(batch);
        }
        Err(CallError::Unreachable) => StoreError::Unreachable,
        Err(CallError::Tripped) => StoreError::Tripped,
        Err(CallError::Unanswered(_)) => StoreError::Unanswered,
        Err(error @ CallError::Unreadable(_)) => {
            context.error_log.unreadable(&error);
            StoreError::Unreadable
        }
    };
    fail(error, batch.waiters, &context.slots);
    None
}

/// What the batch adds to a counter, and the window by which that is named; `None` if plain commands cannot serve it.
/// They charge always, so a hit that is denied must be charged too; and they do not read the server's clock, so that has
/// to be known.
fn addend(batch: &Batch, server: &Server, existing: &Existing) -> Option<(NonZeroU64, NamedWindow)> {
    if !server.plain_commands || !server.time.is_fresh {
        return None;
    }
    let [entry] = batch.entries.as_slice() else { return None };
    let amount = charged_in_any_case(entry)?;
    let hit = entry.lone_hit()?;
    let window = NamedWindow::of(entry.group(), hit, server)?;
    (!window.may_import() || existing.has(&hit.key, window)).then_some((amount, window))
}

/// Records that the script has charged this entry, which may have imported its counter.
pub(super) fn counted<C>(context: &CallContext<C>, entry: &Entry, server: &Server) {
    let Some(hit) = entry.lone_hit().filter(|_| charged_in_any_case(entry).is_some()) else { return };
    if let Some(window) = NamedWindow::of(entry.group(), hit, server).filter(|window| window.may_import()) {
        context.existing.note(&hit.key, window);
    }
}

/// How much the entry charges, if it does so even when it is denied.
fn charged_in_any_case(entry: &Entry) -> Option<NonZeroU64> {
    let (group, hit) = (entry.group(), entry.lone_hit()?);
    let Charge::Take(amount) = hit.charge else { return None };
    let amount = NonZeroU64::new(amount.checked_mul(entry.times().into())?)?;
    let is_charged = hit.limit.count_denied() && !(group.atomic && group.refused) && amount.get() <= MAX_COUNT;
    is_charged.then_some(amount)
}
