//! Certificates for tests, made by openssl.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pem {
    pub certificate: String,
    pub key: String,
}

/// A certificate authority.
pub struct Authority {
    directory: TempDir,
    pub pem: Pem,
}

/// The parameters of a certificate.
#[derive(Clone, Copy)]
pub struct Leaf<'a> {
    /// The subject alternative names in openssl's format: `DNS:envoy.example,IP:127.0.0.1`.
    pub names: &'a str,
    /// How many days ago its validity began.
    pub since_days: u32,
    /// For how many days it is valid in all.
    pub days: u32,
}

impl<'a> Leaf<'a> {
    /// A certificate that is valid now, for a day or two.
    pub fn of(names: &'a str) -> Self {
        Self { names, since_days: 0, days: 2 }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let pem = make(directory.path(), "ca", 0, &format!("-days 2 -subj /CN={name}"));
        Self { directory, pem }
    }

    pub fn issue(&self, Leaf { names, since_days, days }: Leaf<'_>) -> Pem {
        let options = format!(
            "-days {days} -subj /CN=leaf -CA ca.crt -CAkey ca.key -addext basicConstraints=CA:FALSE \
             -addext subjectAltName={names}"
        );
        make(self.directory.path(), "leaf", since_days, &options)
    }

    /// A certificate that is valid now.
    pub fn certificate(&self, names: &str) -> Pem {
        self.issue(Leaf::of(names))
    }
}

/// A self-signed certificate with CA:TRUE, as `openssl req -x509` makes it by default and the reference's Makefile
/// does.
pub fn selfsigned(names: &str) -> Pem {
    let directory = tempfile::tempdir().expect("a directory");
    make(directory.path(), "own", 0, &format!("-days 2 -subj /O=Dis/CN=localhost -addext subjectAltName={names}"))
}

/// Files `NAME.crt` and `NAME.key` of two authorities, and of a server and a client of the first.
pub fn certificates(server: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (server, client) = (ca.certificate(server), ca.certificate("DNS:client"));
    for (name, pem) in [("ca", &ca.pem), ("other", &other.pem), ("server", &server), ("client", &client)] {
        fs::write(directory.path().join(format!("{name}.crt")), &pem.certificate).expect("a file");
        fs::write(directory.path().join(format!("{name}.key")), &pem.key).expect("a file");
    }
    directory
}

/// Runs openssl with the clock set back by some days.
fn make(directory: &Path, name: &str, days_ago: u32, options: &str) -> Pem {
    let mut command = Command::new(if days_ago == 0 { "openssl" } else { "faketime" });
    if days_ago > 0 {
        command.args(["-f", &format!("-{days_ago}d"), "openssl"]);
    }
    let key = format!("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.crt");
    command.args(["req", "-x509"]).args(key.split(' ')).args(options.split(' '));
    command.current_dir(directory);
    // faketime names a semaphore by its process id, and a process with the same id may have left one behind
    let is_taken = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).contains("sem_open");
    let mut output = command.output().expect("openssl");
    for _ in 0..10 {
        if !is_taken(&output) {
            break;
        }
        output = command.output().expect("openssl");
    }
    assert!(output.status.success(), "openssl {options}: {}", String::from_utf8_lossy(&output.stderr));
    let read = |ending: &str| fs::read_to_string(directory.join(format!("{name}.{ending}"))).expect("openssl wrote it");
    Pem { certificate: read("crt"), key: read("key") }
}
