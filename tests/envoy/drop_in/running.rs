//! A running container: how to reach, inspect, enter and stop it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Output},
};

use crate::drop_in::{isolation::Isolation, manifest::Identity};
use testkit::process::Tollgate;

/// The ports of the container, with their actual addresses.
pub type Ports = BTreeMap<u16, u16>;

/// The container's program.
pub struct Running {
    pub isolation: Isolation,
    pub tollgate: Tollgate,
    pub identity: Identity,
    pub environment: Vec<(String, String)>,
    pub ports: Ports,
}

impl Running {
    /// The actual address of a port of the container.
    pub fn at(&self, port: u16) -> SocketAddr {
        let own = self.ports.get(&port).unwrap_or_else(|| panic!("nothing of the reference listens at {port}"));
        (Ipv4Addr::LOCALHOST, *own).into()
    }

    /// Runs another program in the container, like `kubectl exec`.
    pub fn execute(&self, command: &[String]) -> Output {
        let mut inside = match self.process() {
            Some(process) => {
                let mut inside = Command::new("/usr/bin/nsenter");
                let Identity { user, group } = self.identity;
                inside.args(["--mount", "--pid", "--root", "--wd=/", &format!("--target={process}")]);
                inside.args([format!("--setuid={user}"), format!("--setgid={group}"), "--".to_owned()]);
                inside.args(command);
                inside
            }
            None => {
                assert_eq!(command[0], "/bin/tollgate");
                let mut here = Command::new(env!("CARGO_BIN_EXE_tollgate"));
                let own = |port: u16| format!("localhost:{}", self.ports[&port]);
                here.args(command[1..].iter().map(|word| word.replace("localhost:8081", &own(8081))));
                here
            }
        };
        inside.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        inside.output().expect("it runs")
    }

    /// The kernel's status of the process; `None` without namespaces.
    pub fn status(&self) -> Option<BTreeMap<String, String>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()?)).expect("it runs");
        let pairs = status.lines().filter_map(|line| line.split_once(':'));
        Some(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    /// The mount options of its root, such as `ro,relatime`.
    pub fn root_mount(&self) -> Option<String> {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.process()?)).expect("it runs");
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let root = fields.find(|fields| fields.get(4) == Some(&"/")).expect("a root");
        Some(root[5].to_owned())
    }

    /// Stops it as the kubelet does, and returns its exit code.
    pub async fn stop(mut self) -> Option<i32> {
        let process = self.process().unwrap_or_else(|| self.tollgate.pid());
        let killed = Command::new("kill").arg(process.to_string()).status().expect("kill");
        assert!(killed.success());
        // clients that see the GOAWAY disconnect: this thread must not block
        let ended = tokio::task::spawn_blocking(move || self.tollgate.exit()).await;
        ended.expect("it ends").code()
    }

    /// Its process id on this machine; `None` without namespaces.
    pub fn process(&self) -> Option<u32> {
        (self.isolation == Isolation::Namespaces).then(|| {
            // the child of the outer namespace, and its child in the inner one
            only_child(only_child(self.tollgate.pid()))
        })
    }
}

fn only_child(process: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("children");
    children.trim().parse().unwrap_or_else(|_| panic!("{process} has the children {children:?}, and not one"))
}
