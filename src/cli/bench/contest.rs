//! Contenders and their turns: servers under the same load, and Redis asked directly.

use std::{num::NonZeroUsize, sync::Arc};

use super::{
    Reason,
    compare::{Sample, Series},
    cost::Meters,
    load::{self, Shared},
    plan::Plan,
    progress::{Line, interrupted},
    request::Requests,
    target::Target,
};
use super::{
    ceiling::redis::{Redis, Way},
    request::Keys,
};

/// One that takes its turn.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) kind: Kind,
}

/// What is measured.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A server under load.
    Server {
        target: Target,
        requests: Requests,
        /// Its process, if it is on this machine.
        pid: Option<u32>,
        /// The Redis behind it, if that is to be measured too.
        redis: Option<Redis>,
    },
    /// A Redis by itself.
    Redis { redis: Redis, way: Way, keys: Keys },
}

impl Contender {
    async fn turn(&self, line: &mut Line, title: &str) -> Result<Sample, Reason> {
        match &self.kind {
            Kind::Server { target, requests, pid, redis } => {
                let shared = Arc::new(Shared::new(self.plan, requests.clone(), target.authority()));
                let mut meters = Meters::of(*pid);
                if let Some(redis) = redis {
                    meters.redis = Some(redis.connect().await?);
                }
                line.begin(title, load::length(&shared));
                let watch = |progress| line.show(progress);
                let measured = load::run(target, &shared, &mut meters, watch, interrupted()?).await?;
                if measured.stopped { Err(Reason::Interrupted) } else { Ok(Sample::from(&measured)) }
            }
            Kind::Redis { redis, way, keys } => {
                let mut meters = Meters { redis: Some(redis.connect().await?), ..Meters::default() };
                line.say(title);
                tokio::select! {
                    sample = way.measure(redis, *keys, &self.plan, &mut meters) => Ok(sample?),
                    () = interrupted()? => Err(Reason::Interrupted),
                }
            }
        }
    }
}

/// So many rounds, in each of which every contender has its turn.
pub(super) async fn rounds(count: NonZeroUsize, contenders: &[Contender], what: &str) -> Result<Vec<Series>, Reason> {
    let mut line = Line::new();
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
