//! What a turn costs each side: the CPU of all Redis nodes and of all processes of the service, less what they use when
//! idle, and what Redis says about its commands.

use std::time::{Duration, Instant};

use load::{Costs, Meter, Tally};

use crate::{
    cpu::cpu_time,
    error::Error,
    redis::{Account, CommandStats, Connection, Nodes, RedisError},
    sample::Sample,
};

/// Reads everything at the start and at the end of a measured time.
#[derive(Debug)]
pub(crate) struct Observer {
    connections: Vec<Connection>,
    redis: Vec<u32>,
    services: Vec<u32>,
    begun: Option<Reading>,
    ended: Option<Reading>,
    failed: Option<RedisError>,
}

#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    redis: Option<Duration>,
    services: Option<Duration>,
    own: Option<Duration>,
    stats: CommandStats,
}

/// What was used in a measured time.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    time: Duration,
    redis: Option<Duration>,
    services: Option<Duration>,
    own: Option<Duration>,
    stats: CommandStats,
}

impl Observer {
    /// Of these nodes, and these processes of a service.
    pub(crate) async fn new(nodes: &Nodes, services: Vec<u32>) -> Result<Self, RedisError> {
        let connections = nodes.connect().await?;
        Ok(Self { connections, redis: nodes.pids(), services, begun: None, ended: None, failed: None })
    }

    /// What is used in this time, in which nothing happens.
    pub(crate) async fn idle(&mut self, time: Duration) -> Result<Usage, Error> {
        self.read().await;
        tokio::time::sleep(time).await;
        self.read().await;
        self.usage()
    }

    /// What was used between the two latest readings.
    pub(crate) fn usage(&mut self) -> Result<Usage, Error> {
        if let Some(failed) = self.failed.take() {
            return Err(failed.into());
        }
        let (Some(before), Some(after)) = (self.begun.take(), self.ended.take()) else {
            return Err(Error::Interrupted);
        };
        let spent = |after: Option<Duration>, before: Option<Duration>| Some(after?.saturating_sub(before?));
        Ok(Usage {
            time: after.at - before.at,
            redis: spent(after.redis, before.redis),
            services: spent(after.services, before.services),
            own: spent(after.own, before.own),
            stats: after.stats.since(&before.stats),
        })
    }

    async fn stats(&mut self) -> CommandStats {
        let mut all = CommandStats::default();
        for connection in &mut self.connections {
            match connection.command_stats().await {
                Ok(stats) => all.add(&stats),
                Err(error) => self.failed = Some(error),
            }
        }
        all
    }

    async fn cpu(&self) -> Reading {
        let (redis, services) = (sum(&self.redis).await, sum(&self.services).await);
        let own = cpu_time(std::process::id()).await;
        Reading { at: Instant::now(), redis, services, own, stats: CommandStats::default() }
    }
}

async fn sum(processes: &[u32]) -> Option<Duration> {
    let mut all = Duration::ZERO;
    for process in processes {
        all += cpu_time(*process).await?;
    }
    Some(all)
}

impl Meter for Observer {
    async fn read(&mut self) -> Costs {
        // the CPU of the statistics themselves is in neither
        if self.begun.is_none() {
            let stats = self.stats().await;
            self.begun = Some(Reading { stats, ..self.cpu().await });
        } else {
            let reading = self.cpu().await;
            self.ended = Some(Reading { stats: self.stats().await, ..reading });
        }
        Costs::default()
    }
}

impl Usage {
    /// The sample of a turn with this many decisions, given what is used when idle.
    pub(crate) fn sample(&self, tally: &Tally, decisions: u64, idle: &Self) -> Sample {
        let made = decisions as f64;
        let each = |total: f64| (decisions > 0).then(|| total / made);
        let net = |used: Option<Duration>, idle_used: Option<Duration>| {
            let share = self.time.as_secs_f64() / idle.time.as_secs_f64();
            let net = used?.as_secs_f64() - idle_used?.as_secs_f64() * share;
            each(net.max(0.0) * 1e6)
        };
        let Account { calls, micros } = self.stats.account();
        Sample {
            rate: Some(made / self.time.as_secs_f64()),
            server_cpu: net(self.services, idle.services),
            redis_cpu: net(self.redis, idle.redis),
            redis_account: each(micros),
            redis_call: (calls > 0.0).then(|| micros / calls),
            batch: (calls > 0.0).then(|| made / calls),
            generator_cpu: self.own.and_then(|own| each(own.as_secs_f64() * 1e6)),
            ..Sample::of(tally)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(seconds: u64, redis_ms: u64, stats: &str) -> Usage {
        let cpu = Some(Duration::from_millis(redis_ms));
        let stats = CommandStats::parse(stats);
        Usage { time: Duration::from_secs(seconds), redis: cpu, services: None, own: cpu, stats }
    }

    #[test]
    fn what_is_used_when_idle_is_subtracted() {
        let idle = usage(1, 10, "");
        let busy = usage(5, 250, "cmdstat_evalsha:calls=1000,usec=60000\ncmdstat_set:calls=1000,usec=9000");
        let sample = busy.sample(&Tally::default(), 2000, &idle);
        assert_eq!(sample.redis_cpu, Some(100.0), "250 ms less 50, of 2000 decisions");
        assert_eq!((sample.server_cpu, sample.generator_cpu), (None, Some(125.0)));
        assert_eq!((sample.redis_account, sample.redis_call, sample.batch), (Some(30.0), Some(60.0), Some(2.0)));
        assert_eq!(sample.rate, Some(400.0));
        let nothing = busy.sample(&Tally::default(), 0, &idle);
        assert_eq!((nothing.redis_cpu, nothing.redis_account), (None, None));
    }
}
