//! Compares Tollgate with other implementations: the same bytes are sent to its own HTTP/2 server, to hyper, and to
//! grpc-go. Differences are listed in [`differences`], each with its reason; a difference that is not listed, or that
//! no longer occurs, fails the test.

mod differences;
mod generated;

mod run;
pub mod script;
mod scripts;
mod seen;
mod servers;

use std::{collections::BTreeSet, path::Path};

use futures_util::{StreamExt as _, stream};

use differences::known;
use script::Script;
use servers::{Answers, Other, Servers};

/// The number of concurrent scripts, each on connections of its own.
const AT_A_TIME: usize = 16;

/// Deviations from the known differences.
fn faults(script: &Script, answers: &Answers, known: impl Fn(Other) -> Option<&'static str>) -> Vec<String> {
    let Answers { ours, hyper, grpc_go } = answers;
    let name = &script.name;
    let mut faults = Vec::new();
    let seen =
        [(Other::Hyper, ours.to_string(), hyper.to_string()), (Other::GrpcGo, ours.as_grpc_go(), grpc_go.to_string())];
    for (other, ours, theirs) in seen {
        match known(other) {
            None if ours != theirs => faults.push(format!("({name:?}, {other:?}, {theirs:?}), // {ours}")),
            Some(known) if ours == theirs => faults.push(format!("{name}: {other:?} differs no longer: {known}")),
            Some(known) if known != theirs => {
                faults.push(format!("{name}: {other:?} does {theirs:?}, and is listed with {known:?}; ours: {ours}"));
            }
            _ => {}
        }
    }
    if ours.to_string() == hyper.to_string() && ours.answers() != hyper.answers() {
        faults.push(format!("{name}: not the same answers: {:?} and {:?}", ours.answers(), hyper.answers()));
    }
    faults
}

#[tokio::test]
async fn scripts_are_answered_as_by_other_servers() {
    let servers = Servers::start();
    let scripts = scripts::all();
    let names: BTreeSet<_> = scripts.iter().map(|script| &*script.name).collect();
    assert_eq!(names.len(), scripts.len(), "each has a name of its own");
    for listed in differences::scripts() {
        assert!(names.contains(listed), "no script is called {listed}");
    }
    let asked = stream::iter(&scripts).map(async |script| {
        let known = |other| known(&script.name, other);
        faults(script, &servers.ask(script, known).await, known)
    });
    let all: Vec<_> = asked.buffered(AT_A_TIME).concat().await;
    assert!(all.is_empty(), "{} of {} scripts:\n{}", all.len(), scripts.len(), all.join("\n"));
    println!("oracle: {} scripts, {} differences", scripts.len(), differences::scripts().count());
}

#[test]
fn the_differences_are_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adr/0022-an-http2-server-of-our-own.md");
    let page = std::fs::read_to_string(path).expect("it is there");
    let table = differences::table();
    assert!(page.contains(&table), "docs/adr/0022 has not this table:\n{table}");
}
