//! What grows around a service that runs: connections; what one of them does to the others; and what a reload, and counters
//! in Redis, cost it.

use std::{
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use testkit::{http::Client, process::Tollgate, redis::Redis};

use crate::{Sizes, inside::resident};

const RULES: &str = "domain: d\ndescriptors: [{key: user, rate_limit: {unit: hour, requests_per_unit: 4000000000}}]\n";

/// Requests under way on all connections together, however many there are.
const UNDER_WAY: usize = 1_000;

fn bench(address: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["bench", address, "d", "user=u{}", "--json"]).args(args).env_clear().stdin(Stdio::null());
    command
}

fn report(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no report: {error}: {told}"))
}

pub fn connections(sizes: &Sizes) -> Value {
    let tollgate = testkit::tollgate!().rules(RULES).env("BACKEND_TYPE", "memory").start();
    let address = tollgate.address("grpc").to_string();
    let pid = tollgate.pid().to_string();
    let cost = |count: usize| {
        let (connections, streams) = (count.to_string(), (UNDER_WAY / count).to_string());
        let args = ["-c", &connections, "-m", &streams, "--pid", &pid, "--keys", "uniform:10000", "-d", sizes.seconds];
        let ran = report(&bench(&address, &args).output().expect("it runs"));
        assert_eq!(ran["failed"], 0, "{ran:#}");
        let (rate, p99) = (&ran["rate"], &ran["latency_us"]["p99"]);
        println!("{count} connections: {rate} a second, p99 {p99} µs");
        json!({
            "connections": count, "rate": rate, "p99_us": p99, "server_cpu_us": ran["cpu_us_per_answer"]["server"],
            "resident_mib": resident_mib(&tollgate),
        })
    };
    sizes.connections.iter().map(|count| cost(*count)).collect()
}

fn resident_mib(tollgate: &Tollgate) -> f64 {
    resident(&tollgate.pid().to_string()) / f64::from(1 << 20)
}

fn many_rules(count: usize, requests: u32) -> String {
    use std::fmt::Write as _;

    let mut yaml = RULES.replace("[{", "\n  - {").replace("}]", "}");
    for number in 0..count {
        let limit = format!("rate_limit: {{unit: hour, requests_per_unit: {requests}}}");
        let _ = writeln!(yaml, "  - {{key: other, value: v{number}, {limit}}}");
    }
    yaml
}

