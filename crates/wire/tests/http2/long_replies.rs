//! Replies longer than one stream's turn.

use std::{
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use wire::{Block, Buffers, Config, Event, Handler, Head, Opened, Progress, Reply, Served};

const LENGTH: usize = 300_000;

/// Answers each call immediately with this many bytes.
struct Long;

impl Handler for Long {
    type Call = ();

    fn open(&mut self, _: &Head<'_>, now: Instant) -> Opened<()> {
        Opened { call: (), until: Some(now + Duration::from_secs(10)), is_waiting: false }
    }

    fn data(&mut self, (): &mut (), _: &[u8], _: bool, reply: &mut Reply<'_>) -> Progress {
        let mut draft = reply.draft(&Block::new([(&b":status"[..], &b"200"[..])]));
        draft.out().extend_from_slice(&[7; LENGTH]);
        draft.send(&Block::new([(&b"grpc-status"[..], &b"0"[..])]));
        Progress::Done
    }

    fn poll(&mut self, (): &mut (), _: &mut Context<'_>, _: &mut Reply<'_>) -> Progress {
        unreachable!("nothing waits")
    }

    fn expire(&mut self, (): &mut (), _: &mut Reply<'_>) -> Progress {
        unreachable!("requests end at once")
    }

    fn report(&mut self, event: Event) {
        panic!("{event:?}");
    }
}

#[tokio::test]
async fn a_reply_that_the_windows_admit_needs_no_window_update() {
    let (near, mut far) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move {
        far.read_exact(&mut [0; 24]).await.expect("a preface");
        Served::new(far, Long, &Arc::new(Config::default()), &Buffers::default()).await.expect("it is served");
    });
    let mut client = h2::client::Builder::new();
    client.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let (mut client, connection) = client.handshake::<_, Bytes>(near).await.expect("a connection");
    tokio::spawn(connection);
    let request = http::Request::post("http://a/").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("it is sent");
    let mut body = response.await.expect("a response").into_body();
    let mut got = 0;
    // its window is never returned
    while let Some(part) = body.data().await {
        got += part.expect("no error").len();
    }
    assert_eq!(got, LENGTH);
    assert!(body.trailers().await.expect("no error").is_some());
}
