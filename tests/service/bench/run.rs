//! Runs the command and collects its output.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("bench").args(args).env_clear().stdin(Stdio::null());
    command
}

pub fn bench(args: &[&str]) -> Ran {
    Ran::of(command(args).output().expect("it runs"))
}

/// A run that lasts until it is interrupted.
pub struct Endless(Option<Child>);

impl Endless {
    pub fn start(args: &[&str]) -> Self {
        let args = [args, &["--duration", "1h"]].concat();
        let child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(Some(child.expect("it runs")))
    }

    /// Sends SIGINT, like Ctrl-C.
    pub fn interrupt(mut self) -> Ran {
        let mut child = self.0.take().expect("it is interrupted once");
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
        testkit::eventually_blocking("the run to stop", || child.try_wait().expect("a child"));
        Ran::of(child.wait_with_output().expect("a child"))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A number of the report.
pub fn number(json: &Value, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {json:#}"))
}

/// Asserts that each request has exactly one outcome, and each answer one latency.
pub fn assert_adds_up(json: &Value) {
    let of = |name| number(json, name);
    assert_eq!(of("requests"), of("answered") + of("failed"), "{json:#}");
    assert_eq!(of("answered"), of("ok") + of("over_limit") + of("unknown"), "{json:#}");
    let errors = json["errors"].as_object().expect("an object").values();
    assert_eq!(of("failed"), errors.map(|kind| number(kind, "count")).sum::<u64>(), "{json:#}");
    let rows = json["histogram"].as_array().expect("a list").iter();
    assert_eq!(of("answered"), rows.map(|row| number(row, "count")).sum::<u64>(), "{json:#}");
}