/// A thousand requests a second, in an open loop: without a reload, and while all rules are loaded anew.
pub fn reload(sizes: &Sizes) -> Value {
    let few = testkit::tollgate!().rules(RULES).env("BACKEND_TYPE", "memory").start();
    few.wait_for_log("rules loaded");
    let little = resident_mib(&few);
    drop(few);
    let yaml = many_rules(sizes.reload, 1);
    let start = Instant::now();
    let tollgate =
        testkit::tollgate!().rules(&yaml).env("BACKEND_TYPE", "memory").env("RULES_POLL_INTERVAL", "1s").start();
    let loads = |tollgate: &Tollgate| tollgate.log().iter().filter(|line| line.contains("rules loaded")).count();
    let wait = |tollgate: &Tollgate, more_than: usize| {
        let since = Instant::now();
        while loads(tollgate) <= more_than {
            assert!(since.elapsed() < Duration::from_secs(60), "not loaded: {:?}", tollgate.log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    wait(&tollgate, 0);
    let (started, much) = (start.elapsed(), resident_mib(&tollgate));
    let address = tollgate.address("grpc").to_string();
    let load = |seconds: &str| -> Child {
        let args = ["--rate", "1000", "-c", "8", "--keys", "uniform:100", "-d", seconds];
        bench(&address, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    };
    let quiet = report(&load(sizes.seconds).wait_with_output().expect("it ran"));
    // not while it is measured: the cores are shared
    let others = many_rules(sizes.reload, 2);
    let before = loads(&tollgate);
    let during = load("20s");
    thread::sleep(Duration::from_secs(2));
    let changed = Instant::now();
    tollgate.write_rules(&others);
    wait(&tollgate, before);
    let reloaded = changed.elapsed();
    let during = report(&during.wait_with_output().expect("it ran"));
    assert_eq!((&quiet["failed"], &during["failed"]), (&json!(0), &json!(0)), "{during:#}");
    println!("{} rules: start {started:.2?}, reload {reloaded:.2?}", sizes.reload);
    json!({
        "rules": sizes.reload, "start_ms": started.as_secs_f64() * 1e3, "reload_ms": reloaded.as_secs_f64() * 1e3,
        "without": {"latency_us": quiet["latency_us"], "failed": quiet["failed"]},
        "meanwhile": {"latency_us": during["latency_us"], "failed": during["failed"], "lateness_us": during["lateness_us"]},
        "resident_mib": {"with_one_rule": little, "with_all": much, "after_the_reload": resident_mib(&tollgate)},
        "bytes_each_rule": (much - little) * f64::from(1 << 20) / sizes.reload as f64,
    })
}

/// What a counter weighs in Redis, key and all.
pub fn redis(sizes: &Sizes) -> Value {
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let weigh = |algorithm: &str| {
        let yaml = RULES.replace("{unit", &format!("{{algorithm: {algorithm}, unit"));
        let tollgate = testkit::tollgate!().rules(&yaml).env("REDIS_URL", &url).start();
        redis.cli(&["FLUSHALL"]);
        let keys = format!("uniform:{}", sizes.counters_in_redis);
        let requests = sizes.counters_in_redis.to_string();
        let args = ["--keys", &keys, "-n", &requests, "--warm-up", "0s"];
        let ran = report(&bench(&tollgate.address("grpc").to_string(), &args).output().expect("it runs"));
        assert_eq!(ran["failed"], 0, "{ran:#}");
        let key = redis.cli(&["RANDOMKEY"]);
        let each: u64 = redis.cli(&["MEMORY", "USAGE", &key]).parse().expect("a number");
        println!("Redis, {algorithm}: {each} bytes a counter whose key has {}", key.len());
        json!({"algorithm": algorithm, "bytes_each": each, "key_bytes": key.len()})
    };
    ["fixed_window", "sliding_window", "token_bucket"].map(weigh).into()
}

/// Two connections that ask a little, each on a worker of its own, and the pages that probes and scrapes read: alone, and
/// beside a connection that keeps as many requests under way as it may.
pub fn isolation(sizes: &Sizes) -> Value {
    let tollgate = testkit::tollgate!().rules(RULES).env("BACKEND_TYPE", "memory").start();
    let address = tollgate.address("grpc").to_string();
    let observe = |flood: bool| {
        let observers = [0, 1].map(|_| {
            let args = ["--rate", "200", "-c", "1", "--warm-up", "2s", "-d", sizes.seconds];
            let observer =
                bench(&address, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
            // dealt one after the other
            thread::sleep(Duration::from_millis(500));
            observer
        });
        let mut flooding = flood.then(|| {
            let args = ["-c", "1", "-m", "100000", "-d", "1h"];
            bench(&address, &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pages = runtime.block_on(async {
            [
                ("/livez", page(&tollgate, "http", "/livez").await),
                ("/metrics", page(&tollgate, "metrics", "/metrics").await),
            ]
        });
        let mut seen = observers.map(|observer| report(&observer.wait_with_output().expect("it ran")));
        if let Some(flooding) = &mut flooding {
            flooding.kill().expect("a child");
            flooding.wait().expect("a child");
        }
        let p99 = |seen: &Value| seen["latency_us"]["p99"].as_f64().unwrap_or(f64::INFINITY);
        seen.sort_by(|one, other| p99(one).total_cmp(&p99(other)));
        let [other, own] = seen.map(|seen| json!({"latency_us": seen["latency_us"], "failed": seen["failed"]}));
        let pages: serde_json::Map<_, _> = pages.map(|(path, micros)| (path.to_owned(), micros)).into_iter().collect();
        json!({"faster_worker": other, "slower_worker": own, "pages_us": pages})
    };
    let both = json!({"alone": observe(false), "beside_a_flood": observe(true)});
    println!("isolation: {both:#}");
    both
}

/// Quantiles of the time that a page takes, in microseconds, asked forty times in two seconds.
async fn page(tollgate: &Tollgate, listener: &str, path: &str) -> Value {
    const TIMES: usize = 40;
    let (client, address) = (Client::new(), tollgate.address(listener));
    let mut micros = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        assert_eq!(client.get(address, path).await.status, 200);
        micros.push(start.elapsed().as_secs_f64() * 1e6);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    micros.sort_by(f64::total_cmp);
    json!({"p50": micros[TIMES / 2], "max": micros[TIMES - 1]})
}
