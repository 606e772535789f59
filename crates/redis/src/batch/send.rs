//! Sends a batch: awaits the reply, sends again where that is safe, and hands out the answers.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::Timed;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    super::{
        Answer, Call, CallError, Caller, GroupError, RedisStats, Script, decode,
        error_log::ErrorLog,
        refusal::{self, Again},
    },
    queue::{Batch, Waiters},
    slots::Slots,
};
use limiter::domain::{Clock as _, StoreError, SystemClock, Timestamp};

/// Before a call is sent once more to a node that was not ready.
const PAUSE: Duration = Duration::from_millis(10);

/// What the calls to one Redis share.
#[derive(Debug)]
pub(super) struct CallContext<C> {
    pub(super) caller: Arc<C>,
    pub(super) max_jitter: Duration,
    pub(super) clock_offset: ClockOffset,
    pub(super) slots: Arc<Slots>,
    pub(super) stats: Arc<RedisStats>,
    pub(super) error_log: Arc<ErrorLog>,
}

/// The clock of Redis less this machine's, in microseconds, as of the last reply. The script is sent the windows of a
/// calendar that surround the time of Redis; the windows on either side leave room for an error.
#[derive(Debug, Default)]
pub(super) struct ClockOffset(AtomicI64);

impl ClockOffset {
    /// The time of Redis, about.
    fn redis_now(&self) -> Timestamp {
        let here = SystemClock.now().as_micros() as i64;
        Timestamp::from_micros(here.saturating_add(self.0.load(Relaxed)).max(0) as u64)
    }

    /// Takes up the time that a reply of Redis gives.
    fn observe(&self, redis: Timestamp) {
        self.0.store(redis.as_micros() as i64 - SystemClock.now().as_micros() as i64, Relaxed);
    }
}

/// How a batch is sent, and the reasons for which it has been sent again: each counts once.
#[derive(Clone, Copy)]
struct Sent {
    script: Script,
    apart: bool,
    later: bool,
}

impl Sent {
    /// Whether it may be sent again for this reason; if so, the reason is used up.
    fn may(&mut self, again: Again) -> bool {
        match again {
            Again::WithText => std::mem::replace(&mut self.script, Script::Text) == Script::Sha1,
            Again::Apart => !std::mem::replace(&mut self.apart, true),
            Again::Later => !std::mem::replace(&mut self.later, true),
        }
    }
}

/// Sends a batch and answers each check in it, by the check's deadline at the latest.
pub(super) async fn send_batch<C: Caller>(context: &Arc<CallContext<C>>, slot: Option<u16>, batch: Batch) {
    let checks: usize = batch.waiters.iter().map(Waiters::len).sum();
    context.stats.entries.fetch_add(batch.entries.len() as u64, Relaxed);
    context.stats.checks.fetch_add(checks as u64, Relaxed);
    let sent = Sent { script: Script::Sha1, apart: false, later: false };
    let Some((batch, sent)) = deliver(context, slot, batch, sent).await else { return };
    // each entry in a call of its own, at the same time: they end with this task
    let mut parts = JoinSet::new();
    for (entry, waiters) in batch.entries.into_iter().zip(batch.waiters) {
        let (context, part) = (Arc::clone(context), Batch { entries: vec![entry], waiters: vec![waiters] });
        parts.spawn(async move { deliver(&context, slot, part, sent).await.is_none() });
    }
    while parts.join_next().await.is_some() {}
}

/// Sends a batch, again where that is safe, until all its checks are answered; or returns it to be sent entry by entry.
async fn deliver<C: Caller>(
    context: &CallContext<C>,
    slot: Option<u16>,
    mut batch: Batch,
    mut sent: Sent,
) -> Option<(Batch, Sent)> {
    loop {
        let text = match send(context, slot, sent.script, &batch).await {
            Ok(answers) => match nothing_ran(&answers) {
                Some(text) => text,
                None => {
                    context.error_log.watch(&answers);
                    if answers.iter().any(|answer| matches!(answer, Err(error) if error.code() == "READONLY")) {
                        context.caller.reconnect();
                    }
                    hand_out(answers, batch.waiters, &context.slots);
                    return None;
                }
            },
            Err(Failed::Refused(text)) => text,
            Err(Failed::ManyKeys) if batch.entries.len() > 1 && sent.may(Again::Apart) => return Some((batch, sent)),
            Err(Failed::ManyKeys) => {
                context.error_log.divided();
                fail(StoreError::Divided, batch.waiters, &context.slots);
                return None;
            }
            Err(Failed::Store(error)) => {
                fail(error, batch.waiters, &context.slots);
                return None;
            }
        };
        let code = refusal::code(&text);
        if code == "READONLY" {
            context.caller.reconnect();
        }
        let again = refusal::again(code).filter(|again| sent.may(*again));
        let pause = if again == Some(Again::WithText) { Duration::ZERO } else { PAUSE };
        let Some(again) = again.filter(|_| is_awaited(&batch.waiters, pause, &context.slots)) else {
            context.error_log.refused(&text);
            fail(StoreError::Refused(refusal::of(&text)), batch.waiters, &context.slots);
            return None;
        };
        if !pause.is_zero() {
            // nothing of it has run meanwhile
            set_late(&batch.waiters, StoreError::Expired, &context.slots);
            sleep(pause).await;
        }
        batch.keep_awaited(Instant::now().into_std(), &context.slots);
        set_late(&batch.waiters, StoreError::Unanswered, &context.slots);
        if batch.entries.is_empty() {
            return None;
        }
        context.stats.count_resent(code);
        if again == Again::Apart && batch.entries.len() > 1 {
            return Some((batch, sent));
        }
    }
}

