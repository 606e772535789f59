//! What dashboards and alerts depend on: every family of a scrape with its type, help and labels, and every name on the
//! `/stats` page, equal to `scrape.txt`. `BLESS=1` writes it; `docs/metrics.md` explains each.

use std::{collections::BTreeSet, fs, path::Path};

use testkit::{
    certificates::selfsigned,
    eventually, health,
    http::Client,
    pages::page,
    ports::free_port,
    process::Tollgate,
    redis::Redis,
    rls::{ask, client, request},
};

const RULES: &str = "
domain: d
descriptors:
  - {key: plain, rate_limit: {unit: year, requests_per_unit: 2}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: detailed, detailed_metric: true, rate_limit: {unit: year, requests_per_unit: 8, algorithm: sliding_window}}
  - key: one
    descriptors: [{key: two, descriptors: [{key: three, value: v, rate_limit: {unit: year, requests_per_unit: 8}}]}]
";

/// What one process exports; values are included if they depend only on the calls.
async fn exported(name: &str, tollgate: &Tollgate, is_steady: fn(&str) -> bool) -> String {
    let mut text = format!("== {name}: /metrics\n");
    let scrape = page(tollgate, "metrics", "/metrics").await;
    let mut family: Vec<&str> = Vec::new();
    for line in scrape.lines().chain(["# HELP"]) {
        if line.starts_with("# HELP") {
            text.extend(described(&family, is_steady));
            family.clear();
        }
        family.push(line);
    }
    text.push_str(&format!("== {name}: /stats\n"));
    let stats = page(tollgate, "debug", "/stats").await;
    let lines = stats.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        format!("{}: {}\n", lasting(name), if is_steady(name) { value } else { "_" })
    });
    text.extend(lines.collect::<BTreeSet<_>>());
    text
}

/// The lines of one family, its series sorted.
fn described(lines: &[&str], is_steady: fn(&str) -> bool) -> Vec<String> {
    let Some(name) = lines.iter().find_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) else {
        return Vec::new();
    };
    let is_time = name.ends_with("seconds");
    let series = lines.iter().map(|line| {
        if line.starts_with('#') {
            return format!("{line}\n");
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let varies = !is_steady(series) || (is_time && !series.contains("_count"));
        format!("{}: {}\n", lasting(series), if varies { "_" } else { value })
    });
    let mut series: Vec<_> = series.collect();
    series.sort_unstable();
    series
}

/// A series without what differs in each run: hashes and versions in labels, ports.
fn lasting(series: &str) -> String {
    let mut series = series.to_owned();
    for (begin, is_of_value) in [
        ("hash=\"", (|c| c != '"') as fn(char) -> bool),
        ("version=\"", |c| c != '"'),
        ("127.0.0.1:", |c| c.is_ascii_digit()),
    ] {
        if let Some((before, value)) = series.split_once(begin) {
            series = format!("{before}{begin}_{}", value.trim_start_matches(is_of_value));
        }
    }
    series
}

/// Makes calls with every kind of answer.
async fn drive(tollgate: &Tollgate) {
    let mut rls = client(tollgate.address("grpc"));
    for keys in [["plain"].as_slice(), &["shadow"], &["detailed"], &["one", "two", "three"], &["of no rule"]] {
        for _ in 0..3 {
            let pairs: Vec<_> = keys.iter().map(|key| (*key, "v")).collect();
            ask(&mut rls, request("d", &[&pairs])).await;
        }
    }
    ask(&mut rls, request("elsewhere", &[&[("k", "v")]])).await;
    rls.should_rate_limit(request("", &[&[("k", "v")]])).await.expect_err("no domain");
    health::grpc(tollgate, "ratelimit").await.expect("an answer");
    let json = r#"{"domain": "d", "descriptors": [{"entries": [{"key": "plain", "value": "v"}]}]}"#;
    let http = Client::new();
    assert_eq!(http.post(tollgate.address("http"), "/json", json).await.status, 429);
    assert_eq!(http.post(tollgate.address("http"), "/json", "{").await.status, 400);
}

