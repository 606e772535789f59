//! Compares several contenders in one run: servers under the same load, and Redis called directly. They take turns,
//! round after round, so that other load on the machine affects all of them equally.

pub(crate) mod report;

use std::num::NonZeroUsize;

use load::{Config, Keys, Line, ProcessMeter, Scenario, interrupted};

use crate::{
    error::Error,
    meter::WithRedis,
    redis::{Protocol, Redis},
    sample::{Sample, Series},
};

/// A server or Redis that is measured once per round.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a contender is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A server under load.
    Server {
        scenario: Box<Scenario>,
        /// The server's process id, if it runs on this machine.
        pid: Option<u32>,
        /// The Redis behind the server, if its CPU time is to be measured too.
        redis: Option<Redis>,
    },
    /// A Redis that is called directly.
    Redis { redis: Redis, protocol: Protocol, keys: Keys, config: Config },
}

impl Contender {
    /// How load is made on this contender.
    pub(crate) fn config(&self) -> &Config {
        match &self.kind {
            Kind::Server { scenario, .. } => &scenario.config,
            Kind::Redis { config, .. } => config,
        }
    }

    async fn turn(&self, line: &mut Line, title: &str) -> Result<Sample, Error> {
        match &self.kind {
            Kind::Server { scenario, pid, redis } => {
                let redis = match redis {
                    Some(redis) => Some(redis.connect().await?),
                    None => None,
                };
                let mut meter = WithRedis { processes: ProcessMeter { server: *pid }, redis };
                line.begin(title, scenario.duration());
                let measured = scenario.run(&mut meter, |progress| line.show(progress), interrupted()?).await?;
                if measured.stopped { Err(Error::Interrupted) } else { Ok(Sample::from(&measured)) }
            }
            Kind::Redis { redis, protocol, keys, config } => {
                let mut meter = WithRedis { processes: ProcessMeter::default(), redis: Some(redis.connect().await?) };
                line.say(title);
                tokio::select! {
                    sample = protocol.measure(redis, *keys, config, &mut meter) => Ok(sample?),
                    () = interrupted()? => Err(Error::Interrupted),
                }
            }
        }
    }
}

/// Runs `count` rounds; in each, every contender is measured once.
pub(crate) async fn rounds(count: NonZeroUsize, contenders: &[Contender], what: &str) -> Result<Vec<Series>, Error> {
    let mut line = Line::default();
    let mut all: Vec<Series> = contenders.iter().map(|one| Series::new(&one.name)).collect();
    for round in 1..=count.get() {
        for (contender, series) in contenders.iter().zip(&mut all) {
            let title = format!("{what}round {round} of {count}, {}", contender.name);
            let turn = contender.turn(&mut line, &title).await;
            line.clear();
            series.samples.push(turn?);
        }
    }
    Ok(all)
}
