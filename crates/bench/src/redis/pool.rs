//! The connections of one worker of a service: each decision takes one for its round trip.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::Semaphore, time::timeout};

use super::{Connection, PATIENCE, RedisError, drive::Batch, nodes};

/// Connections of a worker to each node: with two workers, the reference's default of ten.
const CONNECTIONS: usize = 5;

/// Connections to all nodes, opened at their first use.
#[derive(Debug)]
pub(crate) struct Pool {
    addresses: Vec<SocketAddr>,
    /// Each has one connection to each node.
    idle: Mutex<Vec<Vec<Connection>>>,
    free: Semaphore,
}

impl Pool {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, idle: Mutex::default(), free: Semaphore::new(CONNECTIONS) }
    }

    /// Sends commands that `fill` adds, and waits for their replies.
    pub(crate) async fn call(&self, fill: impl FnOnce(&mut Batch)) -> Result<(), RedisError> {
        let mut batch = Batch::of(self.addresses.len());
        fill(&mut batch);
        let _permit = self.free.acquire().await.map_err(|_| RedisError::Thread)?;
        let idle = self.idle().pop();
        let mut connections = match idle {
            Some(connections) => connections,
            None => nodes::connect(&self.addresses).await?,
        };
        timeout(PATIENCE, batch.exchange(&mut connections)).await.map_err(|_| RedisError::Silent)??;
        self.idle().push(connections);
        Ok(())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
