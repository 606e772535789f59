//! Redis runs a call at most once, even if its reply is lost. Redis itself counts the calls.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redis::{Address, CallError, Caller as _, Client, Connector, Script, Topology};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::client::calls::{connected, endpoint, heals, local, look, tcp};
use testkit::{redis::Redis, until};

/// Forwards everything to a server, and its replies until they are to be lost.
struct Proxy {
    address: SocketAddr,
    lossy: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (lossy, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (lossy2, lost2) = (Arc::clone(&lossy), Arc::clone(&lost));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                pairs.spawn(pass(client, server, Arc::clone(&lossy2), Arc::clone(&lost2)));
            }
        });
        Self { address, lossy, lost, _tasks: tasks }
    }
}

/// Closes the connection instead of forwarding a reply that is to be lost.
async fn pass(mut client: TcpStream, server: u16, lossy: Arc<AtomicBool>, lost: Arc<AtomicU64>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut there) => match read {
                Ok(n) if n > 0 => if server.write_all(&there[..n]).await.is_err() { return },
                _ => return,
            },
            read = server.read(&mut back) => match read {
                Ok(n) if n > 0 => {
                    if lossy.swap(false, SeqCst) {
                        lost.fetch_add(1, SeqCst);
                        return;
                    }
                    if client.write_all(&back[..n]).await.is_err() { return }
                }
                _ => return,
            },
        }
    }
}

/// Makes this many concurrent calls.
fn two_hundred_looks(client: &Arc<Client>) -> JoinSet<Result<Vec<u8>, CallError>> {
    (0..200)
        .map(|_| {
            let client = Arc::clone(client);
            async move { look(&client, Script::Sha1).await }
        })
        .collect()
}

#[tokio::test]
async fn a_call_whose_reply_is_lost_is_not_sent_again() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::start(redis.port).await;
    let client = connected(&endpoint(Topology::Single(Address::Tcp(local(proxy.address.port()))))).await;
    for round in 1..=20 {
        let before = redis.calls("eval");
        proxy.lossy.store(true, SeqCst);
        let error = look(&client, Script::Text).await.expect_err("its reply was lost");
        assert!(matches!(error, CallError::Unanswered(_)), "{error:?}");
        assert_eq!(proxy.lost.load(SeqCst), round);
        until("connected again", || client.open_connections() == 1).await;
        look(&client, Script::Text).await.expect("a reply");
        assert_eq!(redis.calls("eval"), before + 2, "the lost one and this one");
    }
}

#[tokio::test]
async fn calls_to_a_server_that_hangs_time_out_and_run_at_most_once() {
    let redis = Redis::start(&[]);
    let mut endpoint = tcp(&redis);
    // long enough that the connection is not dropped before all calls have been sent
    endpoint.timeout = Duration::from_secs(1);
    let connector = Connector::new(&endpoint).expect("a connector");
    let client = Arc::new(connector.connect());
    until("connected", || client.open_connections() == 1).await;
    heals(&client).await;
    let before = redis.calls("evalsha");

    redis.signal("STOP");
    let mut calls = two_hundred_looks(&client);
    while let Some(result) = calls.join_next().await {
        let error = result.expect("no panic").expect_err("nobody answers");
        assert!(matches!(error, CallError::Unanswered(_)), "{error:?}");
    }
    // it hangs until the connection is dropped; after that nothing more is sent
    let mut sent: u64 = 200;
    while let Err(error) = look(&client, Script::Sha1).await {
        match error {
            CallError::Unanswered(_) => sent += 1,
            CallError::Unreachable => break,
            CallError::Tripped | CallError::ManyKeys | CallError::Refused(_) | CallError::Unreadable(_) => {
                panic!("{error}")
            }
        }
    }
    for _ in 0..10_000 {
        assert_eq!(look(&client, Script::Sha1).await, Err(CallError::Unreachable));
    }
    redis.signal("CONT");
    heals(&client).await;
    for _ in 0..1000 {
        // the deadline is short, and the machine may be busy
        while look(&client, Script::Sha1).await.is_err() {
            sent += 1;
        }
    }
    let ran = redis.calls("evalsha") - before;
    // each attempt to connect may have ended with a call that checks whether Redis counts
    let contact = connector.contact();
    let proofs = contact.made + contact.failed;
    assert!(
        (1000..=1000 + sent + proofs).contains(&ran),
        "{ran} calls ran, {sent} were left unanswered, {proofs} proofs"
    );
}

#[tokio::test]
async fn abandoned_calls_run_at_most_once() {
    let redis = Redis::start(&[]);
    let client = Arc::new(connected(&tcp(&redis)).await);
    heals(&client).await;
    let before = redis.calls("evalsha");
    redis.signal("STOP");
    let mut calls = two_hundred_looks(&client);
    tokio::task::yield_now().await;
    calls.shutdown().await;
    redis.signal("CONT");
    look(&client, Script::Sha1).await.expect("a reply");
    let ran = redis.calls("evalsha") - before;
    assert!((1..=201).contains(&ran), "{ran}");
}

#[tokio::test]
async fn a_connection_that_is_killed_under_load_loses_replies_and_repeats_nothing() {
    let redis = Redis::start(&[]);
    let connector = Connector::new(&tcp(&redis)).expect("a connector");
    let client = Arc::new(connector.connect());
    until("connected", || client.open_connections() == 1).await;
    heals(&client).await;
    let before = redis.calls("evalsha");
    let going = Arc::new(AtomicBool::new(true));
    let (answered, unanswered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let (client, going) = (Arc::clone(&client), Arc::clone(&going));
        let (answered, unanswered) = (Arc::clone(&answered), Arc::clone(&unanswered));
        workers.spawn(async move {
            while going.load(SeqCst) {
                match look(&client, Script::Sha1).await {
                    Ok(_) => _ = answered.fetch_add(1, SeqCst),
                    Err(CallError::Unanswered(_)) => _ = unanswered.fetch_add(1, SeqCst),
                    Err(CallError::Unreachable) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    for kill in 1..=20 {
        let enough = answered.load(SeqCst) + 10;
        until("it works", || answered.load(SeqCst) > enough).await;
        if kill == 10 {
            client.reconnect();
        } else {
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        until("connected again", || connector.opened_connections() > kill).await;
    }
    going.store(false, SeqCst);
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    let (answered, unanswered) = (answered.load(SeqCst), unanswered.load(SeqCst));
    let ran = redis.calls("evalsha") - before;
    assert!((answered..=answered + unanswered).contains(&ran), "{answered} {ran} {unanswered}");
}

#[tokio::test]
async fn a_busy_server_answers_with_an_error() {
    let redis = Redis::start(&["--busy-reply-threshold", "1"]);
    let client = connected(&tcp(&redis)).await;
    let socket = redis.socket();
    let busy = std::thread::spawn(move || {
        std::process::Command::new("redis-cli").arg("-s").arg(socket).args(["EVAL", "while true do end", "0"]).output()
    });
    loop {
        match look(&client, Script::Text).await {
            Ok(_) => {}
            Err(CallError::Refused(text)) if text.starts_with("BUSY ") => break,
            Err(error) => panic!("{error}"),
        }
    }
    redis.cli(&["SCRIPT", "KILL"]);
    busy.join().expect("no panic").expect("redis-cli");
    look(&client, Script::Text).await.expect("a reply over the same connection");
    assert_eq!(client.open_connections(), 1);
}
