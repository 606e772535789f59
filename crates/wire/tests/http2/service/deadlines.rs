//! When a connection with such calls needs to be called.

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use wire::{Connection, Scratch, Turn, service::RequestBody};

use crate::service::server::{Body, Services, config};

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// A POST whose body follows, on stream 1.
const HEADERS: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x83\x86\x84";

#[tokio::test]
async fn a_request_may_last_for_ever_until_it_is_answered() {
    let body: fn() -> Body = || Empty::new().map_err(|never| match never {}).boxed_unsync();
    let service = move |_: Request<RequestBody>| std::future::ready(Ok(Response::new(body())));
    let (config, now) = (Arc::new(config()), Instant::now());
    let mut connection = Connection::new(Services::new(service), Arc::clone(&config), now);
    let (mut out, mut scratch) = (Vec::new(), Scratch::default());
    let mut turn = Turn { now, out: &mut out, scratch: &mut scratch, calls: 10 };
    let input = [SETTINGS, HEADERS].concat();
    assert_eq!(connection.receive(&input, &mut turn), input.len());
    assert_eq!(connection.deadline(), None);
    assert!(connection.wants_poll(), "its service may answer before any of its body has come");
    for _ in 0..10 {
        tokio::task::yield_now().await;
        connection.poll(&mut Context::from_waker(Waker::noop()), &mut turn);
    }
    assert!(!connection.is_idle(), "the peer has not ended its side");
    assert_eq!(connection.deadline(), Some(now + config.read_patience), "nobody waits for the rest of it");
    turn.now = now + config.read_patience;
    connection.expire(&mut turn);
    assert!(connection.is_idle());
}
