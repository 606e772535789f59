//! Background tasks and HTTP listeners: what runs outside the gRPC workers. Each is owned here and ends with the drain.

use std::{future::Future, sync::Arc};

use axum::Router;
use metrics::{Collect, Families};
use tokio::{runtime::RuntimeMetrics, sync::watch, task::JoinSet};

use crate::server::{self, HttpLimits, Listener};
use tls::ServerTls;

/// The background tasks and HTTP listeners of the process.
pub(super) struct Background {
    /// Becomes true when the listeners are to shut down.
    stop: watch::Sender<bool>,
    /// Shut down gracefully once `stop` is true.
    listeners: JoinSet<()>,
    /// Aborted by [`Background::end`].
    loops: JoinSet<()>,
}

impl Background {
    pub(super) fn new() -> Self {
        Self { stop: watch::Sender::new(false), listeners: JoinSet::new(), loops: JoinSet::new() }
    }

    /// Serves HTTP on `listener` until [`Background::end`].
    pub(super) fn serve(&mut self, listener: Listener, tls: Option<Arc<ServerTls>>, router: Router) {
        let mut stop = self.stop.subscribe();
        let stopped = async move {
            // an error means that `Background` was dropped, which also stops the listener
            let _ = stop.wait_for(|stop| *stop).await;
        };
        self.listeners.spawn(server::serve_http(listener, tls, router, HttpLimits::default(), stopped));
    }

    /// Runs a task that may be cancelled at any await.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(task);
    }

    /// Reloads the TLS files of these listeners when they change.
    pub(super) fn watch(&mut self, listeners: Vec<Arc<ServerTls>>) {
        if !listeners.is_empty() {
            self.spawn(tls::watch(listeners));
        }
    }

    /// Resolves when a task has panicked: before [`Background::end`], a task ends for no other reason.
    pub(super) async fn failed(&mut self) {
        tokio::select! {
            Some(_) = self.listeners.join_next() => {}
            Some(_) = self.loops.join_next() => {}
            else => std::future::pending().await,
        }
    }

    /// Aborts the tasks and shuts down the listeners. HTTP requests in flight may finish within [`HttpLimits::drain`].
    pub(super) async fn end(mut self) {
        self.loops.shutdown().await;
        self.stop.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

/// Exports how many tasks the background runtime has. The workers' runtimes export theirs.
pub(super) struct BackgroundTasks(pub(super) RuntimeMetrics);

impl Collect for BackgroundTasks {
    fn collect(&self, families: &mut Families) {
        families.add(&server::TASKS, &["background"], self.0.num_alive_tasks() as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::runtime::Handle;

    use super::*;

    #[tokio::test]
    async fn tasks_that_have_not_ended_are_exported() {
        let _tasks: Vec<_> = (0..3).map(|_| tokio::spawn(pending::<()>())).collect();
        let tasks = BackgroundTasks(Handle::current().metrics());
        assert_eq!(metrics::series(&tasks), [r#"tollgate_tasks{runtime="background"} 3"#]);
    }
}
