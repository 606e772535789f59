//! How far a test comes to a container, as far as this machine allows.
//!
//! Root may make [`Isolation::Namespaces`], if it is not in a container itself: the container has a network, mounts and process ids of its own, a read-only
//! root with the image's files and the volumes at their paths, the manifest's user, no capabilities and no new
//! privileges; the test's thread is in that network too, so that every port and name is the manifest's. What is missing
//! to a container: the seccomp profile and the limits on resources.
//!
//! Anybody else gets [`Isolation::Rewritten`]: the program runs as the test does; of the environment the paths, the
//! neighbours' names and the ports are rewritten, and nothing else. What is asserted about containers is not asserted then,
//! which the tests say on stderr; with `TOLLGATE_TEST_REQUIRE_NAMESPACES=1` they fail in place of that.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::AsFd as _,
    process::{Command, Stdio},
    sync::Once,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const REQUIRE: &str = "TOLLGATE_TEST_REQUIRE_NAMESPACES";

/// How close to a container the test comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    Namespaces,
    Rewritten,
}

/// Runs a test in the strongest isolation that this user may make, on a thread of its own.
pub fn within<F: Future<Output = ()>>(test: impl FnOnce(Isolation) -> F + Send + 'static) {
    let isolation = if may_make_namespaces() { Isolation::Namespaces } else { Isolation::Rewritten };
    if isolation == Isolation::Rewritten {
        fall_back();
    }
    println!("isolation: {isolation:?}");
    run(isolation, test);
}

/// Says once, where it is seen, what these tests leave out; or fails, if they must not.
fn fall_back() {
    static SAID: Once = Once::new();
    let required = std::env::var(REQUIRE).is_ok_and(|value| !["", "0"].contains(&value.as_str()));
    assert!(!required, "namespaces are refused to this user, and {REQUIRE} is set: run the tests as root");
    SAID.call_once(|| {
        // not eprintln, which is shown of a test that fails only
        let told = writeln!(
            io::stderr(),
            "\nno containers: namespaces are refused to this user, so the user, the read-only root, the capabilities and the end of \
             containers are not tested. As root they are; {REQUIRE}=1 fails without"
        );
        told.expect("stderr");
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

/// Root may, unless a container keeps it from it.
fn may_make_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "true"]).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// Moves this thread, and with it what it starts, to a new network with a loopback and nothing else.
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
