//! Runs a Deployment's container as Kubernetes does, in one of the two ways of `isolation`.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::drop_in::{
    isolation::Isolation,
    manifest::{Deployment, Identity},
    running::{Ports, Running},
    volume::Volume,
};
use testkit::{ports::free_port, process::Tollgate};

/// The user of the image, unless the manifest sets one.
const IMAGE: Identity = Identity { user: 65534, group: 65534 };

/// The command of the image, unless the manifest sets one.
const PROGRAM: &str = "/bin/tollgate";

const POD_NAME: &str = "ratelimit-7d4b9c-x2x5z";

/// A Deployment and its surroundings.
pub struct Pod {
    isolation: Isolation,
    deployment: Deployment,
    directory: TempDir,
    volumes: BTreeMap<String, Volume>,
    /// Names and ports of neighbours, with their actual addresses.
    neighbours: Vec<(String, u16, SocketAddr)>,
    environment: Vec<(String, String)>,
    authorities: String,
}

impl Pod {
    pub fn new(isolation: Isolation, deployment: Deployment) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // the files below must be readable by the container's user
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut volumes = BTreeMap::new();
        for mount in deployment.mounts() {
            volumes
                .insert(mount.filled_by.clone(), Volume::new(directory.path().join("volumes").join(mount.filled_by)));
        }
        // the manifest's own value wins: on a busy machine, Redis may need longer than 100 ms
        let mut environment = vec![("REDIS_TIMEOUT".to_owned(), "10s".to_owned())];
        environment.extend(deployment.environment(POD_NAME));
        let (neighbours, authorities) = (Vec::new(), String::new());
        Self { isolation, deployment, directory, volumes, neighbours, environment, authorities }
    }

    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The address at which to start the neighbour with this name and port.
    pub fn neighbour(&mut self, name: &str, port: u16) -> SocketAddr {
        let own = if self.isolation == Isolation::Namespaces { port } else { free_port() };
        let address = (Ipv4Addr::LOCALHOST, own).into();
        self.knows(name, port, address);
        address
    }

    /// Makes an existing neighbour known to the container.
    pub fn knows(&mut self, name: &str, port: u16, address: SocketAddr) {
        self.neighbours.push((name.to_owned(), port, address));
    }

    /// Fills a Secret or ConfigMap that the Deployment mounts.
    pub fn fill(&mut self, name: &str, files: &[(&str, &str)]) {
        self.volumes.get_mut(name).expect("a volume of the Deployment").fill(files);
    }

    /// Adds to the environment, as Kubernetes or a variant of the manifest does.
    pub fn add(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        self.environment.extend(variables);
    }

    /// An authority that the image trusts, in PEM.
    pub fn trust(&mut self, authority: &str) {
        authority.clone_into(&mut self.authorities);
    }

    pub fn start(&self) -> Running {
        for mount in self.deployment.mounts() {
            let filled = self.volumes[&mount.filled_by].path().join("..data").exists();
            assert!(filled || mount.optional, "{mount:?} is not filled: the pod would wait for it");
        }
        // docs/lifecycle.md: "more than DRAIN_DELAY + DRAIN_TIMEOUT + 8 s"
        let (needs, grace) =
            (self.seconds("DRAIN_DELAY", 0) + self.seconds("DRAIN_TIMEOUT", 20) + 8, self.deployment.grace());
        assert!(grace > needs, "the pod would be killed after {grace} s, and may need {needs} s");
        let own = [8080, 8081, 6070, self.metrics_port()].into_iter();
        match self.isolation {
            Isolation::Namespaces => {
                let identity = self.deployment.identity(IMAGE);
                let ports = own.map(|port| (port, port)).collect();
                self.running(self.contained(identity), self.environment.clone(), ports)
            }
            // another process may have taken a free port meanwhile
            Isolation::Rewritten => (0..20)
                .find_map(|_| self.on_ports(own.clone().map(|port| (port, free_port())).collect()))
                .expect("ports that stay free"),
        }
    }

    fn running(&self, command: Command, environment: Vec<(String, String)>, ports: Ports) -> Running {
        let identity = self.deployment.identity(IMAGE);
        Running { isolation: self.isolation, tollgate: Tollgate::spawn(command), identity, environment, ports }
    }

    /// `None` if one of the ports was taken meanwhile.
    fn on_ports(&self, ports: Ports) -> Option<Running> {
        let environment = self.rewritten(&ports);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.env_clear().envs(environment.clone());
        let running = self.running(command, environment, ports);
        // gRPC is the last listener; the log may be text or JSON
        let texts = [r#"listener="grpc""#, r#""listener":"grpc""#, "another process has it"];
        let logged = running.tollgate.wait_for_log_of(&texts);
        logged.contains("listening").then_some(running)
    }

    /// The value of a variable; if it is set several times, the last one.
    fn variable(&self, name: &str) -> Option<&str> {
        let entry = self.environment.iter().rev().find(|(other, _)| other == name);
        entry.map(|(_, value)| value.as_str())
    }

    fn metrics_port(&self) -> u16 {
        let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        self.variable("PROMETHEUS_ADDR").map_or(9090, port)
    }

    /// The value of a variable with a duration.
    fn seconds(&self, name: &str, default: u64) -> u64 {
        let parse = |text: &str| text.strip_suffix('s').and_then(|number| number.parse().ok());
        self.variable(name)
            .map_or(default, |text| parse(text).unwrap_or_else(|| panic!("{name}={text}: not in seconds")))
    }

    fn contained(&self, Identity { user, group }: Identity) -> Command {
        let mut command = Command::new("setpriv");
        // a program that changes its user no longer dies with its parent; the first process of the outer namespace
        // does, and takes everything in the namespace with it
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--"]);
        command.args(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--"]);
        command.args(["sh", "-euc", &self.mounting(), "sh", "env", "-i"]);
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        // chroot changes the user last, because the steps before need its capabilities
        command.args(["/usr/bin/setpriv", "--no-new-privs", "--bounding-set=-all,+sys_chroot,+setuid,+setgid"]);
        command.args(["/usr/sbin/chroot", "--groups=", &format!("--userspec={user}:{group}")]);
        command.arg(self.root()).args(self.deployment.command(PROGRAM));
        command
    }

    /// Creates the root, and returns the script that mounts its content and then executes its arguments.
    fn mounting(&self) -> String {
        let root = self.directory.path().join("root");
        let make = |path: &str| fs::create_dir_all(root.join(path.trim_start_matches('/'))).expect("a directory");
        let write = |path: &str, content: &str| fs::write(root.join(path), content).expect("a file");
        for path in ["bin", "dev", "etc/ssl/certs", "proc", "usr"] {
            make(path);
        }
        let hosts: String =
            self.neighbours.iter().map(|(name, _, address)| format!("{} {name}\n", address.ip())).collect();
        write("etc/hosts", &format!("127.0.0.1 localhost\n::1 localhost\n{hosts}"));
        write("etc/resolv.conf", "");
        write("etc/nsswitch.conf", "hosts: files dns\n");
        write("etc/ssl/certs/ca-certificates.crt", &self.authorities);
        write("bin/tollgate", "");
        symlink("tollgate", root.join("bin/ratelimit")).expect("a link");

        let at = root.display();
        let mut script = format!("mount --bind {at} {at}\nmount -t proc proc {at}/proc\n");
        let mut bind = |from: &str, to: &str| script += &format!("mount --bind -o ro {from} {at}{to}\n");
        bind(env!("CARGO_BIN_EXE_tollgate"), "/bin/tollgate");
        for device in ["/dev/null", "/dev/urandom"] {
            write(&device[1..], "");
            bind(device, device);
        }
        // the C library, at its paths on this machine
        for library in ["/usr/lib", "/usr/lib64", "/lib", "/lib64"] {
            match fs::read_link(library) {
                Ok(target) => symlink(target, root.join(&library[1..])).expect("a link"),
                Err(_) if Path::new(library).exists() => {
                    make(library);
                    bind(library, library);
                }
                Err(_) => {}
            }
        }
        for mount in self.deployment.mounts() {
            make(&mount.path);
            bind(&self.volumes[&mount.filled_by].path().display().to_string(), &mount.path);
        }
        script + &format!("mount -o remount,bind,ro {at}\nexec \"$@\"\n")
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// The environment with the paths, names and ports of this machine.
    fn rewritten(&self, ports: &Ports) -> Vec<(String, String)> {
        let mut environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.clone(), self.rewrite(value))).collect();
        if let Some(root) = self.runtime_root() {
            environment.push(("RUNTIME_ROOT".to_owned(), root.display().to_string()));
        }
        let authorities = self.directory.path().join("authorities.crt");
        fs::write(&authorities, &self.authorities).expect("written");
        environment.push(("SSL_CERT_FILE".to_owned(), authorities.display().to_string()));
        for (name, port) in [("PORT", 8080), ("GRPC_PORT", 8081), ("DEBUG_PORT", 6070)] {
            environment.push((name.to_owned(), ports[&port].to_string()));
        }
        environment.push(("PROMETHEUS_ADDR".to_owned(), format!(":{}", ports[&self.metrics_port()])));
        environment
    }

    /// Replaces volumes and neighbours by their actual paths and addresses.
    fn rewrite(&self, value: &str) -> String {
        for mount in self.deployment.mounts() {
            let below = value.strip_prefix(&mount.path).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            if let Some(rest) = below {
                return format!("{}{rest}", self.volumes[&mount.filled_by].path().display());
            }
        }
        let mut value = value.to_owned();
        for (name, port, address) in &self.neighbours {
            value = value.replace(&format!("{name}:{port}"), &address.to_string());
        }
        value
    }

    /// A directory with the mounts below `RUNTIME_ROOT`.
    fn runtime_root(&self) -> Option<PathBuf> {
        let own = self.directory.path().join("runtime");
        let root =
            self.environment.iter().find(|(name, _)| name == "RUNTIME_ROOT").map(|(_, value)| format!("{value}/"))?;
        for mount in self.deployment.mounts() {
            if let Some(rest) = mount.path.strip_prefix(&root) {
                let link = own.join(rest);
                fs::create_dir_all(link.parent().expect("a parent")).expect("directories");
                symlink(self.volumes[&mount.filled_by].path(), link).expect("a link");
            }
        }
        Some(own)
    }
}
