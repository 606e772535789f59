//! How closely a test resembles a container, depending on what this machine permits.
//!
//! With root, unless that is in a container itself, it is [`Isolation::Namespaces`]: the container has its own network,
//! mounts and process ids, a read-only root with the image's files and the volumes at their paths, the manifest's user,
//! no capabilities and no new privileges. The test's thread is in the same network, so every port and name is the
//! manifest's. Only the seccomp profile and the resource limits are missing.
//!
//! Otherwise it is [`Isolation::Rewritten`]: the program runs as the test's user, and only paths, names of neighbours
//! and ports in its environment are rewritten. Assertions about containers are skipped, which the tests report on
//! stderr; with `TOLLGATE_TEST_REQUIRE_NAMESPACES=1` they fail instead.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::AsFd as _,
    process::{Command, Stdio},
    sync::Once,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const REQUIRE: &str = "TOLLGATE_TEST_REQUIRE_NAMESPACES";

/// How closely the test resembles a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    Namespaces,
    Rewritten,
}

/// Runs a test on its own thread, with the strongest isolation that this user may use.
pub fn within<F: Future<Output = ()>>(test: impl FnOnce(Isolation) -> F + Send + 'static) {
    let isolation = if may_make_namespaces() { Isolation::Namespaces } else { Isolation::Rewritten };
    if isolation == Isolation::Rewritten {
        fall_back();
    }
    println!("isolation: {isolation:?}");
    run(isolation, test);
}

/// Reports once, visibly, what these tests skip; fails if skipping is not permitted.
fn fall_back() {
    static SAID: Once = Once::new();
    let required = std::env::var(REQUIRE).is_ok_and(|value| !["", "0"].contains(&value.as_str()));
    assert!(!required, "namespaces are refused to this user, and {REQUIRE} is set: run the tests as root");
    SAID.call_once(|| {
        // not eprintln, whose output is shown only if a test fails
        let written = writeln!(
            io::stderr(),
            "\nno containers: namespaces are refused to this user, so the user, the read-only root, the capabilities and the end of \
             containers are not tested. As root they are; {REQUIRE}=1 fails without"
        );
        written.expect("stderr");
    });
}

pub fn run<F: Future<Output = ()>>(isolation: Isolation, test: impl FnOnce(Isolation) -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if isolation == Isolation::Namespaces {
            enter_a_network();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test(isolation));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Whether this user may create namespaces: root may, unless a container prevents it.
fn may_make_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "true"]).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// Moves this thread, and the processes that it starts, to a new network that has only a loopback interface.
fn enter_a_network() {
    let mut maker = Command::new("unshare")
        .args(["--net", "sh", "-ec", "ip link set lo up; echo up; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare, of util-linux");
    let mut said = String::new();
    BufReader::new(maker.stdout.take().expect("piped")).read_line(&mut said).expect("it says something");
    assert_eq!(said, "up\n", "a network cannot be made");
    let network = fs::File::open(format!("/proc/{}/ns/net", maker.id())).expect("its network");
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
    maker.kill().expect("a child");
    maker.wait().expect("a child");
}
