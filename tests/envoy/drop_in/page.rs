//! Compares the tables of docs/drop-in.md with the actual settings and metrics.

use tollgate::settings::{Effect, TABLE};

const PAGE: &str = include_str!("../../../docs/drop-in.md");
const METRICS: &str = include_str!("../../../docs/metrics.md");

/// The rows of the table below a heading: the name, and the other cells.
fn rows(heading: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let (_, section) = PAGE.split_once(&format!("## {heading}\n")).expect("the section");
    let section = section.split("\n## ").next().expect("itself");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").expect("cells");
        (name, rest.splitn(2, " | ").map(|cell| cell.trim_start_matches("| ").trim()).collect())
    })
    .collect()
}

/// Checks for every variable of the reference whether it works, and its default where that differs.
#[test]
fn the_page_says_of_every_variable_what_happens() {
    let rows = rows("Variable by variable");
    let theirs: Vec<_> = TABLE.iter().filter(|variable| variable.effect != Effect::Ours).collect();
    let names: Vec<_> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, theirs.iter().map(|variable| variable.name).collect::<Vec<_>>());
    for (variable, (name, cells)) in theirs.iter().zip(&rows) {
        let [there, here] = cells[..] else { panic!("{name}: {cells:?}") };
        let word = match variable.effect {
            Effect::Works => "works",
            _ => "no effect, with a warning",
        };
        assert!(here.starts_with(word), "{name}: '{here}', and it is {word}");
        let differs = there.trim_matches('`') != variable.default;
        let mentioned = here.contains("default");
        assert_eq!(differs, mentioned, "{name}: {there} there, '{}' here: '{here}'", variable.default);
    }
}

#[test]
fn the_page_says_of_every_metric_of_the_reference_what_it_is() {
    let rows = rows("Metric by metric");
    for (name, cells) in &rows {
        let kind = cells.first().expect("a type");
        let documented = format!("| `{name}` | {kind} |");
        assert!(METRICS.contains(&documented), "docs/metrics.md has no '{documented}'");
    }
    let theirs = METRICS.lines().filter(|line| line.starts_with("| `ratelimit_")).count();
    assert_eq!(rows.iter().filter(|(name, _)| name.starts_with("ratelimit_")).count(), theirs);
}
