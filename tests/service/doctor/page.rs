//! docs/doctor.md has each line, and nothing else.

use std::collections::BTreeSet;

use crate::doctor::{
    certificates, ports, redis, rules,
    run::{Doctor, Ran},
    xds,
};

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// Every configuration of these tests.
fn all() -> Vec<Ran> {
    let mut all = vec![
        Doctor::new().run(),
        Doctor::new().env("PORT", "abc").run(),
        Doctor::new().env("USE_STATSD", "true").run(),
        rules::missing(),
        rules::faulty(),
        rules::none(),
        rules::odd(),
        rules::many_faults(),
        ports::taken_by_another(),
        ports::taken_by_the_service(),
        ports::not_of_this_machine(),
        xds::there(),
        xds::refused(),
        xds::silent(),
        certificates::good(),
        certificates::soon(),
        certificates::expired(),
        certificates::not_yet(),
        certificates::of_another_key(),
        certificates::missing(),
        certificates::key_for_all(),
        certificates::of_clients(),
        redis::good(),
        redis::two(),
        redis::refused(),
        redis::without_rights(),
        redis::wrong_password(),
        redis::silent(),
        redis::evicting(),
        redis::of_another_time(),
        redis::without_tls(),
        redis::no_cluster(),
    ];
    all.extend(ports::sockets());
    all
}

/// A line without what varies with machine, listener or Redis: numbers, paths, names of settings.
fn shape(line: &str) -> String {
    // the words before this are Redis's and vary by version
    let line = match line.split_once(": allow the user ") {
        Some((_, cure)) => format!("fail redis NOPERM allow the user {cure}"),
        None => line.to_owned(),
    };
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let of_settings = |c: char| c.is_ascii_uppercase() || matches!(c, '_' | ',' | '(' | ')' | ':' | ';' | '"');
        let differs = word.contains(|c: char| c.is_ascii_digit() || c == '/') || word.chars().all(of_settings);
        let word = match word {
            "grpc" | "http" | "debug" | "metrics" if words.len() == 1 => "LISTENER",
            _ if differs => "*",
            word => word,
        };
        if word != "*" || words.last() != Some(&"*") {
            words.push(word);
        }
    }
    words.join(" ").replace("redis per second", "redis")
}

#[test]
fn every_line_is_explained_and_every_explained_line_is_printed() {
    // a line with backquotes inside spans two code spans
    let row = |row: &'static str| {
        let (line, _) = row.strip_prefix("| `` ").map_or_else(
            || row.strip_prefix("| `").and_then(|rest| rest.split_once("` |")),
            |rest| rest.split_once(" `` |"),
        )?;
        line.contains("  ").then_some(line)
    };
    let rows = PAGE.lines().filter_map(row);
    let explained: BTreeSet<_> = rows.map(|line| shape(&line.replace("\\|", "|"))).collect();
    let all = all();
    let printed: BTreeSet<_> = all.iter().flat_map(|ran| ran.stdout.lines()).map(shape).collect();
    let missing: Vec<_> = printed.difference(&explained).collect();
    let never: Vec<_> = explained.difference(&printed).collect();
    assert!(missing.is_empty() && never.is_empty(), "not explained: {missing:#?}\nnever printed: {never:#?}");
}
