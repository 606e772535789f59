//! One call on its way: sent, awaited, sent again where that is safe, and its answers handed out.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    super::{
        Answer, Call, CallError, Caller, Entry, GroupError, RedisStats, Script, decode,
        refusal::{self, Again},
        trouble::Trouble,
    },
    lane::{Batch, Waiters},
    pending::Waiter,
};
use crate::domain::{StoreError, Timed};

/// Before a call is sent once more to a node that was not ready.
const PAUSE: Duration = Duration::from_millis(10);

/// What a call needs beside what it carries.
#[derive(Debug)]
pub(super) struct Sky<C> {
    pub(super) caller: Arc<C>,
    pub(super) max_jitter: Duration,
    pub(super) stats: Arc<RedisStats>,
    pub(super) trouble: Arc<Trouble>,
}

/// What has been sent again already: each kind once.
#[derive(Clone, Copy, Default)]
struct Sent {
    with_text: bool,
    later: bool,
}

/// Sends a batch and answers everybody who waits for it, each no later than at its deadline.
pub(super) async fn fly<C: Caller>(sky: &Sky<C>, slot: Option<u16>, batch: Batch) {
    let Batch { entries, mut waiters } = batch;
    let checks: usize = waiters.iter().map(Waiters::len).sum();
    sky.stats.entries.fetch_add(entries.len() as u64, Relaxed);
    sky.stats.checks.fetch_add(checks as u64, Relaxed);
    let mut sent = Sent::default();
    let mut script = Script::Sha1;
    loop {
        let text = match send(sky, slot, script, &entries, &mut waiters).await {
            Ok(answers) => match read_only(&answers) {
                Some(text) => text,
                None => {
                    sky.trouble.watch(&answers);
                    if answers.iter().any(|answer| matches!(answer, Err(error) if error.code() == "READONLY")) {
                        sky.caller.reconnect();
                    }
                    return hand_out(answers, waiters, &sky.stats);
                }
            },
            Err(Failed::Refused(text)) => text,
            Err(Failed::Store(error)) => return fail(error, waiters, &sky.stats),
        };
        let code = refusal::code(&text);
        if code == "READONLY" {
            sky.caller.reconnect();
        }
        let again = refusal::again(code).filter(|again| match again {
            Again::WithText => !std::mem::replace(&mut sent.with_text, true),
            Again::Later | Again::Apart => !std::mem::replace(&mut sent.later, true),
        });
        let pause = if again == Some(Again::WithText) { Duration::ZERO } else { PAUSE };
        let Some(again) = again.filter(|_| is_awaited(&waiters, pause)) else {
            sky.trouble.refused(&text);
            return fail(StoreError::Refused(refusal::of(code)), waiters, &sky.stats);
        };
        sky.stats.count_resent(code);
        script = if again == Again::WithText { Script::Text } else { Script::Sha1 };
        if !pause.is_zero() {
            sleep(pause).await;
        }
        if again == Again::Apart && entries.len() > 1 {
            return apart(sky, slot, entries, waiters).await;
        }
    }
}

/// Each entry in a call of its own, one after the other, not to be sent again.
async fn apart<C: Caller>(sky: &Sky<C>, slot: Option<u16>, entries: Vec<Entry>, waiters: Vec<Waiters>) {
    for (entry, waiters) in entries.into_iter().zip(waiters) {
        let mut waiters = vec![waiters];
        match send(sky, slot, Script::Sha1, &[entry], &mut waiters).await {
            Ok(answers) => hand_out(answers, waiters, &sky.stats),
            Err(Failed::Store(error)) => fail(error, waiters, &sky.stats),
            Err(Failed::Refused(text)) => {
                sky.trouble.refused(&text);
                fail(StoreError::Refused(refusal::of(refusal::code(&text))), waiters, &sky.stats);
            }
        }
    }
}

enum Failed {
    /// Redis answered with this error.
    Refused(Box<str>),
    Store(StoreError),
}

/// One call and its reply. Those whose deadline passes meanwhile are answered and gone from `waiters`.
async fn send<C: Caller>(
    sky: &Sky<C>,
    slot: Option<u16>,
    script: Script,
    entries: &[Entry],
    waiters: &mut [Waiters],
) -> Result<Vec<Answer>, Failed> {
    let _counted = InFlight::new(&sky.stats);
    let jitter = || sky.max_jitter.mul_f64(fastrand::f64());
    let reply = sky.caller.call(slot, script, &Call::new(entries, jitter));
    let reply = awaited(reply, waiters, &sky.stats).await;
    let reply = reply.map_err(|error| match error {
        CallError::Unreachable => Failed::Store(StoreError::Unreachable),
        CallError::Tripped => Failed::Store(StoreError::Tripped),
        CallError::Unanswered(_) => Failed::Store(StoreError::Unanswered),
        CallError::Refused(text) => Failed::Refused(text),
    })?;
    let (_, answers) = decode(entries, &reply).map_err(|error| {
        sky.trouble.unreadable(&error);
        Failed::Store(StoreError::Unreadable)
    })?;
    Ok(answers)
}

/// Waits for the reply; one timer fails those whose deadline passes before.
async fn awaited(
    reply: impl Future<Output = Result<Bytes, CallError>>,
    waiters: &mut [Waiters],
    stats: &RedisStats,
) -> Result<Bytes, CallError> {
    let mut reply = pin!(reply);
    while let Some(deadline) = waiters.iter().flatten().filter_map(Waiter::deadline).min() {
        tokio::select! {
            biased;
            reply = &mut reply => return reply,
            () = sleep_until(deadline.into()) => {
                let now = Instant::now().into_std();
                let late = waiters.iter_mut().flatten().filter(|waiter| waiter.is_late(now));
                late.for_each(|waiter| waiter.fail(StoreError::Unanswered, stats));
            }
        }
    }
    reply.await
}

/// Whether somebody will still wait after this pause.
fn is_awaited(waiters: &[Waiters], pause: Duration) -> bool {
    let soon = (Instant::now() + pause).into_std();
    waiters.iter().flatten().any(|waiter| !waiter.is_gone() && !waiter.is_late(soon))
}

/// What Redis said, if it refused every entry because it takes no writes: then nothing ran.
fn read_only(answers: &[Answer]) -> Option<Box<str>> {
    let mut said = None;
    for answer in answers {
        match answer {
            Err(GroupError::Refused { text, .. }) if refusal::code(text) == "READONLY" => said = Some(text.clone()),
            _ => return None,
        }
    }
    said
}

fn hand_out(answers: Vec<Answer>, waiters: Vec<Waiters>, stats: &RedisStats) {
    for (answer, waiters) in answers.into_iter().zip(waiters) {
        match answer {
            Ok(verdicts) => {
                for (mut waiter, verdicts) in waiters.into_iter().zip(verdicts) {
                    waiter.answer(Ok(verdicts));
                }
            }
            Err(error) => {
                let error = match &error {
                    GroupError::Refused { .. } => StoreError::Refused(refusal::of(error.code())),
                    GroupError::Diverged { .. } => StoreError::Unreadable,
                };
                waiters.into_iter().for_each(|mut waiter| waiter.fail(error, stats));
            }
        }
    }
}

fn fail(error: StoreError, waiters: Vec<Waiters>, stats: &RedisStats) {
    waiters.into_iter().flatten().for_each(|mut waiter| waiter.fail(error, stats));
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
