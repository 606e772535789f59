//! Clients that know HTTP/2 but not gRPC, over every wire: h2load with windows and tables of every size, and curl. They
//! see only the HTTP status of an answer; the counter shows that each call was decided exactly once.

use std::process::Command;

use prost::Message as _;
use tempfile::TempDir;

use crate::{
    rejections,
    service::{Service, Wire},
};
use testkit::{
    process::Builder,
    raw::{self, SHOULD_RATE_LIMIT},
    rls::request,
};

const LIMIT: u32 = 4_000_000;
const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";
const GRPC: [&str; 4] = ["-H", "content-type: application/grpc", "-H", "te: trailers"];

/// Connections, streams of each, calls in all, and options.
type Load = (u32, u32, u32, &'static [&'static str]);

const LOADS: [Load; 9] = [
    (8, 32, 2000, &["--header-table-size=0"]),
    (8, 32, 2000, &["--header-table-size=0", "--encoder-header-table-size=0"]),
    // Windows of 15 bytes and of one byte: no answer fits into either. The connection's window becomes as small once
    // its first 64 KiB are used up, after 2000 answers.
    (2, 32, 6000, &["-w", "4", "-W", "4"]),
    (2, 8, 6000, &["-w", "1", "-W", "1"]),
    (2, 32, 6000, &["-w", "4", "-W", "4", "--header-table-size=0"]),
    // a stream's window is larger than its connection's, and the other way round
    (2, 32, 6000, &["-w", "20", "-W", "4"]),
    (2, 32, 6000, &["-w", "4", "-W", "20"]),
    (200, 1, 2000, &[]),
    // as many streams as may be open
    (2, 1024, 6000, &[]),
];

/// The service, and a file with a message for it.
struct Asked {
    service: Service,
    files: TempDir,
    charged: u32,
}

impl Asked {
    fn new(wire: Wire, builder: Builder) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let message = raw::frame(0, &request("edge", &[&[("path", "/")]]).encode_to_vec());
        std::fs::write(files.path().join("message"), message).expect("written");
        Self { service: Service::with(wire, builder.rules(RULES)), files, charged: 0 }
    }

    fn message(&self) -> String {
        format!("{}/message", self.files.path().display())
    }

    /// The URL of the service, with the name in its certificate, and the options that make a client resolve it.
    fn url(&self) -> (String, String) {
        let (scheme, port) = match self.service.wire {
            Wire::Plain => ("http", self.service.tollgate.address("grpc").port()),
            Wire::Tls => ("https", self.service.tollgate.address("grpc").port()),
            Wire::Unix => ("http", 80),
        };
        (format!("{scheme}://ratelimit:{port}{SHOULD_RATE_LIMIT}"), format!("ratelimit:{port}:127.0.0.1"))
    }

    async fn load(&mut self, load: Load) {
        let (connections, streams, calls, options) = load;
        let [connections, streams, count] = [connections, streams, calls].map(|number| number.to_string());
        let mut command = Command::new("h2load");
        command
            .args(["-c", &connections, "-m", &streams, "-n", &count, "-d", &self.message()])
            .args(GRPC)
            .args(options);
        let base = match self.service.wire {
            Wire::Plain => format!("http://{}", self.service.tollgate.address("grpc")),
            Wire::Tls => format!("https://{}", self.service.tollgate.address("grpc")),
            Wire::Unix => format!("unix:{}", self.service.file("socket")),
        };
        command.args(["-B", &base]).arg(self.url().0);
        let output = command.output().expect("h2load: `bash tests/run.sh` installs it");
        let printed = String::from_utf8_lossy(&output.stdout);
        let what = format!("{:?}, {load:?}: {printed}{}", self.service.wire, String::from_utf8_lossy(&output.stderr));
        let line =
            |start: &str| printed.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default().to_owned();
        assert!(output.status.success(), "{what}");
        let all_done =
            format!("{calls} total, {calls} started, {calls} done, {calls} succeeded, 0 failed, 0 errored, 0 timeout");
        assert_eq!(line("requests: "), all_done, "{what}");
        assert_eq!(line("status codes: "), format!("{calls} 2xx, 0 3xx, 0 4xx, 0 5xx"), "{what}");
        self.charged += calls;
        self.assert_charged(&what);
        assert_eq!(rejections(&self.service.tollgate).await, [""; 0], "{what}");
        println!("h2load, {:?}, {load:?}: {}", self.service.wire, line("finished in "));
    }

    /// Makes a call with curl, and asserts that it and all calls before it were charged once.
    fn assert_charged(&mut self, what: &str) {
        self.charged += 1;
        let remaining = self.curl(&["--data-binary", &format!("@{}", self.message())]);
        assert_eq!(remaining, LIMIT - self.charged, "{what}");
    }

    /// What remains of the limit according to curl's answer.
    fn curl(&self, body: &[&str]) -> u32 {
        let (url, resolve) = self.url();
        let files = ["head", "answer"].map(|name| format!("{}/{name}", self.files.path().display()));
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--request", "POST", "--resolve", &resolve]).args(GRPC);
        match self.service.wire {
            Wire::Plain => command.arg("--http2-prior-knowledge"),
            Wire::Tls => command.args(["--http2", "--cacert", &self.service.file("ca.crt")]),
            Wire::Unix => command.args(["--http2-prior-knowledge", "--unix-socket", &self.service.file("socket")]),
        };
        command.args(body).args(["--dump-header", &files[0], "--output", &files[1]]).arg(&url);
        command.stdin(std::fs::File::open(self.message()).expect("it was written"));
        let output = command.output().expect("curl: `bash tests/run.sh` installs it");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {printed}", self.service.wire);
        let [head, answer] = files.map(|file| std::fs::read(file).expect("curl wrote it"));
        let head = String::from_utf8(head).expect("text");
        let lines: Vec<_> = head.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, ["HTTP/2 200", "content-type: application/grpc", "grpc-status: 0"], "{printed}");
        let answer = Answer::decode(&answer[5..]).expect("an answer");
        answer.statuses[0].limit_remaining
    }
}

type Answer = envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;

async fn loads(wire: Wire) {
    let mut asked = Asked::new(wire, testkit::tollgate!());
    for load in LOADS {
        asked.load(load).await;
    }
}

#[tokio::test]
async fn h2load_over_tcp() {
    loads(Wire::Plain).await;
}

#[tokio::test]
async fn h2load_over_tls() {
    loads(Wire::Tls).await;
}

#[tokio::test]
async fn h2load_over_a_unix_socket() {
    loads(Wire::Unix).await;
}

/// h2load follows our SETTINGS once it knows them.
#[tokio::test]
async fn h2load_wants_more_streams_than_may_be_open() {
    let mut asked = Asked::new(Wire::Plain, testkit::tollgate!().env("MAX_CONCURRENT_STREAMS", "10"));
    asked.load((4, 100, 2000, &[])).await;
    asked.load((2, 100, 6000, &["-w", "4", "-W", "4", "--header-table-size=0"])).await;
}

#[tokio::test]
async fn curl() {
    for wire in Wire::ALL {
        let mut asked = Asked::new(wire, testkit::tollgate!());
        asked.assert_charged("with a content-length");
        // without one, and with the end in a frame of its own
        assert_eq!(asked.curl(&["--upload-file", "-"]), LIMIT - 2, "{wire:?}");
        assert_eq!(rejections(&asked.service.tollgate).await, [""; 0], "{wire:?}");
    }
}
