//! One turn of a contender: a fresh Redis, its processes, and the load.

use std::{
    ffi::OsString,
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use futures_util::future::try_join_all;
use load::{Config, Costs, Meter, Pace, Requests, Tally, Until};
use tokio::time::sleep;

use super::{
    contender::{Contender, Service},
    scenario::{DOMAIN, Rate, Scenario, WINDOW, rules},
};
use crate::{
    error::Error,
    folder::Folder,
    observer::Observer,
    process::{self, Server},
    redis::{Commands, Drive, Nodes, Reference},
    sample::Sample,
};

/// Between the start of the processes and the idle time: their other connections are opened.
const SETTLE: Duration = Duration::from_millis(500);
/// The time in which the cost of an idle fleet is measured.
const IDLE: Duration = Duration::from_secs(1);
/// Connections to each process at full load, at least.
const FULL_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");
/// Deadline of the calls to Redis: on a busy machine a failure would look like an answer that cost nothing.
const REDIS_TIMEOUT: &str = "2s";

/// How each turn is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) redis_server: PathBuf,
    pub(super) duration: Duration,
    pub(super) warm_up: Duration,
    /// Connections to each process, and of each client to each node.
    pub(super) connections: NonZeroUsize,
    pub(super) streams: NonZeroUsize,
}

impl Plan {
    /// Measures a contender once.
    pub(super) async fn turn(&self, contender: &Contender, scenario: &Scenario, seed: u64) -> Result<Sample, Error> {
        let nodes = Nodes::start(&self.redis_server, scenario.redis).await?;
        let fleet = match contender {
            Contender::Service(service) => Fleet::start(service, &nodes, scenario.processes).await?,
            Contender::BareService => Fleet::bare(&nodes, scenario.processes)?,
            Contender::Clients => return self.clients(&nodes, scenario, seed).await,
        };
        let mut observer = Observer::new(&nodes, fleet.processes.iter().map(Server::pid).collect()).await?;
        sleep(SETTLE).await;
        let idle = observer.idle(IDLE).await?;
        if let Contender::Service(_) = contender {
            next_window().await;
        }
        let tally = self.load(&fleet, scenario, seed, &mut observer).await?;
        let sample = observer.usage()?.sample(&tally, tally.arrived, &idle);
        Ok(if *contender == Contender::BareService { of_plain_commands(sample) } else { sample })
    }

    async fn clients(&self, nodes: &Nodes, scenario: &Scenario, seed: u64) -> Result<Sample, Error> {
        let mut observer = Observer::new(nodes, Vec::new()).await?;
        let idle = observer.idle(IDLE).await?;
        let drive = Drive {
            clients: scenario.processes.get(),
            connections: self.connections(scenario).get(),
            pace: pace(scenario.rate),
            warm_up: self.warm_up,
            duration: self.duration,
            seed,
        };
        let (keys, descriptors) = (scenario.keys, scenario.descriptors.get());
        let source = move |nth: usize| {
            Reference::new(keys, seed.wrapping_add(nth as u64), 1, descriptors, Commands::IncrbyExpire)
        };
        let tally = drive.run(&nodes.addresses(), &mut observer, source).await?;
        let sample = observer.usage()?.sample(&tally, tally.arrived, &idle);
        // the clients are threads of this process
        Ok(Sample { server_cpu: None, ..of_plain_commands(sample) })
    }

    fn connections(&self, scenario: &Scenario) -> NonZeroUsize {
        match scenario.rate {
            Rate::Fixed(_) => self.connections,
            Rate::Max => self.connections.max(FULL_CONNECTIONS),
        }
    }

    /// Loads all processes at the same time.
    async fn load(
        &self,
        fleet: &Fleet,
        scenario: &Scenario,
        seed: u64,
        observer: &mut Observer,
    ) -> Result<Tally, Error> {
        let requests = Requests::new(DOMAIN, &scenario.request(), scenario.descriptors, scenario.keys, None)?;
        let connections = self.connections(scenario);
        let load = |number: usize| {
            let config = Config {
                connections,
                streams: self.streams,
                threads: NonZeroUsize::MIN,
                pace: pace(scenario.rate),
                until: Until::Elapsed(self.duration),
                warm_up: self.warm_up,
                timeout: Duration::from_secs(10),
                seed: seed.wrapping_add((number * connections.get()) as u64),
            };
            load::Scenario { target: fleet.processes[number].address.into(), requests: requests.clone(), config }
        };
        let run =
            async |number: usize, meter: &mut OneOf<'_>| load(number).run(meter, |_| (), std::future::pending()).await;
        // the windows of all processes begin within milliseconds: one of them reads the meter
        let mut meters: Vec<_> = fleet.processes.iter().map(|_| OneOf::Others).collect();
        meters[0] = OneOf::First(observer);
        let runs = meters.iter_mut().enumerate().map(|(number, meter)| run(number, meter));
        let all = try_join_all(runs).await?;
        let mut tally = Tally::default();
        all.iter().for_each(|measured| tally.add(&measured.tally));
        Ok(tally)
    }
}

/// The commands of a decision are one call.
fn of_plain_commands(sample: Sample) -> Sample {
    Sample { batch: Some(1.0), redis_call: sample.redis_account, ..sample }
}

/// Waits for the next window of the limits. In one that began before the processes knew the Redis, they import counters
/// of a former release, which a fleet does for a moment of its life.
async fn next_window() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let window = Duration::from_secs(WINDOW.into());
    let left = window.as_nanos() - now.as_nanos() % window.as_nanos();
    sleep(Duration::from_nanos(left as u64)).await;
}

const fn pace(rate: Rate) -> Pace {
    match rate {
        Rate::Fixed(rate) => Pace::Scattered(rate),
        Rate::Max => Pace::Answers,
    }
}

/// The meter of one of several processes that are loaded at the same time.
enum OneOf<'a> {
    First(&'a mut Observer),
    Others,
}

impl Meter for OneOf<'_> {
    async fn read(&mut self) -> Costs {
        match self {
            Self::First(observer) => observer.read().await,
            Self::Others => Costs::default(),
        }
    }
}

/// Processes of the service that share a Redis. They are stopped when this is dropped.
struct Fleet {
    processes: Vec<Server>,
    _rules: Option<Folder>,
}

impl Fleet {
    /// Starts the processes, and waits until all are ready.
    async fn start(service: &Service, nodes: &Nodes, processes: NonZeroUsize) -> Result<Self, Error> {
        let folder = Folder::create().map_err(Error::Rules)?;
        fs::write(folder.path().join("rules.yaml"), rules()).map_err(Error::Rules)?;
        let mut env: Vec<(&str, OsString)> = vec![
            ("RULES", folder.path().into()),
            ("REDIS_URL", nodes.url().into()),
            ("REDIS_TIMEOUT", REDIS_TIMEOUT.into()),
        ];
        env.extend(service.env.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let start = |_| process::tollgate(&service.program, &env);
        let processes = (0..processes.get()).map(start).collect::<Result<Vec<_>, _>>()?;
        for process in &processes {
            process.ready().await?;
        }
        Ok(Self { processes, _rules: Some(folder) })
    }

    /// Starts processes of the bare server, which count by plain commands.
    fn bare(nodes: &Nodes, processes: NonZeroUsize) -> Result<Self, Error> {
        let start = |_| process::bare(&nodes.addresses());
        Ok(Self { processes: (0..processes.get()).map(start).collect::<Result<_, _>>()?, _rules: None })
    }
}
