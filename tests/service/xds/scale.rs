//! Large snapshots: how long they take, how much memory, and how they affect decisions. Prints figures; asserts that
//! all rules are present, and that finding a rule does not take time proportional to the number of rules.
//! `TOLLGATE_TEST_XDS_DOMAINS` and `TOLLGATE_TEST_XDS_DESCRIPTORS` set the size.

use std::{env, fs, time::Instant};

use envoy_types::pb::google::protobuf::Any;

use super::service::{builder, limit_of};
use testkit::scrape::metric;
use testkit::{
    process::Tollgate,
    rls::{Rls, ask, client, request},
    xds::{
        configs::{resource, rule},
        server::{Ads, AdsStream, ack},
    },
};

fn size(variable: &str, default: u32) -> u32 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The largest allowed ratio between a decision with all the other rules and one with that rule alone. Caches and a
/// busy machine cost a factor of two or so; a walk over twenty thousand rules costs ten or more, even in a debug build.
const MOST: f64 = 5.0;

/// The domain and the key of a rule.
type Asked = (String, String);

struct Scale {
    tollgate: Tollgate,
    stream: AdsStream,
    client: Rls,
    /// Calls made so far, each with a value of its own.
    asked: u32,
    _ads: Ads,
}

impl Scale {
    /// Starts with this rule only.
    async fn start(small: Any) -> Self {
        let mut ads = Ads::start().await;
        let tollgate = builder(ads.address).env("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "1_000_000_000").spawn();
        let mut stream = ads.accept().await;
        stream.request().await;
        stream.send("small", "small", [small]).await;
        assert_eq!(stream.reply().await, ack("small", "small"));
        let client = client(tollgate.address("grpc"));
        Self { tollgate, stream, client, asked: 0, _ads: ads }
    }

    /// Loads these and prints the cost. `one` is in force before and is the last of them; `key` picks any.
    async fn load(&mut self, what: &str, resources: Vec<Any>, one: Asked, key: impl Fn(u32) -> Asked) {
        let one_rule = |_| one.clone();
        let before = self.decision(one_rule).await;
        let bytes: usize = resources.iter().map(|any| any.value.len()).sum();
        let rss = self.rss();
        let began = Instant::now();
        self.stream.send("large", "large", resources).await;
        let mut waits = Vec::new();
        let asking = async {
            loop {
                let asked = Instant::now();
                ask(&mut self.client, request(&one.0, &[&[(&one.1, "v")]])).await;
                waits.push(asked.elapsed());
            }
        };
        tokio::select! {
            reply = self.stream.reply() => assert_eq!(reply, ack("large", "large")),
            () = asking => {}
        }
        let (took, after_load) = (began.elapsed(), self.rss());
        waits.sort_unstable();
        let calls = waits.len();
        let wait =
            |hundredths: usize| waits.get(calls.saturating_sub(1) * hundredths / 100).copied().unwrap_or_default();
        let same = self.decision(one_rule).await;
        let spread = self.decision(key).await;
        println!(
            "xds: {what}, {:.1} MB on the wire: acknowledged after {took:.2?}; memory {} → {} MiB, {} at the most; \
             {calls} calls meanwhile, half of them within {:.0?} and all within {:.0?}; \
             a decision on a fresh counter {before:.1} → {same:.1} µs (× {:.2}), on rules all over it {spread:.1} µs (× {:.2})",
            bytes as f64 / 1e6,
            rss / 1024,
            after_load / 1024,
            self.memory("VmHWM") / 1024,
            wait(50),
            wait(100),
            same / before,
            spread / before,
        );
        assert!(
            same <= before * MOST,
            "{what}: a decision by {one:?} took {before:.1} µs alone, and takes {same:.1} µs"
        );
    }

    /// The mean time of a decision on a new counter in microseconds, as measured by the service: the best of many short
    /// rounds, since other load on the machine only adds to it.
    async fn decision(&mut self, key: impl Fn(u32) -> Asked) -> f64 {
        const ROUNDS: u32 = 20;
        const CALLS: u32 = 200;
        let measured = async |name: &str| {
            let series = format!("ratelimit_service_response_time_seconds_{name}{{grpc_method=\"ShouldRateLimit\"}}");
            metric(&self.tollgate, &series).await.expect("a series of every scrape")
        };
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let (sum, count) = (measured("sum").await, measured("count").await);
            for _ in 0..CALLS {
                self.asked += 1;
                let (domain, key) = key(self.asked.wrapping_mul(2_654_435_761));
                let answer = ask(&mut self.client, request(&domain, &[&[(&key, &self.asked.to_string())]])).await;
                assert!(answer.statuses[0].current_limit.is_some(), "{domain} {key}");
            }
            best = best.min((measured("sum").await - sum) / (measured("count").await - count) * 1e6);
        }
        best
    }

    fn rss(&self) -> u64 {
        self.memory("VmRSS")
    }

    /// A value of the kernel's memory statistics of the process, in KiB.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.tollgate.pid())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_domains() {
    let count = size("TOLLGATE_TEST_XDS_DOMAINS", 20_000);
    let domain = |number: u32| format!("domain-{number}");
    let asked = |number: u32| (domain(number), "k".to_owned());
    let of = |number: u32| resource(&domain(number), [rule("k", number + 1)]);
    let mut scale = Scale::start(of(count - 1)).await;
    let resources = (0..count).map(of).collect();
    scale.load(&format!("{count} domains"), resources, asked(count - 1), |random| asked(random % count)).await;
    for number in [0, count / 2, count - 1] {
        assert_eq!(limit_of(&mut scale.client, &domain(number), "k").await, Some(number + 1));
    }
    assert_eq!(metric(&scale.tollgate, "tollgate_active_rules").await, Some(f64::from(count)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_descriptors() {
    let count = size("TOLLGATE_TEST_XDS_DESCRIPTORS", 20_000);
    let key = |number: u32| format!("descriptor-{number}");
    let asked = |number: u32| ("d".to_owned(), key(number));
    let of = |number: u32| rule(&key(number), number + 1);
    let small = || resource("d", [of(count - 1)]);
    let mut scale = Scale::start(small()).await;
    let resources = vec![resource("d", (0..count).map(of).collect::<Vec<_>>())];
    scale.load(&format!("{count} descriptors"), resources, asked(count - 1), |random| asked(random % count)).await;
    for number in [0, count / 2, count - 1] {
        assert_eq!(limit_of(&mut scale.client, "d", &key(number)).await, Some(number + 1));
    }
    // and back: the memory of the large snapshot is freed
    scale.stream.send("small again", "n", [small()]).await;
    assert_eq!(scale.stream.reply().await, ack("small again", "n"));
    assert_eq!(metric(&scale.tollgate, "tollgate_active_rules").await, Some(1.0));
}
