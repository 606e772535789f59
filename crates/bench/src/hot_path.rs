//! The parts of a decision, each as a function that does it once: `micro` measures their time, `instructions` their
//! instructions and `tests/allocations.rs` their allocations, all of the same work.

use std::{
    fmt::Write as _,
    future::Future,
    hint::black_box,
    num::{NonZeroU32, NonZeroUsize},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry as DescriptorEntry},
    service::ratelimit::v3::RateLimitRequest,
};
use limiter::{
    algorithm::{self, State},
    domain::{
        self, Algorithm, Capabilities, Charge, Clock, CounterKey, Descriptor, Entry, Group, Hit, KeyBuilder, KeyValue,
        Limit, MAX_COUNT, ManualClock, RateLimiter as _, Request, SystemClock, Timestamp, Unit,
    },
    guard::{DenyCache, DenyTable, FailMode, Observed},
    memory::{MemoryConfig, MemoryStore},
};
use prost::Message as _;
use rules::{CompileOptions, RuleFile, RuleSet};
use tokio::sync::watch;
use tollgate::{
    api::{ApiContext, Apis, Outcome, ResponseOptions, RlsService, Unary as _},
    engine::{ActiveRules, Engine, stats::Stats},
    rejections::PeerName,
};

/// Does it once.
pub type Work = Box<dyn FnMut() + Send>;

/// A part's name, and what makes it ready.
pub type Case = (&'static str, fn() -> Work);

/// Counters that uniform keys are spread over.
pub const KEYS: usize = 10_000;

/// All cases but those that need minutes to be made ready.
pub const CASES: &[Case] = &[
    ("match, 10 rules", || find(10)),
    ("match, 10 000 rules", || find(10_000)),
    ("key", key),
    ("step, fixed window", || step(Algorithm::FixedWindow)),
    ("step, sliding window", || step(Algorithm::SlidingWindow)),
    ("step, token bucket", || step(Algorithm::TokenBucket)),
    ("memory store, hot key", || memory(1)),
    ("memory store, 10 000 keys", || memory(KEYS)),
    ("decision, 1 descriptor", || decide(1)),
    ("decision, 5 descriptors", || decide(5)),
    ("decision, refused", refuse),
    ("decision, refused by the deny cache", refuse_from_cache),
    ("message to message, 1 descriptor", || answer(1)),
    ("message to message, 5 descriptors", || answer(5)),
    ("frames to frames, 1 descriptor", || call(1)),
    ("frames to frames, 5 descriptors", || call(5)),
    ("Redis, a call of 64 decisions", redis_call),
    ("Redis, a reply of 64 decisions", redis_reply),
    ("statistics of a rule", count),
];

/// The output of a future that never waits, as those of these parts.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Rules: one for each of `count - 1` values of `user`, one for every `path`, and `closed`, whose limit is zero.
pub fn rules(count: usize) -> RuleSet {
    let mut content = String::from("domain: d\ndescriptors:\n");
    let limit = format!("rate_limit: {{unit: hour, requests_per_unit: {}}}", u32::MAX);
    for number in 0..count - 1 {
        let _ = writeln!(content, "  - {{key: user, value: u{number}, {limit}}}");
    }
    let _ = writeln!(content, "  - {{key: path, {limit}}}");
    content.push_str("  - {key: closed, rate_limit: {unit: hour, requests_per_unit: 0}}\n");
    compile(content)
}

/// The rules of one file, which must be valid.
pub(crate) fn compile(content: String) -> RuleSet {
    let file = RuleFile::new("rules.yaml", content);
    rules::compile(&[file], &CompileOptions::new(Capabilities::ALL))
        .map(|compiled| compiled.rules)
        .expect("valid rules")
}

/// Look-ups of a rule among this many, another one each time.
pub fn find(count: usize) -> Work {
    let rules = rules(count);
    let values: Vec<String> = (0..1024).map(|turn| format!("u{}", turn * 7919 % (count - 1))).collect();
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        let entry = Entry::new("user", &values[turn % values.len()]);
        let domain = rules.domain("d").expect("the domain");
        black_box(domain.find(black_box(&[entry]))).expect("a rule");
    })
}

fn key() -> Work {
    let builder = KeyBuilder::new("prefix:");
    let limit = limit(Algorithm::FixedWindow);
    Box::new(move || {
        let entries = [("path", "/hello"), ("user", "somebody@example.com")];
        let entries = entries.map(|(key, value)| (key.as_bytes(), KeyValue::Exact(value.as_bytes())));
        let mut keys = builder.domain(black_box("domain"));
        black_box(keys.base(entries).counter(limit.algorithm(), limit.window()));
    })
}

