//! The servers: Tollgate with its own HTTP/2 server, Tollgate with hyper, and a service of grpc-go.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::{run, script::Script, seen::Seen};
use crate::service::part;
use testkit::process::Tollgate;

/// The second call with the same message is over the limit.
const RULES: &str = "domain: oracle\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 1}}\n";

/// The servers that ours is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    Hyper,
    GrpcGo,
}

pub struct Servers {
    ours: Tollgate,
    hyper: Tollgate,
    grpc_go: GrpcGo,
}

/// The responses of the three servers to a script.
pub struct Answers {
    pub ours: Seen,
    pub hyper: Seen,
    pub grpc_go: Seen,
}

impl Servers {
    pub fn start() -> Self {
        // the clock is stopped, because answers contain the rest of the window
        let tollgate =
            |server| testkit::tollgate!().rules(RULES).env("HTTP2_SERVER", server).clock("2026-11-30 00:00:00");
        let (ours, hyper) = (tollgate("tollgate").spawn(), tollgate("hyper").spawn());
        let grpc_go = GrpcGo::start();
        ours.address("grpc");
        hyper.address("grpc");
        Self { ours, hyper, grpc_go }
    }

    /// Sends the same bytes to each. `known` is the known behaviour of the others, where it differs.
    pub async fn ask(&self, script: &Script, known: impl Fn(Other) -> Option<&'static str>) -> Answers {
        let (ours, hyper, grpc_go) = tokio::join!(
            run::run(script, self.ours.address("grpc"), None),
            run::run(script, self.hyper.address("grpc"), known(Other::Hyper)),
            run::run(script, self.grpc_go.address, known(Other::GrpcGo)),
        );
        Answers { ours, hyper, grpc_go: grpc_go.of_grpc_go() }
    }
}

/// `tests/independent/ads/oracle`; killed when dropped.
struct GrpcGo {
    process: Child,
    _input: ChildStdin,
    address: SocketAddr,
}

impl GrpcGo {
    fn start() -> Self {
        let mut command = Command::new(part("bin/oracle"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = process.stdin.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("an address");
        let address = line.trim_end().parse().expect("an address");
        Self { process, _input: input, address }
    }
}

impl Drop for GrpcGo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
