//! Compares windows of a calendar with an implementation that shares no code and no data with ours: Python's zoneinfo
//! and the package tzdata, which `tests/run.sh` installs.

use std::{collections::BTreeSet, num::NonZeroU32, path::Path, process::Command};

use limiter::domain::{TimeZone, Unit, Window};

#[test]
fn windows_in_every_time_zone_equal_those_of_zoneinfo() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/parts/venv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh once, which installs it", python.display());
    let output = Command::new(python).arg(root.join("tests/independent/calendar.py")).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut zones, mut windows, mut wrong, mut odd) = (BTreeSet::new(), 0, Vec::new(), 0);
    let printed = String::from_utf8(output.stdout).expect("text");
    for line in printed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, unit, _, start, runs @ ..] = words.as_slice() else { panic!("not a line: {line}") };
        let Some(zone) = TimeZone::from_name(name) else {
            // names for the machine's own time zone, and for none
            assert!(["Factory", "localtime", "posixrules"].contains(name), "{name} is unknown");
            continue;
        };
        zones.insert(*name);
        let unit = Unit::from_name(unit).expect("a unit");
        let calendar = Window::by_calendar(unit, NonZeroU32::MIN, zone).expect("a window").calendar().expect("one");
        let mut at: i64 = start.parse().expect("a number");
        for run in runs {
            let (length, count) = run.split_once('x').expect("a run");
            let (length, count): (i64, i64) = (length.parse().expect("a number"), count.parse().expect("a number"));
            for _ in 0..count {
                let span = calendar.span(at as f64 * 1e6);
                if (span.start, span.end) != (at as f64 * 1e6, (at + length) as f64 * 1e6) {
                    wrong.push(format!("{line}: {span:?} at {at}"));
                }
                windows += 1;
                odd += u32::from(unit == Unit::Day && length != 86_400);
                at += length;
            }
        }
    }
    println!(
        "calendars: {windows} windows of {} time zones compared, {odd} days of another length than 24 hours",
        zones.len()
    );
    assert!(wrong.is_empty(), "{} of {windows}, first {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(zones.len() > 500 && odd > 1_000, "{} zones, {odd} odd days", zones.len());
}