fn limit(algorithm: Algorithm) -> Limit {
    Limit::new(algorithm, 1_000_000, Unit::Hour.into(), None, None).expect("a limit")
}

fn step(algorithm: Algorithm) -> Work {
    let limit = limit(algorithm);
    let (mut state, mut now): (Option<State>, _) = (None, SystemClock.now());
    Box::new(move || {
        now = now.saturating_add(Duration::from_micros(100));
        let step = algorithm::step(black_box(state), &limit, now, Charge::Take(1));
        state = step.next.or(state);
        black_box(step.verdict);
    })
}

fn store() -> Arc<MemoryStore> {
    Arc::new(own_store())
}

fn own_store() -> MemoryStore {
    let max_counters = NonZeroUsize::new(1_000_000).expect("not zero");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    MemoryStore::new(MemoryConfig { max_counters }, clock)
}

fn keys(count: usize) -> Vec<CounterKey> {
    (0..count).map(|number| CounterKey::from_bytes(format!("d|user=u{number:05}|f3600").as_bytes())).collect()
}

/// Hits on these keys in turn, in a store of their own.
pub fn memory(count: usize) -> Work {
    hits(store(), count, 0)
}

/// The same in a shared store, beginning at another key.
pub fn hits(store: Arc<MemoryStore>, count: usize, first: usize) -> Work {
    let (keys, limit) = (keys(count), Limit::fixed_window(MAX_COUNT, Unit::Hour));
    let mut turn = first;
    Box::new(move || {
        // a step that visits every key and no two neighbours
        turn += 7919;
        let key = keys[turn % count].clone();
        ready(store.check(Group::single(Hit::new(key, limit, Charge::Take(1))))).pop();
    })
}

/// A store for [`hits`].
pub fn shared_store() -> Arc<MemoryStore> {
    store()
}

/// An engine over memory, as a worker has it.
pub fn engine() -> Engine {
    engine_over(store())
}

fn engine_over(limiter: Arc<dyn domain::DynRateLimiter>) -> Engine {
    Engine::embedded(rules(10), limiter)
}

fn request<'a>(key: &'a str, value: &'a str, descriptors: usize) -> Request<'a> {
    let descriptor = Descriptor {
        entries: [Entry::new(key, value)].into_iter().collect(),
        limit: None,
        amount: None,
        gives_back: false,
    };
    Request { domain: b"d", descriptors: (0..descriptors).map(|_| descriptor.clone()).collect(), amount: 0 }
}

/// A whole decision, which allows the request.
fn decide(descriptors: usize) -> Work {
    let engine = engine();
    Box::new(move || {
        let request = request("path", "/hello", descriptors);
        black_box(ready(engine.decide(black_box(&request), None))).expect("a decision");
    })
}

fn refuse() -> Work {
    refuse_by(engine())
}

/// With all guards of a store over the network, which is asked once a second.
fn refuse_from_cache() -> Work {
    let table = DenyTable::new(NonZeroUsize::new(1 << 22).expect("not zero"));
    let cached = DenyCache::new(own_store(), table);
    let limiter = FailMode::new(cached, store(), NonZeroU32::MIN, Arc::default());
    refuse_by(engine_over(Arc::new(Observed::new(limiter, Arc::default()))))
}

fn refuse_by(engine: Engine) -> Work {
    Box::new(move || {
        let request = request("closed", "x", 1);
        black_box(ready(engine.decide(black_box(&request), None))).expect("a decision");
    })
}

fn rls() -> RlsService {
    RlsService::new(engine(), Arc::new(ResponseOptions::default()), Arc::default())
}

fn message(descriptors: usize) -> Vec<u8> {
    let descriptor = RateLimitDescriptor {
        entries: vec![DescriptorEntry { key: "path".to_owned(), value: "/hello".to_owned() }],
        ..RateLimitDescriptor::default()
    };
    let descriptors = vec![descriptor; descriptors];
    RateLimitRequest { domain: "d".to_owned(), descriptors, hits_addend: 0 }.encode_to_vec()
}

/// From the bytes of a request to the bytes of its answer: what is between two frames of HTTP/2.
pub fn answer(descriptors: usize) -> Work {
    let (service, message, mut out) = (rls(), message(descriptors), Vec::new());
    Box::new(move || {
        out.clear();
        let outcome = service.answer(black_box(&message), None, &mut out);
        assert!(matches!(outcome, Outcome::Answered(None)), "{outcome:?}");
        black_box(&out);
    })
}

