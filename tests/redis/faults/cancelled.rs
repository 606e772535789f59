//! Redis hangs, and every call is cancelled after 20 ms: no connection is lost, nothing accumulates, and the service
//! recovers with Redis.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::faults::{
    cancel::Cancelling,
    soak::wanted,
    stage::{Setting, Stage},
    table::GROWTH,
    vitals::Monitor,
};
use testkit::{
    PATIENCE, eventually,
    rls::{Rls, client, request},
};

/// For how long, and how many times, Tollgate itself is stopped meanwhile.
const STALL: Duration = Duration::from_millis(100);
const STALL_EVERY: Duration = Duration::from_secs(2);
/// How many consecutive answers by Redis count as recovery.
const ENOUGH: usize = 100;

/// Only its cancellation ends a call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_while_all_calls_wait() {
    cancelled("no deadline and no breaker", &[("BREAKER", "false"), ("REDIS_TIMEOUT", "1h")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_without_a_breaker() {
    cancelled("no breaker", &[("BREAKER", "false")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_with_a_breaker() {
    cancelled("default settings", &[]).await;
}

async fn cancelled(name: &str, env: &[(&str, &str)]) {
    let length = Duration::from_secs(wanted("CANCEL_SECONDS", 5));
    let rate = wanted("CANCEL_RATE", 1000) as u32;
    let stage = Stage::set(&Setting { env, ..Setting::USUAL }).await;
    let (monitor, tollgate) = (Monitor::new(), &stage.tollgate);
    let mut rls = client(tollgate.address("grpc"));
    let load = Cancelling::start(tollgate.address("grpc"), rate);
    let seen = load.seen();
    eventually("answers", async || (seen.answered.load(Relaxed) > u64::from(rate)).then_some(())).await;

    stage.redis.signal("STOP");
    let cancelled_before = seen.cancelled.load(Relaxed);
    eventually("calls that are cancelled", async || {
        (seen.cancelled.load(Relaxed) > cancelled_before + 50).then_some(())
    })
    .await;
    let began = Instant::now();
    let before = monitor.vitals(tollgate).await;
    let (sent, mut peak) = (seen.sent.load(Relaxed), before);
    let mut stalls = 0;
    while began.elapsed() < length {
        sleep(Duration::from_millis(200)).await;
        // like a throttled container
        if began.elapsed() >= STALL_EVERY * (stalls + 1) {
            stalls += 1;
            tollgate.signal("STOP");
            sleep(STALL).await;
            tollgate.signal("CONT");
        }
        let now = monitor.vitals(tollgate).await;
        peak = if now.own > peak.own { now } else { peak };
    }
    let (sent, elapsed) = (seen.sent.load(Relaxed) - sent, began.elapsed());
    let after = monitor.vitals(tollgate).await;
    let cancelled = seen.cancelled.load(Relaxed) - cancelled_before;

    stage.redis.signal("CONT");
    let recovery = recovers(&mut rls).await;
    let trouble = load.stop();
    for gauge in ["tollgate_redis_pending", "tollgate_redis_calls_in_flight", "tollgate_requests_in_flight"] {
        eventually(gauge, async || (monitor.metric(tollgate, gauge).await == 0).then_some(())).await;
    }
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    println!(
        "figures: {name}: Redis stopped for {:.0} s, {:.0} calls a second, {cancelled} cancelled after 20 ms, \
         the others answered at once\n  \
         memory: {:.1} MiB before, {:.1} at its peak, {:.1} after; waiting: {}, {}, {}; \
         {stalls} times Tollgate stood still for 100 ms\n  {recovery}",
        elapsed.as_secs_f64(),
        sent as f64 / elapsed.as_secs_f64(),
        mebibytes(before.resident),
        mebibytes(peak.resident),
        mebibytes(after.resident),
        before.pending,
        peak.pending,
        after.pending,
    );
    assert_eq!(trouble, [""; 0]);
    assert!(peak.own <= before.own + GROWTH, "it grows: {before:?}, {peak:?}, {after:?}");
    assert_eq!(monitor.metric(tollgate, "tollgate_rejected_calls_total").await, 0);
}

/// Makes calls until Redis has answered many in a row. Returns when that began, and how many calls failed before.
async fn recovers(rls: &mut Rls) -> String {
    let began = Instant::now();
    let (mut failed, mut in_a_row, mut first) = (0, 0, began);
    while in_a_row < ENOUGH {
        match hit(rls).await {
            Ok(()) if in_a_row == 0 => (in_a_row, first) = (1, Instant::now()),
            Ok(()) => in_a_row += 1,
            Err(status) => {
                assert!(began.elapsed() < PATIENCE, "Redis goes on, and nobody asks it: {status:?}");
                (failed, in_a_row) = (failed + 1, 0);
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
    let first = (first - began).as_millis();
    format!("answers of Redis {first} ms after it went on, {failed} calls failed until then")
}

async fn hit(rls: &mut Rls) -> Result<(), tonic::Status> {
    rls.should_rate_limit(request("faults", &[&[("mode", "error"), ("wide", "v")]])).await.map(|_| ())
}
