//! Replies that are Redis' protocol, and yet none to what was asked.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tonic::Code;

use crate::{
    server::Redis,
    service::{ask, builder, metric},
    support::eventually,
};

/// Passes everything on to a server and back, but answers scripts itself.
async fn answer_scripts(listener: TcpListener, server: u16, reply: &'static str) {
    let mut pairs = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        pairs.spawn(pass(client, server, reply));
    }
}

async fn pass(mut client: TcpStream, server: u16, reply: &'static str) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("a server");
    let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
    loop {
        let sent = tokio::select! {
            read = client.read(&mut there) => match read {
                Ok(n) if there[..n].windows(7).any(|name| name == b"EVALSHA") => client.write_all(reply.as_bytes()).await,
                Ok(n) if n > 0 => server.write_all(&there[..n]).await,
                _ => return,
            },
            read = server.read(&mut back) => match read {
                Ok(n) if n > 0 => client.write_all(&back[..n]).await,
                _ => return,
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_of_the_wrong_kind_is_told_in_the_log_once_and_is_no_silence() {
    let redis = Redis::start(&[]);
    for (reply, told) in [
        (":1\r\n", "redis answered with the number 1"),
        ("*0\r\n", "redis answered with a list of 0"),
        ("$-1\r\n", "redis answered with nil"),
        ("*1\r\n$6\r\ngeheim\r\n", "redis answered with a list of 1"),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("redis://{}", listener.local_addr().expect("an address"));
        let proxy = tokio::spawn(answer_scripts(listener, redis.port, reply));
        let tollgate = builder().env("REDIS_URL", url).env("REDIS_TIMEOUT", "10s").start();
        tollgate.connected_to_redis().await;
        for _ in 0..3 {
            let status = ask(&tollgate, &["year"]).await.expect_err("no answer of the script");
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains("could not be read"), "{status:?}");
        }
        assert_eq!(metric(&tollgate, "tollgate_redis_errors_total{kind=\"unreadable\"}").await, Some(3.0));
        eventually("a line", async || tollgate.logged(told).pop()).await;
        assert_eq!(tollgate.logged("cannot be read").len(), 1, "{:#?}", tollgate.log());
        assert!(tollgate.logged("geheim").is_empty());
        proxy.abort();
    }
}
