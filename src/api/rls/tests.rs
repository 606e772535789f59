//! Tests of the RLS service with a fake limiter that decides immediately or later; complete answers are tested in
//! `tests/service/rls`.

use std::{
    future::{poll_fn, ready},
    task::Waker,
    time::Duration,
};

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry},
    service::ratelimit::v3::{RateLimitRequest, RateLimitResponse, rate_limit_response::Code as WireCode},
};
use prost::Message as _;

use super::*;
use limiter::domain::{
    Capabilities, Code as Overall, CounterKey, Group, Limit, RateLimiter, RetryAfter, Source, StoreError, Verdict,
    Verdicts,
};
use rules::{CompileOptions, RuleFile};

use crate::{
    api::{grpc::PREFIX, requests::Requests},
    rejections::Api,
};

/// Decides keys that contain `now` without waiting, others when it is polled for the second time; fails those with
/// `broken`.
#[derive(Debug)]
struct Fake;

impl Fake {
    fn verdicts(group: &Group) -> Verdicts {
        let verdict = Verdict {
            allowed: true,
            remaining: 9,
            reset_after: Duration::from_secs(7),
            retry_after: RetryAfter::Now,
            before: 0,
            after: 1,
            asked: 1,
            granted: 1,
            source: Source::Store,
        };
        let broken = |key: &CounterKey| key.to_string().contains("broken");
        group.hits.iter().map(|hit| if broken(&hit.key) { Err(StoreError::Closed) } else { Ok(verdict) }).collect()
    }
}

impl RateLimiter for Fake {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        let mut polled = false;
        poll_fn(
            move |_| {
                if mem::replace(&mut polled, true) { Poll::Ready(Self::verdicts(&group)) } else { Poll::Pending }
            },
        )
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        group.hits.iter().all(|hit| hit.key.to_string().contains("now")).then(|| Self::verdicts(group))
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

fn service(undecidable: Option<Overall>) -> RlsService {
    counted(undecidable, &Requests::default())
}

/// A service that counts its calls in `requests`.
fn counted(undecidable: Option<Overall>, requests: &Requests) -> RlsService {
    let content = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: hour, requests_per_unit: 10}}]";
    let file = RuleFile::new("rules.yaml", content);
    let rules = rules::compile(&[file], &CompileOptions::new(Capabilities::ALL)).expect("valid rules").rules;
    let engine = Engine::embedded(rules, Arc::new(Fake));
    let options = ResponseOptions { undecidable, ..ResponseOptions::default() };
    RlsService::new(engine, Arc::new(options), requests.worker(Api::Rls))
}

fn request(domain: &str, value: &str) -> Vec<u8> {
    let entries = vec![Entry { key: "k".to_owned(), value: value.to_owned() }];
    let descriptors = vec![RateLimitDescriptor { entries, ..RateLimitDescriptor::default() }];
    RateLimitRequest { domain: domain.to_owned(), descriptors, hits_addend: 0 }.encode_to_vec()
}

/// The content of the buffer before an answer.
const BEFORE: &[u8] = b"before";

/// The message that was appended.
fn appended(out: &[u8]) -> RateLimitResponse {
    let frame = out.strip_prefix(BEFORE).expect("the earlier content is unchanged");
    RateLimitResponse::decode(&frame[PREFIX..]).expect("a message")
}

#[test]
fn a_decision_without_waiting_is_appended_immediately() {
    let service = service(None);
    let mut out = BEFORE.to_vec();
    assert!(matches!(service.answer(&request("d", "now"), None, &mut out), Outcome::Answered(None)));
    let answer = appended(&out);
    assert_eq!((answer.overall_code(), answer.statuses[0].limit_remaining), (WireCode::Ok, 9));

    let mut out = BEFORE.to_vec();
    let outcome = service.answer(&request("nobody's", "now"), None, &mut out);
    assert!(matches!(outcome, Outcome::Answered(Some(Note::UnknownDomain))));
    assert_eq!(appended(&out).overall_code(), WireCode::Ok);
}

