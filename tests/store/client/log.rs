//! What is logged: changes, not attempts, and no secrets.

use std::{
    fs, io,
    sync::{Arc, Mutex, Once},
};

use limiter::domain::Secret;
use redis::{CallError, Connector, Credentials, Script};

use crate::client::calls::{look, tcp};
use testkit::{redis::Redis, until};

/// The log lines of one thread, which is that of one test.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static LINES: Lines = Lines::default();
}

/// Collects the lines of this thread from now on. There is one subscriber for the process: with one per thread,
/// callsites that another test has used first may be disabled here.
fn lines() -> Lines {
    static LOGGING: Once = Once::new();
    LOGGING.call_once(|| {
        let logging = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
        logging.with_writer(|| LINES.with(Lines::clone)).init();
    });
    LINES.with(Lines::clone)
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }

    fn count(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_change_is_logged_once_and_no_password_is() {
    let lines = lines();
    let mut redis = Redis::start(&["--requirepass", "geheim"]);
    let file = redis.directory.path().join("password");
    fs::write(&file, "verraten").expect("a file");
    let mut endpoint = tcp(&redis);
    endpoint.connections = 4.try_into().expect("not 0");
    endpoint.credentials = Credentials::File(file.clone());
    let connector = Connector::new(&endpoint).expect("a connector");
    let clients = [connector.connect(), connector.connect()];
    until("refused", || lines.count("cannot connect to redis") > 0).await;
    assert!(lines.text().contains("WRONGPASS"), "{}", lines.text());

    fs::write(&file, "geheim").expect("a file");
    until("connected", || connector.open_connections() == 8).await;
    assert_eq!(lines.count("INFO"), 1, "{}", lines.text());
    redis.kill();
    until("lost", || connector.open_connections() == 0).await;
    assert_eq!(look(&clients[0], Script::Text).await, Err(CallError::Unreachable));
    redis.start_again();
    until("connected", || connector.open_connections() == 8).await;

    let text = lines.text();
    assert_eq!((lines.count("INFO"), lines.count("WARN")), (2, 2), "{text}");
    assert!(lines.count(&format!("127.0.0.1:{}", redis.port)) >= 4, "{text}");
    for secret in ["geheim", "verraten"] {
        assert!(!text.contains(secret), "{text}");
        assert!(!format!("{connector:?} {clients:?} {:?}", Secret::new(secret.to_owned())).contains(secret));
    }
}

#[tokio::test]
async fn a_password_file_that_cannot_be_read_is_named() {
    let lines = lines();
    let redis = Redis::start(&[]);
    let file = redis.directory.path().join("missing");
    let mut endpoint = tcp(&redis);
    endpoint.credentials = Credentials::File(file.clone());
    let _client = Connector::new(&endpoint).expect("a connector").connect();
    until("logged", || lines.count(&file.display().to_string()) > 0).await;
    assert!(lines.text().contains("No such file"), "{}", lines.text());
}
