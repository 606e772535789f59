//! What README.md and docs/ promise: the commands parse, the YAML loads, the numbers are right, the links lead to
//! files.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use limiter::domain::Capabilities;
use rules::{CompileOptions, RuleFile, compile};
use testkit::{envoy, http::Client};
use tollgate::cli::args;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("the README")
}

/// The code blocks in this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().expect("a block")).collect()
}

/// README.md and every page in docs/ and deploy/.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md"), root().join("CHANGELOG.md")];
    let mut folders = vec![root().join("docs"), root().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn every_block_of_rules_compiles() {
    let mut compiled = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for block in
            blocks(&text, "yaml").into_iter().filter(|block| block.lines().any(|line| line.starts_with("domain:")))
        {
            let file = RuleFile::new(page.display().to_string(), block);
            let result = compile(&[file], &CompileOptions::new(Capabilities::ALL));
            let rules = result.unwrap_or_else(|errors| panic!("{errors:#}\nin\n{block}"));
            assert_eq!(rules.warnings, [], "{block}");
            compiled += 1;
        }
    }
    assert!(compiled >= 3, "{compiled} blocks found");
}

#[test]
fn every_command_parses() {
    let text = readme();
    let mut commands: Vec<String> = Vec::new();
    for block in blocks(&text, "sh") {
        commands.extend(block.replace("\\\n", " ").lines().map(str::to_owned));
    }
    // and the commands in running text
    commands.extend(text.replace('\n', " ").split('`').skip(1).step_by(2).map(str::to_owned));
    let mut parsed = 0;
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let words = match words.as_slice() {
            ["tollgate", words @ ..] if !words.is_empty() => words,
            ["cargo", "run", flags @ ..] => {
                let at = flags.iter().position(|flag| *flag == "--").expect("arguments for the program");
                &flags[at + 1..]
            }
            _ => continue,
        };
        let argv = ["tollgate"].iter().chain(words).map(OsString::from);
        if let Err(error) = args::parse(argv) {
            // help is what `--help` requests
            assert_eq!(error.exit_code(), 0, "{command}: {error}");
        }
        parsed += 1;
    }
    assert!(parsed >= 5, "{parsed} commands found");
}

#[tokio::test]
async fn the_first_sixty_seconds_are_as_described() {
    let text = readme();
    let (start, ask) = (blocks(&text, "sh")[0], blocks(&text, "sh")[1]);
    let rules = start.rsplit_once("--rules ").expect("the rules").1.trim();
    let (_, body) = ask.split_once("-d '").expect("a body");
    let body = body.split('\'').next().expect("its end");
    assert!(ask.contains("seq 11") && ask.contains("localhost:8080/json"), "{ask}");
    assert!(text.contains("Ten times `200`, then `429`, until the minute ends."));

    let mut codes = Vec::new();
    // if a minute ends meanwhile, more than eleven pass: then a new service is asked in the new minute
    for _ in 0..2 {
        let tollgate = testkit::tollgate!().arg("--rules").arg(root().join(rules)).start();
        let (client, http) = (Client::new(), tollgate.address("http"));
        codes.clear();
        while codes.last() != Some(&429) {
            codes.push(client.post(http, "/json", body).await.status.as_u16());
            assert!(codes.len() <= 21, "never over: {codes:?}");
        }
        if codes.len() == 11 {
            break;
        }
    }
    assert_eq!(codes, [&[200; 10][..], &[429]].concat());
}

#[test]
fn envoy_accepts_the_example() {
    let config = root().join("examples/envoy.yaml");
    let output = Command::new(envoy::binary())
        .args(["--mode", "validate", "--use-dynamic-base-id", "--config-path"])
        .arg(&config)
        .output()
        .expect("envoy runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every descriptor of the example is limited by the sample rules.
#[test]
fn the_example_s_descriptors_are_limited_by_the_sample_rules() {
    let envoy = fs::read_to_string(root().join("examples/envoy.yaml")).expect("the example");
    let rules = fs::read_to_string(root().join("config/rules/example.yaml")).expect("the sample rules");
    let keys: Vec<&str> = envoy
        .split("descriptor_key: ")
        .skip(1)
        .map(|rest| rest.split(['}', '\n', ',']).next().expect("a key").trim())
        .collect();
    assert!(keys.len() >= 2, "{keys:?}");
    for key in keys {
        let rule = format!("  - key: {key}\n");
        assert!(rules.contains(&rule), "no rule for '{key}' in the sample");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let (mut checked, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().expect("a path");
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            if !page.parent().expect("a folder").join(path).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(checked > 10, "{checked} links found");
    assert_eq!(broken, Vec::<String>::new());
}

/// The pages in a folder of docs, without its index.
fn pages_of(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("README.md"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a page"))
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_page_is_in_the_index_of_docs() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("the index");
    let pages = pages_of("docs");
    assert!(pages.len() > 10, "{} pages found", pages.len());
    let names = pages.iter().map(|(name, _)| name);
    let missing: Vec<_> = names.filter(|name| !index.contains(&format!("]({name})"))).collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
    assert!(readme().contains("](docs/README.md)"), "the README links to the index");
}

/// The title, date and status of a decision record, from its first three lines.
fn head_of_a_record(page: &str) -> Option<(&str, &str, &str)> {
    let mut lines = page.lines();
    let (_, title) = lines.next()?.strip_prefix("# ")?.split_once(" · ")?;
    let (date, status) = lines.nth(1)?.strip_prefix("Date: ")?.split_once(". Status: ")?;
    let is_date = date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    let is_status = status == "Accepted"
        || ["Accepted; amended by [", "Superseded by ["].iter().any(|begin| status.starts_with(begin));
    (is_date && is_status).then_some((title, date, status))
}

#[test]
fn every_decision_record_has_a_date_and_a_status_and_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/adr/README.md")).expect("the index");
    let pages = pages_of("docs/adr");
    assert!(pages.len() >= 22, "{} records found", pages.len());
    for (name, page) in pages {
        let (title, date, status) = head_of_a_record(&page).unwrap_or_else(|| {
            panic!("{name} does not begin with `# NUMBER · TITLE`, a blank line and `Date: YYYY-MM-DD. Status: STATUS`")
        });
        let row = format!("| [{}]({name}) | {title} | {date} | {status} |", &name[..4]);
        assert!(index.lines().any(|line| line == row), "docs/adr/README.md has not this row:\n{row}");
    }
}