async fn over_memory() -> String {
    let tollgate = testkit::tollgate!().rules(RULES).start();
    drive(&tollgate).await;
    exported("memory", &tollgate, |series| {
        let varies = ["process_", "tollgate_connections", "tollgate_tasks", "tollgate_active_rules_age"];
        !varies.iter().any(|family| series.starts_with(family))
    })
    .await
}

async fn over_redis() -> String {
    let (main, per_second) = (Redis::start(&[]), Redis::start(&[]));
    let tollgate = testkit::tollgate!()
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", main.port))
        .env("REDIS_PERSECOND", "true")
        .env("REDIS_PERSECOND_SOCKET_TYPE", "tcp")
        .env("REDIS_PERSECOND_URL", format!("127.0.0.1:{}", per_second.port))
        .env("LOCAL_CACHE_SIZE_IN_BYTES", "65536")
        .rules(RULES)
        .start();
    tollgate.is_healthy().await;
    drive(&tollgate).await;
    eventually("every answer to be counted", async || {
        let scrape = page(&tollgate, "metrics", "/metrics").await;
        scrape.lines().any(|line| line == "tollgate_requests_in_flight 0").then_some(())
    })
    .await;
    exported("redis", &tollgate, |series| {
        // a rule's own numbers depend on whether the deny cache answers, and it remembers for a second
        let steady = [
            "ratelimit_service_total",
            "ratelimit_service_response",
            "ratelimit_service_should",
            "tollgate_decisions",
            "tollgate_rejected",
        ];
        steady.iter().any(|family| series.starts_with(family))
    })
    .await
}

/// Rules from an unreachable server, and TLS wherever the scrape itself does not need it.
async fn over_tls() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let pem = selfsigned("IP:127.0.0.1");
    fs::write(&certificate, pem.certificate).expect("a file");
    fs::write(&key, pem.key).expect("a file");
    let (redis, xds) = (free_port(), free_port());
    let tollgate = testkit::tollgate!()
        .env("GRPC_SERVER_USE_TLS", "true")
        .env("GRPC_SERVER_TLS_CERT", &certificate)
        .env("GRPC_SERVER_TLS_KEY", &key)
        .env("HTTP_TLS_CERT", &certificate)
        .env("HTTP_TLS_KEY", &key)
        .env("REDIS_URL", format!("rediss://127.0.0.1:{redis}"))
        .env("REDIS_TLS_CACERT", &certificate)
        .env("CONFIG_TYPE", "GRPC_XDS_SOTW")
        .env("CONFIG_GRPC_XDS_SERVER_URL", format!("127.0.0.1:{xds}"))
        .env("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true")
        .env("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", &certificate)
        .env("FORCE_START_WITHOUT_INITIAL_CONFIG", "true")
        .start();
    exported("xds, tls", &tollgate, |_| false).await
}

/// The exported families are those of docs/metrics.md: the first cells of its rows.
fn every_family_is_documented(exported: &str) {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    let is_family = |name: &&str| ["process_", "ratelimit_", "tollgate_"].iter().any(|begin| name.starts_with(begin));
    let documented: BTreeSet<_> = rows.filter(is_family).collect();
    let families = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    // exported only after a server has sent rules: `src/source/xds/stats.rs` tests it
    let families: BTreeSet<_> = families.chain(["tollgate_xds_version_info"]).collect();
    assert_eq!(families, documented);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_types_helps_and_labels_are_those_that_were_promised() {
    let exported = [over_memory().await, over_redis().await, over_tls().await].concat();
    every_family_is_documented(&exported);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/service/scrape.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &exported).expect("it is written");
    }
    let promised = fs::read_to_string(&path).expect("the committed snapshot");
    let (promised, exported): (Vec<_>, Vec<_>) = (promised.lines().collect(), exported.lines().collect());
    let missing: Vec<_> = promised.iter().filter(|line| !exported.contains(line)).collect();
    let added: Vec<_> = exported.iter().filter(|line| !promised.contains(line)).collect();
    assert!(
        promised == exported,
        "dashboards and alerts rest on these: change docs/metrics.md, say so in CHANGELOG.md, and run `BLESS=1 cargo \
         test --test redis scrape`\nmissing: {missing:#?}\nadded: {added:#?}"
    );
}
