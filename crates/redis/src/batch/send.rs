//! Sends a batch: awaits the reply, sends again where that is safe, and hands out the answers.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    super::{
        Answer, Call, CallError, Caller, GroupError, Script, decode,
        refusal::{self, Again},
    },
    context::{CallContext, CallGuard, fail, hand_out},
    plain,
    queue::{Batch, Waiters},
    slots::Slots,
};
use limiter::domain::StoreError;

/// Before a call is sent once more to a node that was not ready.
const PAUSE: Duration = Duration::from_millis(10);

/// How a batch is sent, and the reasons for which it has been sent again: each counts once.
#[derive(Clone, Copy)]
struct Sent {
    script: Script,
    apart: bool,
    later: bool,
    /// For another time.
    retimed: bool,
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
    let Some(batch) = plain::add(context, slot, batch).await else { return };
    let sent = Sent { script: Script::Sha1, apart: false, later: false, retimed: false };
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
                    let (answers, answered, late) = without_late(answers, batch, &mut sent);
                    context.error_log.watch(&answers);
                    if answers.iter().any(|answer| matches!(answer, Err(error) if error.code() == "READONLY")) {
                        context.caller.reconnect();
                    }
                    hand_out(answers, answered.waiters, &context.slots);
                    batch = late;
                    batch.keep_awaited(Instant::now().into_std(), &context.slots);
                    if batch.entries.is_empty() {
                        return None;
                    }
                    context.stats.count_resent(CLOCK);
                    continue;
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
    let server = context.caller.server(slot);
    let call = Call::new(entries, &server, |named| context.extra_life(named));
    let reply = context.caller.call(slot, script, &call).await;
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
    let (_, answers) = decode(entries, &server, &reply).map_err(|error| unreadable(&error))?;
    if let ([entry], [Ok(_)]) = (entries.as_slice(), answers.as_slice()) {
        plain::counted(context, entry, &server);
    }
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

/// The error text, if Redis refused every entry because it is a replica: then nothing ran.
fn nothing_ran(answers: &[Answer]) -> Option<Box<str>> {
    let mut said = None;
    for answer in answers {
        match answer {
            Err(GroupError::Refused { text, .. }) if refusal::code(text) == "READONLY" => {
                said = Some(text.clone());
            }
            _ => return None,
        }
    }
    said
}

/// The script's error for an entry whose windows were sent for another time than the server has.
const CLOCK: &str = "CLOCK";

/// Takes the entries out that Redis refused because they were sent for another time, unless they were sent again for
/// that reason before: the reply has shown the server's time. Returns the answers to the others, those, and the ones
/// that were taken out.
fn without_late(answers: Vec<Answer>, batch: Batch, sent: &mut Sent) -> (Vec<Answer>, Batch, Batch) {
    let is_late = |answer: &Answer| matches!(answer, Err(error) if error.code() == CLOCK);
    if sent.retimed || !answers.iter().any(is_late) {
        return (answers, batch, Batch::default());
    }
    sent.retimed = true;
    let (mut handed, mut answered, mut late) = (Vec::new(), Batch::default(), Batch::default());
    for ((answer, entry), waiters) in answers.into_iter().zip(batch.entries).zip(batch.waiters) {
        let of = if is_late(&answer) { &mut late } else { &mut answered };
        of.entries.push(entry);
        of.waiters.push(waiters);
        if !is_late(&answer) {
            handed.push(answer);
        }
    }
    (handed, answered, late)
}
