//! Tests of the engine with a scripted limiter; complete answers are tested in `tests/service/rls`.

use std::{
    future::{Future, ready},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::*;
use limiter::domain::{
    Capabilities, Code, CounterKey, Descriptor, Entry, FailureMode, Group, Limit, RateLimiter, RetryAfter, Source,
    StoreError, Verdict,
};
use rules::{CompileOptions, RuleFile};
use stats::{Figure, Stats};

/// Denies keys that contain `over`, fails those with `broken`, decides those with `known` without waiting, and records
/// all other groups.
#[derive(Debug, Default)]
struct Scripted {
    asked: Mutex<Vec<Group>>,
}

impl Scripted {
    fn asked(&self) -> MutexGuard<'_, Vec<Group>> {
        self.asked.lock().expect("no test panics while it holds this")
    }

    fn answer(group: &Group) -> Verdicts {
        let verdicts = group.hits.iter().map(|hit| {
            let key = hit.key.to_string();
            let allowed = !key.contains("over");
            let verdict = Verdict {
                allowed,
                remaining: u64::from(allowed),
                reset_after: Duration::from_secs(7),
                retry_after: RetryAfter::Now,
                before: 0,
                after: 0,
                asked: hit.charge.amount(),
                granted: 0,
                source: Source::Store,
            };
            if key.contains("broken") { Err(StoreError::Closed) } else { Ok(verdict) }
        });
        verdicts.collect()
    }
}

