//! The ports that the service listens on: free, or in use by a running service or by another process.

use std::{io, os::unix::fs::FileTypeExt as _, path::Path, sync::Arc};

use tokio::net::UnixStream;

use super::{Check, finding::Finding};
use crate::{
    app::{self, Config},
    cli::health,
    server::{HostPort, Listen},
};

const RUNS: &str = "nothing is wrong if that is this service, already running here";

pub(super) fn check(config: &Arc<Config>) -> Check {
    let config = Arc::clone(config);
    Check::new("ports", async move { inspect(&config).await })
}

async fn inspect(config: &Config) -> Vec<Finding> {
    let mut ports = vec![
        tcp("http port", "HOST, PORT", &config.http.address).await,
        tcp("debug port", "DEBUG_HOST, DEBUG_PORT", &config.debug).await.optional(),
    ];
    ports.insert(
        0,
        match &config.grpc.listen {
            Listen::Tcp(at) => tcp("grpc port", "GRPC_HOST, GRPC_PORT", at).await,
            Listen::Unix(path) => unix("grpc socket", path).await,
        },
    );
    if let Some(metrics) = &config.metrics {
        ports.push(tcp("metrics port", "PROMETHEUS_ADDR", &metrics.address).await.optional());
    }
    let any_in_use = ports.iter().any(|port| matches!(port.state, State::InUse(_)));
    let runs = any_in_use && health::answers(&config.http).await;
    ports.into_iter().map(|port| port.finding(runs)).collect()
}

struct Port {
    name: &'static str,
    at: String,
    state: State,
    /// Whether the service does not start without the port.
    required: bool,
}

enum State {
    Free,
    /// Another process has the port.
    InUse(String),
    /// The port cannot be bound for another reason.
    Unusable(String),
}

impl Port {
    /// The service starts without the port if it cannot be bound.
    fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// `runs`: whether a service answers at the HTTP port of these settings.
    fn finding(self, runs: bool) -> Finding {
        let Self { name, at, state, required } = self;
        match state {
            State::Free if at.ends_with(":0") => Finding::ok(name, format!("{at} means any free port")),
            State::Free => Finding::ok(name, format!("{at} is free")),
            State::InUse(_) if runs => {
                Finding::warn(name, format!("{at} is in use, and a service answers at the HTTP port of these settings"))
                    .cure(RUNS)
            }
            State::InUse(reason) | State::Unusable(reason) if required => Finding::fail(name, reason),
            State::InUse(reason) | State::Unusable(reason) => {
                Finding::warn(name, format!("{reason}; the service starts without it"))
            }
        }
    }
}

async fn tcp(name: &'static str, setting: &str, at: &HostPort) -> Port {
    let state = match app::try_bind(at).await {
        Ok(()) => State::Free,
        Err(error) => {
            let reason = format!("{error} ({setting})");
            if error.is_taken() { State::InUse(reason) } else { State::Unusable(reason) }
        }
    };
    Port { name, at: at.to_string(), state, required: true }
}

/// Inspects the path of a Unix socket without creating it. The service replaces a socket file that no process serves.
async fn unix(name: &'static str, path: &Path) -> Port {
    let at = path.display().to_string();
    let unusable = |reason: &str| State::Unusable(format!("{at} {reason} (GRPC_UDS)"));
    let state = match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => State::Free,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                unusable("belongs to another user: remove it, or set another path")
            }
            _ => State::InUse(format!("{at} is served by another process: stop it, or set another path (GRPC_UDS)")),
        },
        Ok(_) => unusable("is a file that is not a socket: remove it, or set another path"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
                Ok(()) => State::Free,
                Err(error) => unusable(&format!(
                    "cannot be created ({error}): the directory must exist and be writable for this user"
                )),
            }
        }
        Err(error) => unusable(&format!("cannot be inspected ({error})")),
    };
    Port { name, at, state, required: true }
}
