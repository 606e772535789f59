//! The tasks beside the request path: each is owned here and ends when the process drains.

use std::{future::Future, sync::Arc};

use axum::Router;
use metrics::{Collect, Families};
use tokio::{runtime::RuntimeMetrics, sync::watch, task::JoinSet};

use crate::server::{self, HttpLimits, Listener};
use tls::ServerTls;

/// The tasks, and the signal that ends them.
pub(super) struct Background {
    stop: watch::Sender<bool>,
    /// End by themselves once `stop` is set.
    listeners: JoinSet<()>,
    /// Are dropped at the end.
    loops: JoinSet<()>,
}

impl Background {
    pub(super) fn new() -> Self {
        Self { stop: watch::Sender::new(false), listeners: JoinSet::new(), loops: JoinSet::new() }
    }

    /// Serves HTTP until the end.
    pub(super) fn serve(&mut self, listener: Listener, tls: Option<Arc<ServerTls>>, router: Router) {
        let mut stop = self.stop.subscribe();
        let stopped = async move {
            // an error means that the owner is gone, which is as good a reason to stop
            let _ = stop.wait_for(|stop| *stop).await;
        };
        self.listeners.spawn(server::serve_http(listener, tls, router, HttpLimits::default(), stopped));
    }

    /// Runs a task that may be dropped at any await.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(task);
    }

    /// Puts new certificates in force.
    pub(super) fn watch(&mut self, listeners: Vec<Arc<ServerTls>>) {
        if !listeners.is_empty() {
            self.spawn(tls::watch(listeners));
        }
    }

    /// Waits until a task has panicked: none of them ends by itself.
    pub(super) async fn failed(&mut self) {
        tokio::select! {
            Some(_) = self.listeners.join_next() => {}
            Some(_) = self.loops.join_next() => {}
            else => std::future::pending().await,
        }
    }

    /// Ends them all; requests in flight finish within their limits.
    pub(super) async fn end(mut self) {
        self.loops.shutdown().await;
        self.stop.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

/// The tasks of the runtime that serves no calls.
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
