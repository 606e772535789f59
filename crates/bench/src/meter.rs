//! The CPU meter of a contest: for processes on this machine, and for a Redis anywhere.

use load::{Costs, Meter, ProcessMeter};

use crate::redis::Connection;

/// Reads the CPU time of processes from the system, and that of a Redis from its own statistics.
#[derive(Debug)]
pub(crate) struct WithRedis {
    pub(crate) processes: ProcessMeter,
    pub(crate) redis: Option<Connection>,
}

impl Meter for WithRedis {
    async fn read(&mut self) -> Costs {
        let redis = match &mut self.redis {
            Some(redis) => redis.cpu_time().await.ok(),
            None => None,
        };
        Costs { redis, ..self.processes.read().await }
    }
}
