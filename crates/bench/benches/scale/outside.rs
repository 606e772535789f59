//! What grows around a running service: connections, and what one of them costs the others; a reload; counters in
//! Redis.

use std::{
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use crate::{
    Sizes,
    service::{Redis, Tollgate, program},
};

/// Keeps counters in memory.
const MEMORY: &[(&str, &str)] = &[("BACKEND_TYPE", "memory")];

const RULES: &str = "domain: d\ndescriptors: [{key: user, rate_limit: {unit: hour, requests_per_unit: 4000000000}}]\n";

/// Requests in flight on all connections together, for any number of connections.
const IN_FLIGHT: usize = 1_000;

fn bench(address: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(["bench", address, "d", "user=u{}", "--json"]).args(args).env_clear().stdin(Stdio::null());
    command
}

fn report(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no report: {error}: {stderr}"))
}

pub fn connections(sizes: &Sizes) -> Value {
    let tollgate = Tollgate::start(RULES, MEMORY);
    let (address, pid) = (tollgate.grpc().to_string(), tollgate.pid());
    let cost = |count: usize| {
        let (connections, streams) = (count.to_string(), (IN_FLIGHT / count).to_string());
        let args = ["-c", &connections, "-m", &streams, "--pid", &pid, "--keys", "uniform:10000", "-d", sizes.seconds];
        let ran = report(&bench(&address, &args).output().expect("it runs"));
        assert_eq!(ran["failed"], 0, "{ran:#}");
        let (rate, p99) = (&ran["rate"], &ran["latency_us"]["p99"]);
        println!("{count} connections: {rate} a second, p99 {p99} µs");
        json!({
            "connections": count, "rate": rate, "p99_us": p99, "server_cpu_us": ran["cpu_us_per_answer"]["server"],
            "resident_mib": tollgate.resident_mib(),
        })
    };
    sizes.connections.iter().map(|count| cost(*count)).collect()
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

/// A thousand requests per second in an open loop: without a reload, and while all rules are reloaded.
pub fn reload(sizes: &Sizes) -> Value {
    let few = Tollgate::start(RULES, MEMORY);
    few.wait_for_load(0);
    let little = few.resident_mib();
    drop(few);
    let yaml = many_rules(sizes.reload, 1);
    let start = Instant::now();
    let tollgate = Tollgate::start(&yaml, &[MEMORY[0], ("RULES_POLL_INTERVAL", "1s")]);
    tollgate.wait_for_load(0);
    let (started, much) = (start.elapsed(), tollgate.resident_mib());
    let address = tollgate.grpc().to_string();
    let load = |seconds: &str| -> Child {
        let args = ["--rate", "1000", "-c", "8", "--keys", "uniform:100", "-d", seconds];
        bench(&address, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    };
    let quiet = report(&load(sizes.seconds).wait_with_output().expect("it ran"));
    // outside the measurement, because the cores are shared
    let others = many_rules(sizes.reload, 2);
    let before = tollgate.loads();
    let during = load("20s");
    thread::sleep(Duration::from_secs(2));
    let changed = Instant::now();
    tollgate.write_rules(&others);
    tollgate.wait_for_load(before);
    let reloaded = changed.elapsed();
    let during = report(&during.wait_with_output().expect("it ran"));
    assert_eq!((&quiet["failed"], &during["failed"]), (&json!(0), &json!(0)), "{during:#}");
    println!("{} rules: start {started:.2?}, reload {reloaded:.2?}", sizes.reload);
    json!({
        "rules": sizes.reload, "start_ms": started.as_secs_f64() * 1e3, "reload_ms": reloaded.as_secs_f64() * 1e3,
        "without": {"latency_us": quiet["latency_us"], "failed": quiet["failed"]},
        "meanwhile": {
            "latency_us": during["latency_us"], "failed": during["failed"], "lateness_us": during["lateness_us"],
        },
        "resident_mib": {"with_one_rule": little, "with_all": much, "after_the_reload": tollgate.resident_mib()},
        "bytes_each_rule": (much - little) * f64::from(1 << 20) / sizes.reload as f64,
    })
}

/// The memory of a counter in Redis, with its key.
pub fn redis(sizes: &Sizes) -> Value {
    let redis = Redis::start();
    let url = redis.url();
    let weigh = |algorithm: &str| {
        let yaml = RULES.replace("{unit", &format!("{{algorithm: {algorithm}, unit"));
        // a busy machine may take longer to answer than the default timeout of 100 ms
        let tollgate = Tollgate::start(&yaml, &[("REDIS_URL", &url), ("REDIS_TIMEOUT", "10s")]);
        redis.cli(&["FLUSHALL"]);
        let keys = format!("uniform:{}", sizes.counters_in_redis);
        let requests = sizes.counters_in_redis.to_string();
        let args = ["--keys", &keys, "-n", &requests, "--warm-up", "0s"];
        let ran = report(&bench(&tollgate.grpc().to_string(), &args).output().expect("it runs"));
        assert_eq!(ran["failed"], 0, "{ran:#}");
        let key = redis.cli(&["RANDOMKEY"]);
        let each: u64 = redis.cli(&["MEMORY", "USAGE", &key]).parse().expect("a number");
        println!("Redis, {algorithm}: {each} bytes a counter whose key has {}", key.len());
        json!({"algorithm": algorithm, "bytes_each": each, "key_bytes": key.len()})
    };
    ["fixed_window", "sliding_window", "token_bucket"].map(weigh).into()
}

/// Two connections with little load, each on its own worker, and the pages that probes and scrapes read: alone, and
/// beside a connection with as many requests in flight as it may have.
pub fn isolation(sizes: &Sizes) -> Value {
    let tollgate = Tollgate::start(RULES, MEMORY);
    let address = tollgate.grpc().to_string();
    let observe = |flood: bool| {
        let observers = [0, 1].map(|_| {
            let args = ["--rate", "200", "-c", "1", "--warm-up", "2s", "-d", sizes.seconds];
            let observer =
                bench(&address, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
            // connections are distributed in turn
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

/// Quantiles of the latency of a page, in microseconds, over forty requests in two seconds.
async fn page(tollgate: &Tollgate, listener: &str, path: &str) -> Value {
    const TIMES: usize = 40;
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: hyper::Uri = format!("http://{}{path}", tollgate.address(listener)).parse().expect("a URI");
    let mut micros = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        let response = client.get(uri.clone()).await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a body");
        micros.push(start.elapsed().as_secs_f64() * 1e6);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    micros.sort_by(f64::total_cmp);
    json!({"p50": micros[TIMES / 2], "max": micros[TIMES - 1]})
}