/// From the frames of a call to those of its answer: all that is between two looks at the socket. The call is as Envoy
/// sends it once its fields are in the table of the connection, with a `grpc-timeout` that is not.
pub fn call(descriptors: usize) -> Work {
    let (_, states) = watch::channel(());
    let context = ApiContext {
        engine: Box::new(engine),
        response: Arc::default(),
        max_request: 4 << 20,
        stats: Arc::default(),
        rejections: Arc::default(),
    };
    let (apis, _) = Apis::new(context, states, |()| true);
    let handler = apis.grpc().connection(PeerName::Unknown, None);
    let config = wire::Config { max_streams: 1024, ..wire::Config::default() };
    let mut connection = wire::Connection::new(handler, Arc::new(config), Instant::now());
    let (mut out, mut scratch) = (Vec::new(), wire::Scratch::default());
    connection.start(&mut out);
    let mut receive = move |frames: &[u8]| {
        out.clear();
        let mut turn = wire::Turn { now: Instant::now(), out: &mut out, scratch: &mut scratch, calls: 128 };
        assert_eq!(connection.receive(black_box(frames), &mut turn), frames.len());
        assert!(!connection.is_over(), "the connection is closed");
        black_box(&out).len()
    };
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let text = |text: &[u8]| [&[u8::try_from(text.len()).expect("short")], text].concat();
    let message = message(descriptors);
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    let data = frame(0, 1, 1, &[&[0], &length[..], &message].concat());
    // :method POST, :scheme http; then what enters the table
    let fields: [(&[u8], &[u8]); 5] = [
        (b":path", b"/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"),
        (b":authority", b"ratelimit.istio-system.svc.cluster.local:8081"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"x-envoy-internal", b"true"),
    ];
    let mut block = vec![0x83, 0x86];
    for (name, value) in fields {
        block.extend([&[0x40][..], &text(name), &text(value)].concat());
    }
    block.extend([&[0x40][..], &text(b"grpc-timeout"), &text(b"20m")].concat());
    let first = frame(1, 4, 1, &block);
    // as large as a window can be
    let window = frame(8, 0, 0, &(i32::MAX as u32 - 65_535).to_be_bytes());
    receive(&[frame(4, 0, 0, &[]), frame(4, 1, 0, &[]), window, first, data.clone()].concat());
    // the newest entry is the first one behind the 61 of the static table
    let entries = (0..5).map(|at| 0x80 | (67 - at)).collect::<Vec<u8>>();
    let block = [&[0x83, 0x86][..], &entries, &[0x0f, 62 - 15], &text(b"20m")].concat();
    let mut frames = [frame(1, 4, 1, &block), data].concat();
    let second = frames.len() - (message.len() + 5 + 4);
    let mut stream = 1_u32;
    Box::new(move || {
        stream += 2;
        for at in [5, second] {
            frames[at..at + 4].copy_from_slice(&stream.to_be_bytes());
        }
        assert!(receive(&frames) > 40, "no answer");
    })
}

fn entries() -> Vec<redis::Entry> {
    let limit = Limit::fixed_window(MAX_COUNT, Unit::Hour);
    keys(64).into_iter().map(|key| redis::Entry::new(Group::single(Hit::new(key, limit, Charge::Take(1))))).collect()
}

/// The arguments of a call of 64 decisions.
fn redis_call() -> Work {
    let (entries, server) = (entries(), redis::Server::unknown());
    Box::new(move || drop(black_box(redis::Call::new(black_box(&entries), &server, |_| Duration::ZERO))))
}

/// The decoding of the script's reply: each of the counters is new, and was written.
fn redis_reply() -> Work {
    let (entries, server) = (entries(), redis::Server::unknown());
    let mut reply = SystemClock.now().as_f64().to_le_bytes().to_vec();
    for _ in &entries {
        reply.extend([0, 1]);
    }
    Box::new(move || {
        black_box(redis::decode(&entries, &server, black_box(&reply))).expect("a reply");
    })
}

fn count() -> Work {
    use limiter::domain::Verdict;
    use tollgate::engine::stats::Observation;

    let active = ActiveRules::new(rules(10), String::new(), &Stats::new(0), None);
    let id = active.rules.rules().next().expect("a rule").1.rule.id();
    let limit = Limit::fixed_window(1000, Unit::Hour);
    let key = CounterKey::from_bytes(b"k");
    let verdict: Verdict = ready(store().allow(key, limit)).expect("a verdict");
    Box::new(move || {
        let observation = Observation { limit: 1000, verdict: &verdict, charge: Charge::Take(1), shadow: false };
        active.stats.row(black_box(id)).record(black_box(&observation), 0.8);
    })
}
