//! Containers end with their test, however it ends: a program that has changed its user does so only if that was seen to.

use std::path::PathBuf;

use crate::drop_in::{
    isolation::{Isolation, run, within},
    istio,
    manifest::Deployment,
    running::Running,
};
use testkit::until;

/// Starts a container, does something with it at the end of a test, and waits until it is gone. Where there are no containers
/// there is nothing to test, which `within` says.
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

/// As when the tests are killed, which drops nothing.
#[test]
fn a_container_ends_with_its_thread() {
    let (sender, kept) = std::sync::mpsc::channel();
    ends_after(move |running| sender.send(running).expect("it is kept"));
    drop(kept);
}