impl RateLimiter for Scripted {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        let verdicts = Self::answer(&group);
        self.asked().push(Arc::unwrap_or_clone(group));
        ready(verdicts)
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        let known = group.hits.iter().all(|hit| hit.key.to_string().contains("known"));
        known.then(|| Self::answer(group))
    }

    fn reset(&self, _: &CounterKey, _: &Limit) -> impl Future<Output = Result<bool, StoreError>> + Send {
        ready(Ok(false))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn close(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

fn engine(yaml: &str, modes: Modes) -> (Engine, Arc<Scripted>, Arc<ActiveRules>) {
    let file = RuleFile::new("rules.yaml", yaml);
    let rules = rules::compile(&[file], &CompileOptions::new(Capabilities::ALL)).expect("valid rules").rules;
    let active = Arc::new(ActiveRules::new(rules, String::new(), &Stats::new(100), None));
    let limiter = Arc::new(Scripted::default());
    let options = Options { modes, on_store_failure: FailureMode::Deny, ..Options::embedded() };
    let handle = ActiveRulesHandle::default();
    handle.store(Some(Arc::clone(&active)));
    let engine = Engine::new(handle, limiter.clone(), Arc::default(), Arc::new(options), Arc::default());
    (engine, limiter, active)
}

fn decide(engine: &Engine, domain: &str, pairs: &[(&str, &str)]) -> Result<Decision, DecideError> {
    let descriptors = pairs.iter().map(|(key, value)| Descriptor::new([Entry::new(*key, *value)]));
    let request = Request::new(domain, descriptors);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(engine.decide(&request, None))
}

const RULES: &str = "
domain: d
on_unknown: deny
on_store_failure: allow
descriptors:
  - {key: a, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: shy, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: own, rate_limit: {unit: day, requests_per_unit: 1, on_store_failure: error}}
  - {key: free, rate_limit: {unlimited: true}}
";

#[test]
fn without_rules_the_failure_mode_of_the_service_answers() {
    let answer = |on_store_failure, shadow| {
        let (mut engine, ..) = engine(RULES, Modes { shadow, ..Modes::default() });
        let parts = Arc::get_mut(&mut engine.parts).expect("no other engine");
        Arc::make_mut(&mut parts.options).on_store_failure = on_store_failure;
        parts.active.store(None);
        let decision = decide(&engine, "d", &[("a", "1"), ("a", "2")])?;
        assert!(decision.degraded);
        Ok((decision.code, decision.statuses.iter().map(|status| status.code).collect::<Vec<_>>()))
    };
    assert_eq!(answer(FailureMode::Error, false), Err(DecideError::NoRules));
    assert_eq!(answer(FailureMode::Allow, false), Ok((Code::Ok, vec![Code::Ok; 2])));
    assert_eq!(answer(FailureMode::Local, false), Ok((Code::Ok, vec![Code::Ok; 2])));
    assert_eq!(answer(FailureMode::Deny, false), Ok((Code::OverLimit, vec![Code::OverLimit; 2])));
    assert_eq!(answer(FailureMode::Deny, true), Ok((Code::Ok, vec![Code::OverLimit; 2])), "shadow mode denies nothing");
}

#[test]
fn a_store_failure_is_an_error_unless_another_descriptor_denies_the_request() {
    let (engine, ..) = engine(RULES, Modes::default());
    assert_eq!(decide(&engine, "d", &[("a", "broken"), ("a", "1")]), Err(StoreError::Closed.into()));
    let denied = decide(&engine, "d", &[("a", "broken"), ("a", "over")]).expect("a denial outranks an error");
    assert_eq!(denied.code, Code::OverLimit);
    let quota = engine_with_quota();
    assert_eq!(
        decide(&quota, "d", &[("a", "broken"), ("a", "over")]),
        Err(StoreError::Closed.into()),
        "whether all quotas are over is not known"
    );
}

fn engine_with_quota() -> Engine {
    engine(RULES, Modes { quota: true, ..Modes::default() }).0
}

#[test]
fn what_the_limiter_decides_without_waiting_is_the_answer() {
    let (engine, limiter, active) = engine(RULES, Modes::default());
    let code = |pairs: &[_]| decide(&engine, "d", pairs).expect("an answer").code;
    assert_eq!(code(&[("a", "known")]), Code::Ok);
    assert_eq!(code(&[("a", "known"), ("a", "known over")]), Code::OverLimit);
    assert!(limiter.asked().is_empty());
    assert_eq!(code(&[("a", "known"), ("a", "1")]), Code::Ok);
    assert_eq!(limiter.asked()[0].hits.len(), 2, "the whole group, if a part is not known");
    assert_eq!(active.stats.series()[0].get(Figure::TotalHits), 5);
}

#[test]
fn an_unknown_descriptor_is_denied_if_the_domain_says_so() {
    let (engine, limiter, _) = engine(RULES, Modes::default());
    let denied = decide(&engine, "d", &[("free", ""), ("nothing", "1")]).expect("an answer");
    assert_eq!(denied.code, Code::OverLimit);
    assert_eq!(denied.statuses[1].code, Code::OverLimit);
    assert_eq!(denied.tightest, None, "no status has a limit");
    assert!(limiter.asked().is_empty(), "nothing to count");
    assert_eq!(decide(&engine, "other", &[("nothing", "1")]).expect("an answer").code, Code::Ok);
}

#[test]
fn an_unknown_descriptor_keeps_an_atomic_request_from_charging() {
    let (engine, limiter, _) = engine(RULES, Modes { atomic: true, ..Modes::default() });
    decide(&engine, "d", &[("a", "1"), ("shy", "1"), ("nothing", "1")]).expect("an answer");
    let asked = limiter.asked().pop().expect("one group");
    assert!(asked.atomic);
    assert!(asked.refused, "the store charges only the shadow rule");
}

#[test]
fn the_failure_mode_comes_from_the_rule_then_the_domain_then_the_service() {
    let modes_of = |yaml: &str| {
        let (engine, limiter, _) = engine(yaml, Modes::default());
        decide(&engine, "d", &[("a", "1"), ("own", "1")]).expect("an answer");
        let asked = limiter.asked().pop().expect("one group");
        asked.hits.iter().map(|hit| hit.on_store_failure).collect::<Vec<_>>()
    };
    assert_eq!(modes_of(RULES), [FailureMode::Allow, FailureMode::Error]);
    let without_domain_mode = RULES.replace("on_store_failure: allow\n", "");
    assert_eq!(modes_of(&without_domain_mode), [FailureMode::Deny, FailureMode::Error]);
}

#[test]
fn a_detailed_metric_of_an_empty_value_is_a_series_of_its_own() {
    let yaml =
        "{domain: d, descriptors: [{key: a, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 1}}]}";
    let (engine, _, active) = engine(yaml, Modes::default());
    decide(&engine, "d", &[("a", "")]).expect("an answer");
    let series = active.stats.series();
    let names: Vec<_> = series.iter().map(|series| series.labels().key1).collect();
    assert_eq!(names, ["a_"], "as the reference writes it");
}

#[test]
fn statistics_count_hits_and_unknown_domains() {
    let (engine, _, active) = engine(RULES, Modes::default());
    for value in ["1", "over"] {
        decide(&engine, "d", &[("a", value)]).expect("an answer");
    }
    let series = active.stats.series();
    let row = series.iter().find(|series| series.labels().key1 == "a").expect("the rule was hit");
    assert_eq!((row.get(Figure::TotalHits), row.get(Figure::OverLimit)), (2, 1));
    decide(&engine, "other", &[("a", "1"), ("b", "1")]).expect("an answer");
    let unknown = active.stats.stats().domains_not_found();
    assert_eq!(unknown, [("other".into(), 2)]);
}
