//! Certificates by their dates, matching keys, and the permissions of key files.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use tempfile::TempDir;

use crate::doctor::run::{Doctor, Ran};
use testkit::certificates::{Authority, Leaf, Pem};

struct Files {
    folder: TempDir,
    ca: Authority,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), ca: Authority::new("ca") }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }

    /// Sets this certificate for the gRPC port.
    fn serving(&self, pem: &Pem, key_mode: u32) -> Doctor {
        Doctor::new()
            .env("GRPC_SERVER_USE_TLS", "true")
            .env("GRPC_SERVER_TLS_CERT", self.write("server.crt", &pem.certificate, 0o644))
            .env("GRPC_SERVER_TLS_KEY", self.write("server.key", &pem.key, key_mode))
    }

    fn leaf(&self, since_days: u32, days: u32) -> Pem {
        self.ca.issue(Leaf { names: "DNS:localhost", since_days, days })
    }
}

pub fn good() -> Ran {
    let files = Files::new();
    let ca = files.write("ca.crt", &files.leaf(0, 400).certificate, 0o644);
    files.serving(&files.leaf(0, 400), 0o600).env("GRPC_CLIENT_TLS_CACERT", ca).run()
}

pub fn soon() -> Ran {
    let files = Files::new();
    files.serving(&files.leaf(0, 13), 0o600).run()
}

pub fn expired() -> Ran {
    let files = Files::new();
    files.serving(&files.leaf(5, 2), 0o600).run()
}

pub fn not_yet() -> Ran {
    let files = Files::new();
    files.serving(&files.leaf(0, 400), 0o600).clock("-3d").run()
}

pub fn of_another_key() -> Ran {
    let files = Files::new();
    let pem = Pem { key: files.leaf(0, 400).key, ..files.leaf(0, 400) };
    files.serving(&pem, 0o600).run()
}

pub fn missing() -> Ran {
    let files = Files::new();
    files.serving(&files.leaf(0, 400), 0o600).env("GRPC_SERVER_TLS_CERT", "/nowhere/tls.crt").run()
}

pub fn key_for_all() -> Ran {
    let files = Files::new();
    files.serving(&files.leaf(0, 400), 0o644).run()
}

/// A certificate for an xDS server that does not exist.
pub fn of_clients() -> Ran {
    let files = Files::new();
    let (expired, good) = (files.leaf(5, 2), files.leaf(0, 400));
    Doctor::new()
        .env("CONFIG_TYPE", "GRPC_XDS_SOTW")
        .without("RULES")
        .env("CONFIG_GRPC_XDS_SERVER_URL", format!("localhost:{}", testkit::ports::free_port()))
        .env("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true")
        .env("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", files.write("x.crt", &expired.certificate, 0o644))
        .env("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", files.write("x.key", &expired.key, 0o600))
        .env("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", files.write("ca.crt", &good.certificate, 0o644))
        .run()
}

#[test]
fn dates_and_pairs_are_checked() {
    let good = good();
    good.says(0, "grpc certificate", "ok", &["it is valid until 20"]);
    good.says(0, "client authorities", "ok", &["/ca.crt is valid until 20"]);
    soon().says(0, "grpc certificate", "warn", &["expires on 20", "in 12 days: renew it"]);
    expired().says(1, "grpc certificate", "fail", &["expired on 20", "put one there that is valid"]);
    not_yet().says(0, "grpc certificate", "warn", &["is not valid before 20", "set this machine's clock"]);
    of_another_key().says(1, "grpc certificate", "fail", &["give the two that belong together"]);
    missing().says(1, "grpc certificate", "fail", &["/nowhere/tls.crt", "(GRPC_SERVER_TLS_CERT,"]);
    let clients = of_clients();
    clients.says(1, "xds certificate", "fail", &["/x.crt expired on 20"]);
    clients.says(1, "xds authorities", "ok", &["/ca.crt is valid until 20"]);
}

#[test]
fn a_key_that_all_may_read_is_a_warning() {
    key_for_all().says(0, "key file", "warn", &["/server.key can be read by every user (mode 0644): chmod o-r"]);
    assert!(!good().stdout.contains("key file"));
}
