//! A container ends with its test, however the test ends. A program that has changed its user needs special care for
//! that.

use std::path::PathBuf;

use crate::drop_in::{
    isolation::{Isolation, run, within},
    istio,
    manifest::Deployment,
    running::Running,
};
use testkit::until;

/// Starts a container, runs `end` at the end of a test, and waits until the container is gone. Where containers are not
/// possible there is nothing to test, and `within` reports that.
fn ends_after(last: impl FnOnce(Running) + Send + 'static) {
    within(|isolation| async move {
        if isolation == Isolation::Namespaces {
            is_gone_after(last).await;
        }
    });
}

async fn is_gone_after(last: impl FnOnce(Running) + Send + 'static) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        run(Isolation::Namespaces, |isolation| async move {
            let pod = istio::pod(isolation, Deployment::new(istio::deployment()));
            let running = pod.start();
            let listening = || !running.tollgate.logged("listening").is_empty();
            until(&format!("it listens; log: {:#?}", running.tollgate.log()), listening).await;
            sender.send(running.process().expect("it is contained")).expect("it is waited for");
            last(running);
        });
    });
    let process = PathBuf::from(format!("/proc/{}", receiver.recv().expect("it starts")));
    let _ = test.join();
    until("the program is gone", || !process.exists()).await;
}

#[test]
fn a_container_ends_with_a_test_that_drops_it() {
    ends_after(drop);
}

#[test]
fn a_container_ends_with_a_test_that_panics() {
    ends_after(|running| panic!("as a test does, with {:?}", running.ports));
}

/// As if the test process were killed, which drops nothing.
#[test]
fn a_container_ends_with_its_thread() {
    let (sender, kept) = std::sync::mpsc::channel();
    ends_after(move |running| sender.send(running).expect("it is kept"));
    drop(kept);
}
