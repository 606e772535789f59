//! Ports that are free, taken by another process, taken by the service itself, or unavailable.

use std::{net::TcpListener, os::unix::net::UnixListener};

use crate::doctor::run::{Doctor, RULES, Ran};
use testkit::process::Tollgate;

fn held() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    (listener, port)
}

pub fn taken_by_another() -> Ran {
    let [(_http, http), (_grpc, grpc), (_debug, debug), (_metrics, metrics)] = [held(), held(), held(), held()];
    Doctor::new()
        .env("PORT", http)
        .env("GRPC_PORT", grpc)
        .env("DEBUG_PORT", debug)
        .env("PROMETHEUS_ADDR", format!("127.0.0.1:{metrics}"))
        .run()
}

fn beside(tollgate: &Tollgate) -> Doctor {
    let port = |listener: &str| tollgate.address(listener).port().to_string();
    Doctor::new()
        .env("PORT", port("http"))
        .env("GRPC_PORT", port("grpc"))
        .env("DEBUG_PORT", port("debug"))
        .env("PROMETHEUS_ADDR", tollgate.address("metrics").to_string())
}

pub fn taken_by_the_service() -> Ran {
    beside(&testkit::tollgate!(RULES)).run()
}

pub fn not_of_this_machine() -> Ran {
    Doctor::new().env("GRPC_HOST", "203.0.113.1").env("DEBUG_HOST", "203.0.113.1").run()
}

pub fn sockets() -> [Ran; 4] {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let doctor = || Doctor::new().without("GRPC_HOST").without("GRPC_PORT");
    let run = |name: &str| doctor().env("GRPC_UDS", at(name)).run();
    let _served = UnixListener::bind(at("served")).expect("bound");
    drop(UnixListener::bind(at("stale")).expect("bound"));
    std::fs::write(at("file"), "").expect("a file");
    let ran = [run("new"), run("served"), run("file"), run("no/folder")];
    assert!(run("stale").line("grpc socket").starts_with("ok"));
    assert!(at("stale").exists() && !at("new").exists(), "it changes nothing");
    ran
}

#[test]
fn a_port_of_another_process_fails_unless_the_service_does_without_it() {
    let ran = taken_by_another();
    for (name, verdict, setting) in [
        ("http port", "fail", "(HOST, PORT)"),
        ("grpc port", "fail", "(GRPC_HOST, GRPC_PORT)"),
        ("debug port", "warn", "(DEBUG_HOST, DEBUG_PORT); the service starts without it"),
        ("metrics port", "warn", "(PROMETHEUS_ADDR); the service starts without it"),
    ] {
        ran.says(1, name, verdict, &["another process has it: stop that one, or set another port", setting]);
    }
    let ran = not_of_this_machine();
    ran.says(1, "grpc port", "fail", &["set an address of this machine"]);
    ran.says(1, "debug port", "warn", &["the service starts without it"]);
}

#[test]
fn ports_of_a_service_that_runs_already_are_warnings() {
    let ran = taken_by_the_service();
    for name in ["grpc port", "http port", "debug port", "metrics port"] {
        ran.says(
            0,
            name,
            "warn",
            &["is in use, and a service answers at the HTTP port", ": nothing is wrong if that is this service"],
        );
    }
    // also if it is unhealthy: it answers
    let ready =
        testkit::tollgate!().env("RULES", "/nowhere").env("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "true").start();
    beside(&ready).run().says(0, "http port", "warn", &["already running here"]);
}

#[test]
fn a_socket_is_checked_and_not_created() {
    let [new, served, file, no_folder] = sockets();
    new.says(0, "grpc socket", "ok", &["/new is free"]);
    served.says(1, "grpc socket", "fail", &["is served by another process: stop it"]);
    file.says(1, "grpc socket", "fail", &["is a file that is not a socket: remove it"]);
    no_folder.says(1, "grpc socket", "fail", &["the directory must exist"]);
}
