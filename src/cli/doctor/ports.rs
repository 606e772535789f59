//! The ports that the service listens at: free, or taken by a service that runs already, or by another process.

use std::{io, os::unix::fs::FileTypeExt as _, path::Path, sync::Arc};

use tokio::net::UnixStream;

use super::{Check, finding::Finding};
use crate::{
    app::{self, Config},
    cli::health,
    server::{HostPort, Listen},
};

const RUNS: &str = "nothing is wrong, if that is this service, which runs here already";

pub(super) fn check(config: &Arc<Config>) -> Check {
    let config = Arc::clone(config);
    Check::new("ports", async move { look(&config).await })
}

async fn look(config: &Config) -> Vec<Finding> {
    let mut ports = vec![
        tcp("http port", "HOST, PORT", &config.http.address).await,
        tcp("debug port", "DEBUG_HOST, DEBUG_PORT", &config.debug).await.dispensable(),
    ];
    ports.insert(
        0,
        match &config.grpc.listen {
            Listen::Tcp(at) => tcp("grpc port", "GRPC_HOST, GRPC_PORT", at).await,
            Listen::Unix(path) => unix("grpc socket", path).await,
        },
    );
    if let Some(metrics) = &config.metrics {
        ports.push(tcp("metrics port", "PROMETHEUS_ADDR", &metrics.address).await.dispensable());
    }
    let any_is_taken = ports.iter().any(|port| matches!(port.state, State::Taken(_)));
    let runs = any_is_taken && health::answers(&config.http).await;
    ports.into_iter().map(|port| port.finding(runs)).collect()
}

struct Port {
    name: &'static str,
    at: String,
    state: State,
    /// Whether the service does not start without it.
    needed: bool,
}

enum State {
    Free,
    /// Another process has it.
    Taken(String),
    /// It cannot be bound for another reason.
    Unusable(String),
}

impl Port {
    /// The service starts without it if need be.
    fn dispensable(self) -> Self {
        Self { needed: false, ..self }
    }

    /// `runs`: a service answers here already.
    fn finding(self, runs: bool) -> Finding {
        let Self { name, at, state, needed } = self;
        match state {
            State::Free if at.ends_with(":0") => Finding::ok(name, format!("{at} is any port that is free")),
            State::Free => Finding::ok(name, format!("{at} is free")),
            State::Taken(_) if runs => {
                Finding::warn(name, format!("{at} is in use, and a service answers at the HTTP port of these settings"))
                    .cure(RUNS)
            }
            State::Taken(reason) | State::Unusable(reason) if needed => Finding::fail(name, reason),
            State::Taken(reason) | State::Unusable(reason) => {
                Finding::warn(name, format!("{reason}; the service does without it"))
            }
        }
    }
}

async fn tcp(name: &'static str, setting: &str, at: &HostPort) -> Port {
    let state = match app::try_bind(at).await {
        Ok(()) => State::Free,
        Err(error) => {
            let reason = format!("{error} ({setting})");
            if error.is_taken() { State::Taken(reason) } else { State::Unusable(reason) }
        }
    };
    Port { name, at: at.to_string(), state, needed: true }
}

/// The file of a socket that no process serves is replaced at the start; none is created here.
async fn unix(name: &'static str, path: &Path) -> Port {
    let at = path.display().to_string();
    let unusable = |reason: &str| State::Unusable(format!("{at} {reason} (GRPC_UDS)"));
    let state = match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => State::Free,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                unusable("belongs to somebody else: remove it, or set another path")
            }
            _ => State::Taken(format!("{at} is served by another process: stop it, or set another path (GRPC_UDS)")),
        },
        Ok(_) => unusable("is a file that is no socket: remove it, or set another path"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
                Ok(()) => State::Free,
                Err(error) => unusable(&format!(
                    "cannot be made ({error}): the folder must exist, and this user be allowed to write there"
                )),
            }
        }
        Err(error) => unusable(&format!("cannot be looked at ({error})")),
    };
    Port { name, at, state, needed: true }
}
