//! Scripts that proptest makes up: calls of every kind, cut, padded and mixed at random, which all servers must answer
//! alike; heads of random fields; and frames at random.

mod calls;
mod heads;
mod stray;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseError};
use tokio::runtime::Runtime;

use super::{
    faults,
    script::{self, Script},
    servers::Servers,
};
use calls::{call, mix};
use heads::any_head;
use stray::{any_frame, noise};

/// Few, unless PROPTEST_CASES says how many: each is sent to three servers.
fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { 40 };
    // what does not end is waited for each time
    ProptestConfig { failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::with_cases(cases) }
}

fn check(runtime: &Runtime, servers: &Servers, script: &Script) -> Result<(), TestCaseError> {
    let answers = runtime.block_on(servers.ask(script, |_| None));
    let faults = faults(script, &answers, |_| None);
    prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn rig() -> (Runtime, Servers) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    (runtime, Servers::start())
}

#[test]
fn calls_at_random_are_answered_alike() {
    let (runtime, servers) = rig();
    let parts = (vec(call(), 1..5), vec(noise(), 0..6), vec(any::<Index>(), 8..30));
    let scripts = parts.prop_map(|(calls, noise, order)| mix(&calls, &noise, &order));
    proptest!(cases(), |(script in scripts)| {
        check(&runtime, &servers, &script)?;
    });
}

/// As hyper does; and what is answered, as grpc-go does, which checks less of what it is sent.
#[test]
fn heads_at_random_are_answered_alike() {
    let (runtime, servers) = rig();
    let scripts = any_head().prop_map(|fields| Script::new("a head at random", script::call(1, &fields)));
    proptest!(cases(), |(script in scripts)| {
        let answers = runtime.block_on(servers.ask(&script, |_| None));
        let [ours, hyper] = [&answers.ours, &answers.hyper].map(ToString::to_string);
        if ours == "1 reset PROTOCOL_ERROR; open" {
            // some of what it has for malformed it cannot read
            prop_assert!(hyper == ours || hyper == "closed PROTOCOL_ERROR", "{}", hyper);
        } else {
            prop_assert_eq!(ours, hyper);
            prop_assert_eq!(answers.ours.as_grpc_go(), answers.grpc_go.to_string());
        }
    });
}

/// No connection is closed that both others would go on with.
#[test]
fn frames_at_random_close_no_connection_alone() {
    let (runtime, servers) = rig();
    let scripts = vec(any_frame(), 1..8);
    let scripts = scripts.prop_map(|frames| Script::about_the_connection("frames at random", frames.concat()));
    proptest!(cases(), |(script in scripts)| {
        let answers = runtime.block_on(servers.ask(&script, |_| None));
        let [ours, hyper, grpc_go] = [&answers.ours, &answers.hyper, &answers.grpc_go].map(ToString::to_string);
        prop_assert!(ours == "open" || [hyper, grpc_go] != ["open", "open"], "{ours}");
    });
}
