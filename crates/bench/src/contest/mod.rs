//! Compares several servers under the same load in one run. They take turns, round after round, so that other load on
//! the machine affects all of them equally.

pub(crate) mod report;

use std::num::NonZeroUsize;

use load::{Line, ProcessMeter, Scenario, interrupted};

use crate::{
    error::Error,
    meter::WithRedis,
    redis::Redis,
    sample::{Sample, Series},
};

/// A server that is put under load once per round.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) scenario: Box<Scenario>,
    /// The server's process id, if it runs on this machine.
    pub(crate) pid: Option<u32>,
    /// The Redis behind the server, if its CPU time is to be measured too.
    pub(crate) redis: Option<Redis>,
}

impl Contender {
    async fn turn(&self, line: &mut Line, title: &str) -> Result<Sample, Error> {
        let redis = match &self.redis {
            Some(redis) => Some(redis.connect().await?),
            None => None,
        };
        let mut meter = WithRedis { processes: ProcessMeter { server: self.pid }, redis };
        line.begin(title, self.scenario.duration());
        let measured = self.scenario.run(&mut meter, |progress| line.show(progress), interrupted()?).await?;
        if measured.stopped { Err(Error::Interrupted) } else { Ok(Sample::from(&measured)) }
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
