//! Values of the reference's variables. The behaviour of the reference's binary was recorded for each; values that it
//! accepts are accepted here too, unless `docs/drop-in.md` says that they are rejected. That table is compared with the
//! behaviour.

use std::fs;
use std::path::Path;

use tollgate::settings::{SettingsError, TABLE};

use super::support::resolve;

/// The recorded behaviour of the reference for one value of one variable.
struct Asked {
    name: &'static str,
    value: String,
    runs: bool,
}

fn asked() -> Vec<Asked> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings/reference.txt");
    let text = fs::read_to_string(path).expect("what was asked");
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(' ').expect("two"));
    let (_, values) = lines.next().expect("the values");
    let values: Vec<String> = values.split(' ').map(|value| value.trim_matches('"').replace('_', " ")).collect();
    lines
        .flat_map(|(name, outcomes)| {
            let name = TABLE.iter().find(|variable| variable.name == name).expect(name).name;
            assert_eq!(outcomes.trim().len(), values.len(), "{name}");
            let outcomes: Vec<char> = outcomes.trim().chars().collect();
            values
                .iter()
                .zip(outcomes)
                .map(move |(value, outcome)| Asked { name, value: value.clone(), runs: outcome == 'r' })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// An environment in which the variable has an effect, as recorded.
fn environment<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        (name, value),
        ("BACKEND_TYPE", "redis"),
        ("REDIS_SOCKET_TYPE", "tcp"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_TYPE", "SINGLE"),
        ("LIMIT_RESPONSE_HEADERS_ENABLED", "true"),
    ];
    if name.contains("XDS") {
        all.extend([("CONFIG_TYPE", "GRPC_XDS_SOTW"), ("CONFIG_GRPC_XDS_SERVER_URL", "127.0.0.1:1")]);
    }
    if name.contains("PERSECOND") {
        all.extend([("REDIS_PERSECOND", "true"), ("REDIS_PERSECOND_URL", "127.0.0.1:6379")]);
        all.push(("REDIS_PERSECOND_SOCKET_TYPE", "tcp"));
    }
    all
}

/// A row of the table: variables, values, and whether it says that they are rejected.
struct Row {
    names: Vec<String>,
    values: Vec<String>,
    refused: bool,
}

impl Row {
    /// For numbers and durations the row lists each case; for texts it has examples.
    fn is_for(&self, name: &str, value: &str) -> bool {
        let variable = TABLE.iter().find(|variable| variable.name == name).expect(name);
        let is_number = ["number", "duration", "port"].iter().any(|kind| variable.accepted.contains(kind));
        !is_number || self.values.iter().any(|one| one == value)
    }

    fn names(&self, name: &str) -> bool {
        self.names.iter().any(|one| match one.split_once('…') {
            Some((before, after)) => name.starts_with(before) && name.ends_with(after),
            None => name == one,
        })
    }
}

fn table() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drop-in.md");
    let page = fs::read_to_string(path).expect("docs/drop-in.md");
    let (_, section) = page.split_once("## Values that make no sense").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, names, values, _, here, _] = cells[..] else { unreachable!("{row}") };
        Row { names: quoted(names), values: quoted(values), refused: here.starts_with("refused") }
    })
    .collect()
}

fn start(name: &str, value: &str) -> Result<Vec<String>, SettingsError> {
    resolve(&environment(name, value)).map(|settings| settings.warnings)
}

#[test]
fn values_that_the_reference_accepts_are_accepted_or_named() {
    let table = table();
    let asked = asked();
    assert!(asked.len() > 2000, "{}", asked.len());
    for Asked { name, value, runs } in asked {
        let outcome = start(name, &value);
        let is_named = table.iter().any(|row| row.refused && row.names(name) && row.is_for(name, &value));
        if let Err(error) = outcome {
            assert!(!runs || is_named, "{name}={value:?}: {error}");
            assert!(error.to_string().lines().all(|line| line.contains(name)), "{name}={value:?}: {error}");
        }
    }
}

#[test]
fn an_empty_value_is_accepted_wherever_a_missing_one_is() {
    for Asked { name, value, .. } in asked().into_iter().filter(|asked| asked.value.is_empty()) {
        let unset: Vec<_> = environment(name, "").into_iter().filter(|(one, _)| *one != name).collect();
        assert_eq!(start(name, &value).is_ok(), resolve(&unset).is_ok(), "{name}");
    }
}

#[test]
fn each_row_of_the_table_is_true() {
    let table = table();
    assert!(table.len() > 20, "{} rows", table.len());
    for Row { names, values, refused } in &table {
        for name in names.iter().filter(|name| !name.contains('…')) {
            assert!(TABLE.iter().any(|variable| variable.name == name), "{name}");
            assert!(!values.is_empty(), "{name}");
            for value in values {
                match start(name, value) {
                    Err(error) => assert!(*refused && error.problems()[0].origin().variable == name, "{error}"),
                    Ok(warnings) => {
                        let is_named = |warning: &String| warning.contains(name.as_str());
                        assert!(!refused && warnings.iter().any(is_named), "{name}={value}: {warnings:?}");
                    }
                }
            }
        }
    }
}
