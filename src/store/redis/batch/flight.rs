//! One call on its way: sent, awaited, sent again where that is safe, and its answers handed out.

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
        refusal::{self, Again},
        trouble::Trouble,
    },
    queue::{Batch, Waiters},
    slots::Slots,
};
use crate::domain::{Clock as _, StoreError, SystemClock, Timestamp};

/// Before a call is sent once more to a node that was not ready.
const PAUSE: Duration = Duration::from_millis(10);

/// What a call needs beside what it carries.
#[derive(Debug)]
pub(super) struct Sky<C> {
    pub(super) caller: Arc<C>,
    pub(super) max_jitter: Duration,
    pub(super) ahead: Ahead,
    pub(super) slots: Arc<Slots>,
    pub(super) stats: Arc<RedisStats>,
    pub(super) trouble: Arc<Trouble>,
}

/// By how many microseconds the clock of Redis was ahead of this machine's when it last told the time. The windows of a
/// calendar are sent for its time, of which those before and behind it leave some room.
#[derive(Debug, Default)]
pub(super) struct Ahead(AtomicI64);

impl Ahead {
    /// The time that Redis has, about.
    fn now(&self) -> Timestamp {
        let here = SystemClock.now().as_micros() as i64;
        Timestamp::from_micros(here.saturating_add(self.0.load(Relaxed)).max(0) as u64)
    }

    /// Redis has told this time.
    fn told(&self, there: Timestamp) {
        self.0.store(there.as_micros() as i64 - SystemClock.now().as_micros() as i64, Relaxed);
    }
}

/// How a batch is sent, and what it was sent again for already: each kind once.
#[derive(Clone, Copy)]
struct Sent {
    script: Script,
    apart: bool,
    later: bool,
}

impl Sent {
    /// Whether it may be sent again so. If it may, it has been.
    fn may(&mut self, again: Again) -> bool {
        match again {
            Again::WithText => std::mem::replace(&mut self.script, Script::Text) == Script::Sha1,
            Again::Apart => !std::mem::replace(&mut self.apart, true),
            Again::Later => !std::mem::replace(&mut self.later, true),
        }
    }
}

/// Sends a batch and answers everybody who waits for it, each no later than at its deadline.
pub(super) async fn fly<C: Caller>(sky: &Arc<Sky<C>>, slot: Option<u16>, batch: Batch) {
    let checks: usize = batch.waiters.iter().map(Waiters::len).sum();
    sky.stats.entries.fetch_add(batch.entries.len() as u64, Relaxed);
    sky.stats.checks.fetch_add(checks as u64, Relaxed);
    let sent = Sent { script: Script::Sha1, apart: false, later: false };
    let Some((batch, sent)) = deliver(sky, slot, batch, sent).await else { return };
    // each entry in a call of its own, at the same time: they end with this task
    let mut parts = JoinSet::new();
    for (entry, waiters) in batch.entries.into_iter().zip(batch.waiters) {
        let (sky, part) = (Arc::clone(sky), Batch { entries: vec![entry], waiters: vec![waiters] });
        parts.spawn(async move { deliver(&sky, slot, part, sent).await.is_none() });
    }
    while parts.join_next().await.is_some() {}
}

/// Sends a batch, again where that is safe, until everybody is answered; or returns it to be sent entry by entry.
async fn deliver<C: Caller>(
    sky: &Sky<C>,
    slot: Option<u16>,
    mut batch: Batch,
    mut sent: Sent,
) -> Option<(Batch, Sent)> {
    loop {
        let text = match send(sky, slot, sent.script, &batch).await {
            Ok(answers) => match nothing_ran(&answers) {
                Some(text) => text,
                None => {
                    sky.trouble.watch(&answers);
                    if answers.iter().any(|answer| matches!(answer, Err(error) if error.code() == "READONLY")) {
                        sky.caller.reconnect();
                    }
                    hand_out(answers, batch.waiters, &sky.slots);
                    return None;
                }
            },
            Err(Failed::Refused(text)) => text,
            Err(Failed::ManyKeys) if batch.entries.len() > 1 && sent.may(Again::Apart) => return Some((batch, sent)),
            Err(Failed::ManyKeys) => {
                sky.trouble.divided();
                fail(StoreError::Divided, batch.waiters, &sky.slots);
                return None;
            }
            Err(Failed::Store(error)) => {
                fail(error, batch.waiters, &sky.slots);
                return None;
            }
        };
        let code = refusal::code(&text);
        if code == "READONLY" {
            sky.caller.reconnect();
        }
        let again = refusal::again(code).filter(|again| sent.may(*again));
        let pause = if again == Some(Again::WithText) { Duration::ZERO } else { PAUSE };
        let Some(again) = again.filter(|_| is_awaited(&batch.waiters, pause, &sky.slots)) else {
            sky.trouble.refused(&text);
            fail(StoreError::Refused(refusal::of(&text)), batch.waiters, &sky.slots);
            return None;
        };
        if !pause.is_zero() {
            // nothing of it has run meanwhile
            set_late(&batch.waiters, StoreError::Expired, &sky.slots);
            sleep(pause).await;
        }
        batch.keep_awaited(Instant::now().into_std(), &sky.slots);
        set_late(&batch.waiters, StoreError::Unanswered, &sky.slots);
        if batch.entries.is_empty() {
            return None;
        }
        sky.stats.count_resent(code);
        if again == Again::Apart && batch.entries.len() > 1 {
            return Some((batch, sent));
        }
    }
}

enum Failed {
    /// Redis answered with this error.
    Refused(Box<str>),
    /// It has more keys than a call may carry, as became known after it was put together. It was not sent.
    ManyKeys,
    Store(StoreError),
}

/// One call and its reply. The batcher fails those whose deadline passes meanwhile.
async fn send<C: Caller>(
    sky: &Sky<C>,
    slot: Option<u16>,
    script: Script,
    batch: &Batch,
) -> Result<Vec<Answer>, Failed> {
    let entries = &batch.entries;
    let _counted = InFlight::new(&sky.stats);
    let jitter = || sky.max_jitter.mul_f64(fastrand::f64());
    let reply = sky.caller.call(slot, script, &Call::new(entries, sky.ahead.now(), jitter)).await;
    let unreadable = |error: &dyn Display| {
        sky.trouble.unreadable(error);
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
    sky.ahead.told(now);
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

/// Whether somebody will still wait after this pause.
fn is_awaited(waiters: &[Waiters], pause: Duration, slots: &Slots) -> bool {
    let soon = (Instant::now() + pause).into_std();
    let mut session = slots.session();
    waiters.iter().flatten().any(|id| session.deadline(*id).is_some_and(|deadline| deadline > soon))
}

/// What Redis said, if it refused every entry because it takes no writes, or because its time is not the one that calendars
/// were sent for: then nothing ran.
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

/// Counts one call that is under way.
struct InFlight<'a> {
    stats: &'a RedisStats,
    _timed: Timed<'a>,
}

impl<'a> InFlight<'a> {
    fn new(stats: &'a RedisStats) -> Self {
        stats.calls.fetch_add(1, Relaxed);
        stats.in_flight.fetch_add(1, Relaxed);
        Self { stats, _timed: stats.call_times.start() }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.stats.in_flight.fetch_sub(1, Relaxed);
    }
}