enum Failed {
    /// Redis answered with this error.
    Refused(Box<str>),
    /// Not sent: it has more keys than a call may carry, which became known after the batch was assembled.
    ManyKeys,
    Store(StoreError),
}

/// One call and its reply. The batcher fails the checks whose deadline passes meanwhile.
async fn send<C: Caller>(
    context: &CallContext<C>,
    slot: Option<u16>,
    script: Script,
    batch: &Batch,
) -> Result<Vec<Answer>, Failed> {
    let entries = &batch.entries;
    let _counted = CallGuard::new(&context.stats);
    let jitter = || context.max_jitter.mul_f64(fastrand::f64());
    let reply = context.caller.call(slot, script, &Call::new(entries, context.clock_offset.redis_now(), jitter)).await;
    let unreadable = |error: &dyn Display| {
        context.error_log.unreadable(error);
        Failed::Store(StoreError::Unreadable)
    };
    let mut reply = reply.map_err(|error| match error {
        CallError::Unreachable => Failed::Store(StoreError::Unreachable),
        CallError::Tripped => Failed::Store(StoreError::Tripped),
        CallError::Unanswered(_) => Failed::Store(StoreError::Unanswered),
        CallError::ManyKeys => Failed::ManyKeys,
        CallError::Refused(text) => Failed::Refused(text),
        CallError::Unreadable(_) => unreadable(&error),
    })?;
    let (now, answers) = decode(entries, &reply).map_err(|error| unreadable(&error))?;
    context.clock_offset.observe(now);
    let mut texts = answers.iter().map(|answer| match answer {
        Err(GroupError::Refused { text, .. }) => Some(&**text),
        _ => None,
    });
    reply.holds(&mut texts);
    Ok(answers)
}

fn set_late(waiters: &[Waiters], error: StoreError, slots: &Slots) {
    let mut session = slots.session();
    waiters.iter().flatten().for_each(|id| session.set_late(*id, error));
}

/// Whether any check is still awaited after this pause.
fn is_awaited(waiters: &[Waiters], pause: Duration, slots: &Slots) -> bool {
    let soon = (Instant::now() + pause).into_std();
    let mut session = slots.session();
    waiters.iter().flatten().any(|id| session.deadline(*id).is_some_and(|deadline| deadline > soon))
}

/// The error text, if Redis refused every entry because it is a replica, or because its time is not the one that the
/// calendars were sent for: then nothing ran.
fn nothing_ran(answers: &[Answer]) -> Option<Box<str>> {
    let mut said = None;
    for answer in answers {
        match answer {
            Err(GroupError::Refused { text, .. }) if matches!(refusal::code(text), "READONLY" | "CLOCK") => {
                said = Some(text.clone());
            }
            _ => return None,
        }
    }
    said
}

fn hand_out(answers: Vec<Answer>, waiters: Vec<Waiters>, slots: &Slots) {
    let mut session = slots.session();
    for (answer, waiters) in answers.into_iter().zip(waiters) {
        match answer {
            Ok(verdicts) => {
                for (id, verdicts) in waiters.into_iter().zip(verdicts) {
                    session.answer(id, Ok(verdicts));
                }
            }
            Err(error) => {
                let error = match &error {
                    GroupError::Refused { text, .. } => StoreError::Refused(refusal::of(text)),
                    GroupError::Diverged { .. } => StoreError::Unreadable,
                };
                waiters.into_iter().for_each(|id| session.fail(id, error));
            }
        }
    }
}

fn fail(error: StoreError, waiters: Vec<Waiters>, slots: &Slots) {
    let mut session = slots.session();
    waiters.into_iter().flatten().for_each(|id| session.fail(id, error));
}

/// Counts one call while it is under way, and times it.
struct CallGuard<'a> {
    stats: &'a RedisStats,
    _timed: Timed<'a>,
}

impl<'a> CallGuard<'a> {
    fn new(stats: &'a RedisStats) -> Self {
        stats.calls.fetch_add(1, Relaxed);
        stats.in_flight.fetch_add(1, Relaxed);
        Self { stats, _timed: stats.call_times.start() }
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        self.stats.in_flight.fetch_sub(1, Relaxed);
    }
}
