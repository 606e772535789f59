//! Servers that are slow or silent, and the end of the process while it waits for them.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::service::{self, builder, started};
use testkit::xds::{
    configs::{limit, resource, rule},
    server::{Ads, ack},
};

/// Forwards what the server sends, one byte per permit.
async fn metered(to: SocketAddr) -> (SocketAddr, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let meter = Arc::new(Semaphore::new(1_000_000));
    let permits = Arc::clone(&meter);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (mut near_reads, mut near_writes) = near.into_split();
            let (mut far_reads, mut far_writes) = TcpStream::connect(to).await.expect("the server").into_split();
            let permits = Arc::clone(&permits);
            tokio::spawn(async move { tokio::io::copy(&mut near_reads, &mut far_writes).await });
            tokio::spawn(async move {
                let mut buffer = [0; 100];
                while let Ok(read @ 1..) = far_reads.read(&mut buffer).await {
                    permits.acquire_many(u32::try_from(read).expect("few")).await.expect("open").forget();
                    near_writes.write_all(&buffer[..read]).await.expect("the client is there");
                }
            });
        }
    });
    (address, meter)
}

#[tokio::test]
async fn a_snapshot_that_arrives_slowly_is_loaded_when_it_is_complete() {
    let mut ads = Ads::start().await;
    let (address, meter) = metered(ads.address).await;
    let (_tollgate, mut stream, mut client) = started(builder(address), &mut ads, limit(5)).await;
    meter.forget_permits(meter.available_permits());
    let mut rules = vec![rule("k", 6)];
    rules.extend((0..500).map(|number| rule(&format!("key-{number}"), 1)));
    stream.send("2", "n2", [resource("d", rules)]).await;
    for _ in 0..20 {
        meter.add_permits(100);
        assert_eq!(service::limit(&mut client).await, Some(5), "half of it changes nothing");
    }
    meter.add_permits(1_000_000);
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!(service::limit(&mut client).await, Some(6));
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_called_again_and_does_not_delay_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let mut tollgate = builder(address).spawn();
    let _first = silent.accept().await.expect("called");
    let _second = silent.accept().await.expect("called again");
    let logged = tollgate.wait_for_log("cannot connect to the xDS server");
    assert!(logged.contains("no HTTP/2 connection within 10s"), "{logged}");
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
}

#[tokio::test]
async fn the_stream_ends_with_the_process() {
    let mut ads = Ads::start().await;
    let (mut tollgate, mut stream, _client) = started(builder(ads.address), &mut ads, limit(5)).await;
    tollgate.signal("TERM");
    stream.end().await;
    assert_eq!(tollgate.exit().code(), Some(0));
    assert_eq!(tollgate.logged("the xDS stream ended").len(), 0);
}
