//! Every fault.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use crate::faults::{
    proxy::Treatment,
    row::{Answers, Breaker, Row},
    stage::{PASSWORD, Road},
};
use testkit::{eventually_blocking, redis::Redis};

/// The defaults of rows: Redis answers nothing, and the breaker opens.
const SILENT: Row = Row {
    name: "",
    redis: &[],
    road: Road::Straight,
    begin: |_, _| {},
    end: |_| {},
    answers: Answers::None,
    breaker: Breaker::Opens,
};

/// The defaults of rows with network faults.
const PROXIED: Row = Row { road: Road::Proxied, end: |stage| stage.proxy().set(Treatment::Forward), ..SILENT };

pub const ALL: &[Row] = &[
    // a row without a fault, to see the noise of the measurement
    Row { name: "none", answers: Answers::All, breaker: Breaker::Stays, ..SILENT },
    Row { name: "killed", begin: |stage, _| stage.redis.kill(), end: |stage| stage.redis.start_again(), ..SILENT },
    Row {
        name: "stopped (`SIGSTOP`)",
        begin: |stage, _| stage.redis.signal("STOP"),
        end: |stage| stage.redis.signal("CONT"),
        ..SILENT
    },
    Row {
        name: "restarted empty",
        begin: |stage, _| {
            stage.redis.kill();
            stage.redis.start_again();
        },
        answers: Answers::Soon,
        breaker: Breaker::Either,
        ..SILENT
    },
    Row { name: "connection refused", begin: |stage, _| stage.proxy().set(Treatment::Refuse), ..PROXIED },
    Row { name: "black-holed", begin: |stage, _| stage.proxy().set(Treatment::Hold), ..PROXIED },
    Row {
        name: "black-holed, and connections stay so",
        begin: |stage, _| stage.proxy().set(Treatment::Lose),
        ..PROXIED
    },
    Row {
        name: "slow by 50 ms",
        begin: |stage, form| stage.proxy().set(Treatment::Late(form.deadline / 2)),
        answers: Answers::All,
        breaker: Breaker::Stays,
        ..PROXIED
    },
    Row {
        name: "slow by 150 ms",
        begin: |stage, form| stage.proxy().set(Treatment::Late(form.deadline * 3 / 2)),
        ..PROXIED
    },
    Row {
        name: "half of the replies 150 ms late",
        begin: |stage, form| stage.proxy().set(Treatment::HalfLate(form.deadline * 3 / 2)),
        answers: Answers::Some,
        ..PROXIED
    },
    Row {
        name: "`DEBUG SLEEP`",
        redis: &["--enable-debug-command", "local"],
        begin: |stage, form| {
            // it ends by itself, but not before the fault was noticed
            let length = form.fault.max(5 * form.deadline);
            stage.until = Some(Instant::now() + length);
            in_background(&stage.redis, &["DEBUG", "SLEEP", &length.as_secs_f64().to_string()]);
        },
        end: |stage| until_it_answers(&stage.redis),
        ..SILENT
    },
    Row {
        name: "a script that does not end (`BUSY`)",
        redis: &["--lua-time-limit", "5000"],
        begin: |stage, _| in_background(&stage.redis, &["EVAL", "while true do end", "0"]),
        end: |stage| {
            stage.redis.cli(&["SCRIPT", "KILL"]);
            until_it_answers(&stage.redis);
        },
        ..SILENT
    },
    Row {
        name: "out of memory (`OOM`)",
        redis: &["--maxmemory-policy", "noeviction"],
        begin: |stage, _| _ = stage.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]),
        end: |stage| _ = stage.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]),
        ..SILENT
    },
    Row {
        name: "a replica (`READONLY`)",
        begin: |stage, _| _ = stage.redis.cli(&["REPLICAOF", "127.0.0.1", "1"]),
        end: |stage| _ = stage.redis.cli(&["REPLICAOF", "NO", "ONE"]),
        ..SILENT
    },
    Row {
        name: "another password, connections cut",
        road: Road::WithPassword,
        begin: |stage, _| {
            let login = |password: &'static str| ["--no-auth-warning", "-a", password];
            let rotated = "after-the-rotation";
            stage.redis.cli(&[&login(PASSWORD)[..], &["CONFIG", "SET", "requirepass", rotated]].concat());
            stage.redis.cli(&[&login(rotated)[..], &["CLIENT", "KILL", "TYPE", "normal"]].concat());
        },
        end: |stage| stage.set_password("after-the-rotation"),
        ..SILENT
    },
    Row {
        name: "its name vanishes, connections cut",
        road: Road::Named,
        begin: |stage, _| {
            stage.name_is_known(false);
            stage.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        },
        end: |stage| stage.name_is_known(true),
        ..SILENT
    },
    Row {
        name: "garbage that is not Redis' protocol",
        begin: |stage, _| stage.proxy().set(Treatment::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ..PROXIED
    },
    Row {
        name: "garbage that is Redis' protocol",
        begin: |stage, _| stage.proxy().set(Treatment::Say(b"$5\r\nhello\r\n")),
        breaker: Breaker::Either,
        ..PROXIED
    },
];

/// The rows that need root; they run only in the full form.
pub const OF_ROOT: &[Row] = &[Row {
    name: "packets dropped",
    road: Road::Cabled,
    begin: |stage, _| stage.cable().cut(),
    end: |stage| stage.cable().mend(),
    ..SILENT
}];

/// Runs a command that blocks Redis, and returns once it does.
fn in_background(redis: &Redis, command: &[&str]) {
    let child = Command::new("redis-cli")
        .arg("-s")
        .arg(redis.socket())
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-cli");
    // it ends when Redis answers it, or with Redis
    std::thread::spawn(move || child.wait_with_output());
}

fn until_it_answers(redis: &Redis) {
    let answers = || redis.try_cli(&["PING"]).filter(|reply| reply == "PONG");
    eventually_blocking("Redis to answer again", answers);
}
