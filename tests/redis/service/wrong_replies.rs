//! Valid replies in Redis' protocol that do not fit the command.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tonic::Code;

use crate::service::program::{ask, builder};
use testkit::scrape::metric;
use testkit::{eventually, health::page, process::Tollgate, redis::Redis};

/// Forwards everything to a server and back, but answers scripts itself once `answers` is set.
async fn answer_scripts(listener: TcpListener, server: u16, reply: &'static str, answers: Arc<AtomicBool>) {
    let mut pairs = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        pairs.spawn(pass(client, server, reply, Arc::clone(&answers)));
    }
}

async fn pass(mut client: TcpStream, server: u16, reply: &'static str, answers: Arc<AtomicBool>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("a server");
    let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
    loop {
        let sent = tokio::select! {
            read = client.read(&mut there) => match read {
                Ok(n) if answers.load(SeqCst) && there[..n].windows(7).any(|name| name == b"EVALSHA") => {
                    client.write_all(reply.as_bytes()).await
                }
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

const REPLIES: [(&str, &str); 4] = [
    (":1\r\n", "the number 1"),
    ("*0\r\n", "a list of 0"),
    ("$-1\r\n", "nil"),
    ("*1\r\n$6\r\ngeheim\r\n", "a list of 1"),
];

/// A service on a server behind such a proxy, which answers scripts as soon as `answers` is set.
async fn behind(redis: &Redis, reply: &'static str, answers: &Arc<AtomicBool>) -> (Tollgate, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    let mut proxy = JoinSet::new();
    proxy.spawn(answer_scripts(listener, redis.port, reply, Arc::clone(answers)));
    (builder().env("REDIS_URL", url).env("REDIS_TIMEOUT", "10s").start(), proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_of_the_wrong_kind_is_logged_once_and_is_no_timeout() {
    let redis = Redis::start(&[]);
    for (reply, message) in REPLIES {
        let answers = Arc::default();
        let (tollgate, _proxy) = behind(&redis, reply, &answers).await;
        tollgate.connected_to_redis().await;
        answers.store(true, SeqCst);
        for _ in 0..3 {
            let status = ask(&tollgate, &["year"]).await.expect_err("no answer of the script");
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains("could not be read"), "{status:?}");
        }
        assert_eq!(metric(&tollgate, "tollgate_redis_errors_total{kind=\"unreadable\"}").await, Some(3.0));
        let message = format!("redis answered with {message}");
        tollgate.wait_for_log(&message);
        assert_eq!(tollgate.wait_for_lines("cannot be read", 1).len(), 1, "{:#?}", tollgate.log());
        assert!(tollgate.logged("geheim").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_replies_from_the_start_keep_the_service_unready() {
    let redis = Redis::start(&[]);
    for (reply, message) in REPLIES {
        let (tollgate, _proxy) = behind(&redis, reply, &Arc::new(AtomicBool::new(true))).await;
        let page = eventually("a reason", async || {
            let (status, page) = page(&tollgate, "/healthcheck").await;
            assert_ne!(status, 200);
            page.contains(message).then_some(page)
        })
        .await;
        assert!(page.contains("redis has not counted yet") && !page.contains("geheim"), "{page}");
    }
}
