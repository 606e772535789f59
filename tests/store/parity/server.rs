//! A Redis server for one test, with the small part of its protocol that the tests need.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use limiter::domain::{Clock as _, SystemClock, Timestamp};
use redis::{Answer, Call, Entry, Server, ServerTime, decode, script};
use tempfile::TempDir;

/// A reply in protocol version 2.
#[derive(Debug, PartialEq)]
pub enum Reply {
    Status(String),
    Error(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nil,
    List(Vec<Reply>),
}

/// What a process knows that has called a server before the epoch, and estimates its time as `now`.
pub fn server_at(now: Timestamp) -> Server {
    let time = ServerTime { now, since: Timestamp::from_micros(0), is_fresh: true };
    Server { time, names_windows: true, plain_commands: false }
}

/// The same, if both have the same clock.
pub fn server() -> Server {
    server_at(SystemClock.now())
}

/// The server, on a unix socket in a temporary directory, and a connection to it.
pub struct Redis {
    child: Child,
    directory: TempDir,
    stream: BufReader<UnixStream>,
}

/// A connection that is sent each command which the server runs.
pub struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// The commands that scripts have run since the last time, as the server quotes them.
    pub fn of_scripts(&mut self, redis: &mut Redis) -> Vec<String> {
        redis.command(&["ECHO", "until here"]);
        let mut commands = Vec::new();
        loop {
            let line = self.line();
            if let Some((_, command)) = line.split_once(" lua] ") {
                commands.push(command.to_owned());
            } else if line.ends_with("\"ECHO\" \"until here\"") {
                return commands;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// Starts `redis-server`, or the program in the variable `TOLLGATE_TEST_REDIS_SERVER`.
    pub fn start() -> Self {
        let program = env::var("TOLLGATE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let directory = tempfile::tempdir().expect("a directory");
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        let socket = directory.path().join("socket");
        let mut child = Command::new(&program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a log"))
            .stdout(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): `bash tests/run.sh` installs it"));
        let stream = testkit::eventually_blocking(&program, || match UnixStream::connect(&socket) {
            Ok(stream) => Some(stream),
            Err(error) => {
                let ended = child.try_wait().expect("a child").is_some();
                let log = || fs::read_to_string(directory.path().join("log")).unwrap_or_default();
                assert!(!ended, "{program} does not listen: {error}\n{}", log());
                assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused), "{error}");
                None
            }
        });
        let mut redis = Self { child, directory, stream: BufReader::new(stream) };
        assert_eq!(redis.load(), Reply::Bytes(script::SHA1.into()), "{}", redis.directory.path().display());
        redis
    }

    /// Loads the script and returns its name.
    pub fn load(&mut self) -> Reply {
        self.command(&["SCRIPT", "LOAD", script::TEXT])
    }

    /// Sends a command of text.
    pub fn command(&mut self, words: &[&str]) -> Reply {
        self.send(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
    }

    /// Sends a command.
    pub fn send(&mut self, words: &[&[u8]]) -> Reply {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).into_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("a server that listens");
        self.reply()
    }

    /// Calls the script for these entries.
    pub fn evalsha(&mut self, entries: &[Entry], jitter: Duration) -> Reply {
        self.evalsha_about(entries, &server(), jitter)
    }

    /// Calls the script for these entries, with what is known of the server.
    pub fn evalsha_about(&mut self, entries: &[Entry], server: &Server, jitter: Duration) -> Reply {
        self.call([b"EVALSHA", script::SHA1.as_bytes()], entries, server, jitter)
    }

    /// Calls another script for these entries.
    pub fn eval(&mut self, text: &str, entries: &[Entry], jitter: Duration) -> Reply {
        self.eval_about(text, entries, &server(), jitter)
    }

    /// Calls another script for these entries, with what is known of the server.
    pub fn eval_about(&mut self, text: &str, entries: &[Entry], server: &Server, jitter: Duration) -> Reply {
        self.call([b"EVAL", text.as_bytes()], entries, server, jitter)
    }

    fn call(&mut self, script: [&[u8]; 2], entries: &[Entry], server: &Server, jitter: Duration) -> Reply {
        let call = Call::new(entries, server, |_| jitter);
        let count = call.keys().len().to_string();
        let mut words: Vec<&[u8]> = script.into();
        words.push(count.as_bytes());
        words.extend(call.keys());
        words.extend([call.kinds.as_slice(), &call.groups]);
        self.send(&words)
    }

    /// Watches the commands of scripts from now on.
    pub fn monitor(&self) -> Monitor {
        let mut stream = UnixStream::connect(self.directory.path().join("socket")).expect("a server that listens");
        stream.write_all(b"MONITOR\r\n").expect("a server that listens");
        let mut monitor = Monitor { stream: BufReader::new(stream) };
        assert_eq!(monitor.line(), "+OK");
        monitor
    }

    /// Calls the script for these entries and decodes the reply, which must not be an error.
    pub fn check(&mut self, entries: &[Entry], jitter: Duration) -> Vec<Answer> {
        let server = server();
        match self.evalsha_about(entries, &server, jitter) {
            Reply::Bytes(reply) => decode(entries, &server, &reply).expect("a reply of the script").1,
            other => panic!("not a reply of the script: {other:?}"),
        }
    }

    /// The reply to a command that returns a number.
    pub fn number(&mut self, words: &[&str]) -> i64 {
        match self.command(words) {
            Reply::Number(number) => number,
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    /// The reply to a command that returns several lines of text.
    pub fn text(&mut self, words: &[&str]) -> String {
        match self.command(words) {
            Reply::Bytes(text) => String::from_utf8(text).expect("UTF-8"),
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    /// The server's name and version.
    pub fn version(&mut self) -> String {
        let info = self.text(&["INFO", "server"]);
        let line = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        match line("valkey_version:") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", line("redis_version:").expect("a version")),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }

    fn reply(&mut self) -> Reply {
        let line = self.line();
        let (kind, rest) = line.split_at_checked(1).expect("a reply");
        let number = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(number()),
            "$" | "*" if number() < 0 => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; number() as usize + 2];
                self.stream.read_exact(&mut bytes).expect("a reply");
                bytes.truncate(bytes.len() - 2);
                Reply::Bytes(bytes)
            }
            "*" => Reply::List((0..number()).map(|_| self.reply()).collect()),
            _ => panic!("not a reply: {line}"),
        }
    }
}
