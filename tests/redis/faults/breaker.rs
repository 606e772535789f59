//! What opens the breaker and what does not, for calls that never reach Redis: answered by the deny cache, shed, or
//! cancelled early.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;

use crate::faults::{
    load::{Load, Mode, Outcome, Point, Sample},
    proxy::Treatment,
    stage::{LIMIT, Road, Setting, Stage},
    vitals::Monitor,
};
use testkit::{
    eventually,
    rls::{Rls, client, request},
};

/// Envoy's default.
const ENVOYS_OWN: &str = "0.02s";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_opens_although_the_deny_cache_answers_nine_of_ten() {
    let stage = Stage::set(&Setting::USUAL).await;
    let monitor = Monitor::new();
    let rls = client(stage.tollgate.address("grpc"));
    let hits = async || monitor.metric(&stage.tollgate, "tollgate_deny_cache_hits_total").await;
    let opened = async || monitor.metric(&stage.tollgate, "tollgate_redis_breaker_opened_total").await;

    for _ in 0..=LIMIT {
        hit(&rls, "tight").await.expect("Redis is there");
    }
    // a denial is remembered for a second at most, in which the machine may be busy
    eventually("an answer of the deny cache", async || {
        let known = hits().await;
        hit(&rls, "tight").await.expect("Redis is there");
        (hits().await > known).then_some(())
    })
    .await;
    stage.redis.signal("STOP");
    // after that second these go to Redis too
    let (mut cached, mut asked) = (0, 0);
    while opened().await == 0 {
        let before = hits().await;
        let mut calls = JoinSet::new();
        for number in 0..10 {
            let rls = rls.clone();
            calls.spawn(async move { hit(&rls, if number == 0 { "wide" } else { "tight" }).await });
        }
        asked += calls.join_all().await.len() as u64;
        cached += hits().await - before;
    }
    println!("figures: the breaker opened after {asked} requests, of which the deny cache answered {cached}");
    assert!(asked < 1000, "the breaker stays closed");
    stage.redis.signal("CONT");
    eventually("an answer of Redis", async || hit(&rls, "wide").await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stays_closed_when_a_burst_is_shed() {
    const ROOM: u64 = 8;
    let setting = Setting {
        road: Road::Proxied,
        env: &[("MAX_PENDING_CHECKS", "8"), ("REDIS_TIMEOUT", "10s")],
        ..Setting::USUAL
    };
    let mut stage = Stage::set(&setting).await;
    // healthy, but so far away that a whole burst arrives before the first answer
    stage.proxy().set(Treatment::Late(Duration::from_millis(100)));
    let monitor = Monitor::new();
    let rls = client(stage.tollgate.address("grpc"));
    let mut counted = [0, 0];
    for _ in 0..20 {
        let mut calls = JoinSet::new();
        for _ in 0..10 * ROOM {
            let rls = rls.clone();
            calls.spawn(async move { hit(&rls, "wide").await });
        }
        for call in calls.join_all().await {
            match call {
                Ok(()) => counted[0] += 1,
                Err(status) => {
                    assert!(status.message().contains("too many checks wait"), "{status:?}");
                    counted[1] += 1;
                }
            }
        }
    }
    let [answered, shed] = counted;
    println!("figures: bursts of {} with room for {ROOM}: {answered} answered, {shed} shed", 10 * ROOM);
    assert!(answered >= 20 * ROOM && shed > 0);
    assert_eq!(monitor.metric(&stage.tollgate, "tollgate_redis_errors_total{kind=\"overloaded\"}").await, shed);
    assert_eq!(monitor.metric(&stage.tollgate, "tollgate_redis_breaker_opened_total").await, 0);
    hit(&rls, "wide").await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stays_closed_when_callers_wait_for_less_than_redis_takes() {
    let setting =
        Setting { road: Road::Proxied, env: &[("REDIS_TIMEOUT", "10s")], timeout: ENVOYS_OWN, ..Setting::USUAL };
    let mut stage = Stage::set(&setting).await;
    stage.proxy().set(Treatment::Late(Duration::from_millis(50)));
    let load = Load::start(Point::Envoy(stage.envoy.address), 100, &[Mode::Error]);
    let monitor = Monitor::new();
    eventually("calls of which Redis hears", async || {
        let asked = monitor.metric(&stage.tollgate, "tollgate_redis_calls_total").await;
        (load.samples().len() >= 200 && asked > 5).then_some(())
    })
    .await;
    let samples = load.stop();
    assert!(samples.iter().all(|sample| sample.outcome == Outcome::Error), "the callers wait for less than 50 ms");
    assert_eq!(monitor.metric(&stage.tollgate, "tollgate_redis_breaker_opened_total").await, 0);
}

/// How many of our answers reach an Envoy with a timeout of 20 ms while Redis hangs. The breaker is off, because it
/// would make all answers immediate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_made_at_a_callers_deadline_reach_it() {
    let mut figures = String::new();
    for (name, rate) in [("50 requests a second", 50), ("500 requests a second", 500)] {
        let setting = Setting {
            env: &[("BREAKER", "false")],
            timeout: ENVOYS_OWN,
            // a request whose answer does not reach Envoy passes
            failure_mode_deny: false,
            ..Setting::USUAL
        };
        let stage = Stage::set(&setting).await;
        let load = Load::start(Point::Envoy(stage.envoy.address), rate, &[Mode::Deny]);
        eventually("answers of Redis", async || load.samples().iter().any(Sample::is_of_redis).then_some(())).await;
        stage.redis.signal("STOP");
        load.take();
        eventually("calls whose answers reach Envoy", async || {
            let samples = load.samples();
            let is_over = |sample: &Sample| sample.outcome == Outcome::Over;
            (samples.len() >= 10 * rate.min(100) as usize && samples.iter().any(is_over)).then_some(())
        })
        .await;
        let samples = load.stop();
        let reached = samples.iter().filter(|sample| sample.outcome == Outcome::Over).count();
        let share = 100.0 * reached as f64 / samples.len() as f64;
        figures += &format!("\n  {name}: {reached} of {} ({share:.1} %)", samples.len());
        assert!(samples.iter().all(|sample| matches!(sample.outcome, Outcome::Over | Outcome::Pass)), "{samples:?}");
    }
    println!("figures: answers that reach an Envoy with its 20 ms while Redis hangs:{figures}");
}

/// One hit in the failure mode `error`.
async fn hit(rls: &Rls, key: &str) -> Result<(), tonic::Status> {
    let answer = rls.clone().should_rate_limit(request("faults", &[&[("mode", "error"), (key, "v")]])).await;
    answer.map(|_| ()).inspect_err(|status| assert_eq!(status.code(), Code::Unavailable, "{status:?}"))
}
