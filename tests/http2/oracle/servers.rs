//! Those that are asked: Tollgate over its own HTTP/2 server, Tollgate over hyper, and a service of grpc-go.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::{run, script::Script, seen::Seen};
use crate::service::part;
use testkit::process::Tollgate;

/// The second call of a message's value is over the limit.
const RULES: &str = "domain: oracle\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 1}}\n";

/// Whose answers are compared with ours.
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

/// What the three did with a script.
pub struct Answers {
    pub ours: Seen,
    pub hyper: Seen,
    pub grpc_go: Seen,
}

impl Servers {
    pub fn start() -> Self {
        // the clock stands still, for answers say how long a window still lasts
        let tollgate =
            |server| testkit::tollgate!().rules(RULES).env("HTTP2_SERVER", server).clock("2026-11-30 00:00:00");
        let (ours, hyper) = (tollgate("tollgate").spawn(), tollgate("hyper").spawn());
        let grpc_go = GrpcGo::start();
        ours.address("grpc");
        hyper.address("grpc");
        Self { ours, hyper, grpc_go }
    }

    /// Sends the same bytes to each. `known` is what the others were seen to do, where they differ.
    pub async fn ask(&self, script: &Script, known: impl Fn(Other) -> Option<&'static str>) -> Answers {
        let (ours, hyper, grpc_go) = tokio::join!(
            run::run(script, self.ours.address("grpc"), None),
            run::run(script, self.hyper.address("grpc"), known(Other::Hyper)),
            run::run(script, self.grpc_go.address, known(Other::GrpcGo)),
        );
        Answers { ours, hyper, grpc_go: grpc_go.of_grpc_go() }
    }
}

/// `tests/independent/ads/oracle`, ended when dropped.
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
