//! The breaker against a model of its states, and case by case.

use proptest::prelude::*;

use super::*;

fn config() -> BreakerConfig {
    BreakerConfig {
        consecutive: NonZeroU32::new(5).expect("not zero"),
        ratio: 0.5,
        window: Duration::from_secs(10),
        min_calls: NonZeroU32::new(20).expect("not zero"),
        cooldown: Duration::from_millis(100),
        max_cooldown: Duration::from_secs(2),
    }
}

/// Observes a call that was admitted just now; returns whether that opened the breaker.
fn observe(breaker: &Breaker, answered: bool, now: Instant) -> bool {
    observe_as(breaker, if answered { Outcome::Answered } else { Outcome::Silent }, now)
}

fn observe_as(breaker: &Breaker, outcome: Outcome, now: Instant) -> bool {
    breaker.observe(Admitted { opened: breaker.opened() }, outcome, now)
}

#[test]
fn it_opens_on_failures_in_a_row_and_not_before() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    for _ in 0..3 {
        for _ in 0..4 {
            assert!(!observe(&breaker, false, now));
        }
        assert!(!observe(&breaker, true, now));
    }
    let opened: Vec<_> = (0..5).map(|_| observe(&breaker, false, now)).collect();
    assert_eq!(opened, [false, false, false, false, true]);
    assert_eq!((breaker.admits(), breaker.state(), breaker.opened()), (false, BreakerState::Open, 1));
}

#[test]
fn refusals_open_it_in_a_row_and_not_by_their_share() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    for _ in 0..100 {
        for _ in 0..4 {
            assert!(!observe_as(&breaker, Outcome::Refused, now));
        }
        assert!(!observe(&breaker, true, now));
    }
    // unanswered calls among them count towards the row
    let row = [Outcome::Refused, Outcome::Silent, Outcome::Refused, Outcome::Silent, Outcome::Refused];
    assert_eq!(row.map(|outcome| observe_as(&breaker, outcome, now)), [false, false, false, false, true]);
}

#[test]
fn it_opens_on_a_share_of_enough_calls() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    for call in 0..19 {
        assert!(!observe(&breaker, call % 2 == 0, now), "{call}: too few calls");
    }
    assert!(observe(&breaker, false, now));
}

#[test]
fn failures_of_long_ago_do_not_count() {
    let (breaker, start) = (Breaker::new(config()), Instant::now());
    for second in 0..1000 {
        let now = start + Duration::from_secs(second);
        assert!(!observe(&breaker, second % 2 == 0, now), "10 calls in each window are too few");
    }
}

#[test]
fn one_task_probes_and_the_cooldown_grows_to_a_bound() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    assert!(!breaker.claim(), "it is closed");
    (0..5).for_each(|_| _ = observe(&breaker, false, now));
    assert!(breaker.claim() && !breaker.claim());
    for expected in [100, 200, 400, 800, 1600, 2000, 2000] {
        let pause = breaker.pause().as_millis();
        assert!((expected / 2..=expected).contains(&pause), "{pause} of {expected}");
        breaker.probe();
        assert_eq!((breaker.state(), breaker.admits()), (BreakerState::HalfOpen, false));
        breaker.probed(false, now);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
    breaker.release();
    assert!(breaker.claim(), "another may go on");
    breaker.probe();
    assert!(!observe(&breaker, false, now), "a late outcome changes nothing");
    breaker.probed(true, now);
    breaker.release();
    assert!(breaker.admits() && !breaker.claim());
    assert!((0..4).all(|_| !observe(&breaker, false, now)), "earlier failures no longer count");
}

#[test]
fn one_that_opens_again_soon_cools_down_for_longer() {
    let (breaker, mut now) = (Breaker::new(config()), Instant::now());
    let (mut pauses, mut hurried) = (Vec::new(), Vec::new());
    for between in [0, 1, 1, 1, 1, 1, 11, 1] {
        now += Duration::from_secs(between);
        (0..5).for_each(|_| _ = observe(&breaker, false, now));
        hurried.push(breaker.may_be_hurried());
        pauses.push(breaker.lock().cooldown.as_millis());
        breaker.probe();
        breaker.probed(true, now);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 100, 200]);
    // a connection proves nothing for an address that accepts connections and then does not answer
    assert_eq!(hurried, [true, false, false, false, false, false, true, false]);
}

#[test]
fn calls_admitted_before_it_opened_do_not_count_once_it_is_closed_again() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    let late = breaker.admit().expect("it is closed");
    (0..5).for_each(|_| _ = observe(&breaker, false, now));
    assert!(breaker.admit().is_none());
    breaker.probe();
    breaker.probed(true, now);
    assert!(
        (0..10).all(|_| !breaker.observe(late, Outcome::Silent, now)),
        "they were sent before the probe was answered"
    );
    assert!((0..4).all(|_| !observe(&breaker, false, now)));
    assert!(!breaker.observe(late, Outcome::Answered, now));
    assert!(observe(&breaker, false, now), "the fifth failure since then opens it");
}

/// A model of the breaker that decides from the whole history of calls.
#[derive(Default)]
struct Model {
    calls: Vec<(u64, bool)>,
    in_a_row: u32,
}

impl Model {
    /// Whether this call opens it. The window slides by tenths, of a second each, from the first call on.
    fn observe(&mut self, answered: bool, at: u64) -> bool {
        self.calls.push((at, answered));
        self.in_a_row = if answered { 0 } else { self.in_a_row + 1 };
        let tenth = |at: u64| (at - self.calls[0].0) / 1000;
        let within = || self.calls.iter().filter(|(then, _)| tenth(*then) + 10 > tenth(at));
        let (calls, failures) = (within().count(), within().filter(|(_, answered)| !answered).count());
        !answered && (self.in_a_row >= 5 || (calls >= 20 && failures * 2 >= calls))
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(steps in prop::collection::vec((0u64..700, prop::bool::weighted(0.6)), 1..300)) {
        let (breaker, start) = (Breaker::new(config()), Instant::now());
        let (mut model, mut at) = (Model::default(), 0);
        for (step, answered) in steps {
            at += step;
            let opened = observe(&breaker, answered, start + Duration::from_millis(at));
            prop_assert_eq!(opened, model.observe(answered, at), "at {} ms", at);
            prop_assert_eq!(breaker.admits(), !opened);
            if opened {
                prop_assert!(breaker.claim());
                breaker.probe();
                breaker.probed(true, start + Duration::from_millis(at));
                breaker.release();
                model = Model::default();
            }
        }
    }
}

#[test]
fn a_connection_that_is_proven_to_count_closes_it_like_a_probe() {
    let (breaker, now) = (Breaker::new(config()), Instant::now());
    assert!(!breaker.proven(now), "it is closed");
    (0..5).for_each(|_| _ = observe(&breaker, false, now));
    assert!(breaker.claim());
    breaker.probe();
    assert!(breaker.proven(now) && breaker.admits());
    assert!(!breaker.probe(), "there is nothing to probe any more");
    // the outcome of the probe that was under way changes nothing
    assert!(!breaker.probed(false, now) && !breaker.probed(true, now) && breaker.admits());
    breaker.release();
    // it does not close so soon after it had closed: the address answers only probes
    (0..5).for_each(|_| _ = observe(&breaker, false, now));
    assert!(!breaker.proven(now) && !breaker.admits());
}
