//! Rules that change while the service runs: counters and statistics stay, and bad rules change nothing.

use std::{fs, os::unix::fs::symlink, path::Path};

use envoy_types::pb::google::protobuf::UInt64Value;
use serde_json::Value;
use testkit::{
    eventually,
    rls::{Rls, ask, client, request},
    scrape::{metric, until_metric},
};

fn rules(limit: u32) -> String {
    format!("domain: d\ndescriptors: [{{key: k, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}]\n")
}

/// The limit of k=v and its remaining budget, without charging; None if it has no limit.
async fn look(client: &mut Rls) -> Option<(u32, u32)> {
    let mut look = request("d", &[&[("k", "v")]]);
    look.descriptors[0].hits_addend = Some(UInt64Value { value: 0 });
    let status = ask(client, look).await.statuses.remove(0);
    status.current_limit.map(|limit| (limit.requests_per_unit, status.limit_remaining))
}

async fn until(client: &mut Rls, wanted: Option<(u32, u32)>) {
    let what = format!("limit and remaining to be {wanted:?}");
    eventually(&what, async || (look(client).await == wanted).then_some(())).await;
}

async fn charge(client: &mut Rls, hits: u32) {
    let mut request = request("d", &[&[("k", "v")]]);
    request.hits_addend = hits;
    ask(client, request).await;
}