#[test]
fn a_pending_answer_is_appended_when_it_is_decided() {
    let (service, mut cx) = (service(None), Context::from_waker(Waker::noop()));
    for (value, decided) in [("later", true), ("broken", false)] {
        let mut out = BEFORE.to_vec();
        let Outcome::Pending(mut pending) = service.answer(&request("d", value), None, &mut out) else {
            unreachable!("the limiter has not answered")
        };
        assert!(pending.poll_answer(&mut cx, &mut out).is_pending());
        assert_eq!(out, BEFORE);
        match pending.poll_answer(&mut cx, &mut out) {
            Poll::Ready(Ok(())) if decided => assert_eq!(appended(&out).statuses[0].limit_remaining, 9),
            Poll::Ready(Err(rejection)) if !decided => {
                assert_eq!((rejection.code, rejection.reason), (Code::Unavailable, None));
                assert_eq!(out, BEFORE);
            }
            other => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn a_rejection_leaves_the_buffer_unchanged() {
    let service = service(None);
    let cases = [
        (b"\xff".to_vec(), Code::Internal, Reason::Malformed),
        (request("", "now"), Code::InvalidArgument, Reason::NoDomain),
    ];
    for (message, code, reason) in cases {
        let mut out = BEFORE.to_vec();
        let Outcome::Rejected(rejection) = service.answer(&message, None, &mut out) else {
            unreachable!("it cannot be decided")
        };
        assert_eq!((rejection.code, rejection.reason), (code, Some(reason)));
        assert!(!service.answer_undecidable(reason, &mut out));
        assert_eq!(out, BEFORE);
    }
}

#[test]
fn a_rejected_request_is_denied_if_a_setting_says_so() {
    let service = service(Some(Overall::OverLimit));
    let mut out = BEFORE.to_vec();
    assert!(service.answer_undecidable(Reason::NoDomain, &mut out));
    assert_eq!(appended(&out).overall_code(), WireCode::OverLimit);
    assert!(!service.answer_undecidable(Reason::Refund, &mut out), "refunds have a setting of their own");
}

#[test]
fn a_call_is_in_flight_until_it_is_answered_or_abandoned() {
    let (requests, mut out) = (Requests::default(), Vec::new());
    let service = counted(None, &requests);
    let counts = |expected: [u64; 4]| {
        let all = metrics::series(&requests);
        for (series, count) in [
            "ratelimit_service_total_requests{grpc_method=\"ShouldRateLimit\"}",
            "tollgate_requests_in_flight",
            "ratelimit_service_should_rate_limit_error{err_type=\"service_error\"}",
            "ratelimit_service_should_rate_limit_error{err_type=\"redis_error\"}",
        ]
        .into_iter()
        .zip(expected)
        {
            assert!(all.contains(&format!("{series} {count}")), "{series} {count} in {all:?}");
        }
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut begin = |value| match service.answer(&request("d", value), None, &mut out) {
        Outcome::Pending(pending) => pending,
        other => unreachable!("{other:?}"),
    };
    let (answered, broken, abandoned) = (begin("later"), begin("broken"), begin("later"));
    counts([3, 3, 0, 0]);
    for (mut pending, is_answer) in [(answered, true), (broken, false)] {
        let mut answer = Vec::new();
        assert!(pending.poll_answer(&mut cx, &mut answer).is_pending());
        let Poll::Ready(outcome) = pending.poll_answer(&mut cx, &mut answer) else { unreachable!("it is decided") };
        assert_eq!(outcome.is_ok(), is_answer);
    }
    counts([3, 1, 0, 1]);
    drop(abandoned);
    counts([3, 0, 0, 1]);
    // a malformed message does not reach the service
    for (message, expected) in
        [(request("d", "now"), [4, 0, 0, 1]), (request("", "now"), [5, 0, 1, 1]), (b"\xff".to_vec(), [5, 0, 1, 1])]
    {
        let _ = service.answer(&message, None, &mut out);
        counts(expected);
    }
}
