//! A network between Tollgate and Redis whose packets can be dropped: a namespace and a pair of virtual interfaces.
//! Only root can create it.

use std::process::Command;

/// The addresses of both ends. Each cable has a namespace and a network of its own.
pub struct Cable {
    pub namespace: String,
    pub theirs: String,
    ours: String,
    link: String,
}

/// A MAC address that no interface has: frames to it are dropped silently.
const NOBODY: &str = "02:00:00:00:00:01";

impl Cable {
    pub fn lay() -> Self {
        let number = fastrand::u32(..1 << 14);
        let address = |end| format!("10.213.{}.{}", number >> 6, (number & 63) * 4 + end);
        let link = format!("tg{number}");
        let cable = Self { namespace: format!("tollgate-{number}"), theirs: address(2), ours: address(1), link };
        let Self { namespace, theirs, ours, link } = &cable;
        ip(&format!("netns add {namespace}"));
        ip(&format!("link add {link} type veth peer name eth0 netns {namespace}"));
        ip(&format!("address add {ours}/30 dev {link}"));
        ip(&format!("link set {link} up"));
        ip(&format!("-n {namespace} address add {theirs}/30 dev eth0"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {namespace} link set eth0 up"));
        cable
    }

    /// Drops every packet in both directions, silently.
    pub fn cut(&self) {
        self.neighbours(NOBODY, NOBODY);
    }

    /// Delivers packets again.
    pub fn mend(&self) {
        let hardware = |words: &str| {
            let output = ip(words);
            let address = output.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
            address.expect("a virtual interface has one").to_owned()
        };
        let theirs = hardware(&format!("-n {} link show eth0", self.namespace));
        let ours = hardware(&format!("link show {}", self.link));
        self.neighbours(&theirs, &ours);
    }

    /// Sets the MAC address that each end uses for the other.
    fn neighbours(&self, theirs: &str, ours: &str) {
        ip(&format!("neigh replace {} lladdr {theirs} nud permanent dev {}", self.theirs, self.link));
        ip(&format!("-n {} neigh replace {} lladdr {ours} nud permanent dev eth0", self.namespace, self.ours));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

/// The output of `ip` for a command that must succeed.
fn ip(command: &str) -> String {
    let output = Command::new("ip").args(command.split(' ')).output().expect("ip, of iproute2");
    assert!(output.status.success(), "ip {command}: {}; are you root?", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