#[tokio::test]
async fn a_changed_limit_takes_effect_and_what_was_counted_stays() {
    let tollgate = testkit::tollgate!(&rules(5));
    let mut client = client(tollgate.address("grpc"));
    charge(&mut client, 3).await;
    assert_eq!(look(&mut client).await, Some((5, 2)));
    tollgate.write_rules(&rules(10));
    until(&mut client, Some((10, 7))).await;
    tollgate.write_rules(&rules(2));
    until(&mut client, Some((2, 0))).await;

    charge(&mut client, 1).await;
    let series = "ratelimit_service_rate_limit_total_hits{domain=\"d\",key1=\"k\"}";
    assert_eq!(metric(&tollgate, series).await, Some(4.0), "hits of before and after");
    let over = "ratelimit_service_rate_limit_over_limit{domain=\"d\",key1=\"k\"}";
    assert_eq!(metric(&tollgate, over).await, Some(1.0));
    assert_eq!(metric(&tollgate, "ratelimit_service_config_load_success").await, Some(3.0));
    assert_eq!(metric(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, Some(3.0));
}

#[tokio::test]
async fn bad_rules_change_nothing_and_are_logged_once() {
    let tollgate = testkit::tollgate!(&rules(5));
    let mut client = client(tollgate.address("grpc"));
    charge(&mut client, 3).await;
    tollgate.write_rules("domain: d\ndescriptors:\n  - key: k\n    rate_limit: {unit: yaer, requests_per_unit: -1}\n");
    until_metric(&tollgate, "ratelimit_service_config_load_error", 1.0).await;
    assert_eq!(look(&mut client).await, Some((5, 2)));

    // the next load happened later: everything about the bad rules has been logged
    tollgate.write_rules(&rules(6));
    until(&mut client, Some((6, 3))).await;
    let logged = tollgate.wait_for_lines("rules are refused", 1);
    let [line] = logged.as_slice() else { panic!("logged once: {logged:#?}") };
    let event: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(event["level"], "error");
    let message = event["@message"].as_str().expect("a message");
    for part in [
        "rules.yaml:4:24: descriptors[0].rate_limit.unit: ",
        "did you mean `year`?",
        "rules.yaml:4:49: descriptors[0].rate_limit.requests_per_unit: ",
    ] {
        assert!(message.contains(part), "no '{part}' in {message}");
    }
    let _metrics = tollgate.address("metrics");
    assert_eq!(metric(&tollgate, "ratelimit_service_config_load_error").await, Some(1.0));
    assert_eq!(metric(&tollgate, "ratelimit_service_config_load_success").await, Some(2.0));
    assert_eq!(metric(&tollgate, "tollgate_config_reloads_total{result=\"refused\"}").await, Some(1.0));
}

#[tokio::test]
async fn without_files_there_are_no_rules_and_everything_is_allowed() {
    let tollgate = testkit::tollgate!(&rules(1));
    let mut client = client(tollgate.address("grpc"));
    charge(&mut client, 1).await;
    let file = tollgate.rules_dir.as_ref().expect("rules").path().join("rules.yaml");
    fs::remove_file(file).expect("removed");
    until(&mut client, None).await;
    let _metrics = tollgate.address("metrics");
    assert_eq!(metric(&tollgate, "ratelimit_service_config_load_error").await, Some(0.0));
    assert_eq!(metric(&tollgate, "tollgate_active_rules").await, Some(0.0));
    tollgate.write_rules(&rules(2));
    until(&mut client, Some((2, 1))).await;
}

/// Writes a generation of a ConfigMap and switches to it in one step, like the kubelet.
fn switch(volume: &Path, generation: &str, yaml: &str) {
    let data = volume.join(format!("..{generation}"));
    fs::create_dir_all(&data).expect("a directory");
    fs::write(data.join("config.yaml"), yaml).expect("written");
    symlink(format!("..{generation}"), volume.join("..data_tmp")).expect("a link");
    let old = fs::read_link(volume.join("..data")).ok();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("renamed");
    match old {
        Some(old) => fs::remove_dir_all(volume.join(old)).expect("removed"),
        None => symlink("..data/config.yaml", volume.join("config.yaml")).expect("a link"),
    }
}

#[tokio::test]
async fn a_config_map_below_the_runtime_root_is_followed() {
    for (watch_root, ignore_dot_files) in [("true", "false"), ("false", "true")] {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("ratelimit/config");
        fs::create_dir_all(&volume).expect("a directory");
        switch(&volume, "2026_0", &rules(5));
        let tollgate = testkit::tollgate!()
            .env("RUNTIME_ROOT", root.path())
            .env("RUNTIME_SUBDIRECTORY", "ratelimit")
            .env("RUNTIME_WATCH_ROOT", watch_root)
            .env("RUNTIME_IGNOREDOTFILES", ignore_dot_files)
            .start();
        let mut client = client(tollgate.address("grpc"));
        charge(&mut client, 1).await;
        assert_eq!(look(&mut client).await, Some((5, 4)));
        for (generation, limit) in [("2026_1", 6), ("2026_2", 7), ("2026_3", 8)] {
            switch(&volume, generation, &rules(limit));
            until(&mut client, Some((limit, limit - 1))).await;
        }
        let _metrics = tollgate.address("metrics");
        assert_eq!(metric(&tollgate, "ratelimit_service_config_load_success").await, Some(4.0), "one load a switch");
        assert_eq!(metric(&tollgate, "ratelimit_service_config_load_error").await, Some(0.0));
    }
}

/// The allocator returns memory one second after it was freed (here, one hour), on whichever thread frees memory then.
/// A thread that answers would stand still while it returns a large load.
#[tokio::test]
async fn the_memory_of_old_rules_is_returned_by_no_thread_that_answers() {
    use std::fmt::Write as _;

    let mut many = rules(5).replace("[{", "\n  - {").replace("}]", "}");
    for number in 0..60_000 {
        let _ = writeln!(many, "  - {{key: k, value: v{number}, rate_limit: {{unit: year, requests_per_unit: 5}}}}");
    }
    let tollgate = testkit::tollgate!().rules(&many).env("MIMALLOC_PURGE_DELAY", "3600000").start();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", tollgate.pid())).expect("procfs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let much = resident();
    tollgate.write_rules(&rules(5));
    let what = format!("less than half of {much} kB");
    eventually(&what, async || (resident() < much / 2).then_some(())).await;
}

#[test]
fn rules_are_loaded_by_a_thread_of_lower_priority() {
    let tollgate = testkit::tollgate!(&rules(5));
    let nice = |name: &str| {
        let threads = fs::read_dir(format!("/proc/{}/task", tollgate.pid())).expect("procfs");
        let stats =
            threads.map(|thread| fs::read_to_string(thread.expect("procfs").path().join("stat")).expect("procfs"));
        let all: Vec<_> = stats.collect();
        let of_name = all.iter().find_map(|stat| stat.split_once(&format!("({name}) "))).expect(name);
        // the 19th field of proc(5)
        of_name.1.split(' ').nth(16).and_then(|nice| nice.parse::<i32>().ok()).expect("a number")
    };
    assert_eq!(nice("rules"), (nice("worker-0") + 10).min(19));
}
