//! Clients that call Redis directly: one thread each, as processes would have it, with connections that have one call
//! in flight.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use load::{Alarm, Meter, Pace, Schedule, Tally};
use tokio::{
    runtime,
    sync::mpsc,
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::{Connection, PATIENCE, RedisError, connection::push_command, nodes};

/// The time in which all clients connect.
const LEAD: Duration = Duration::from_millis(300);

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drive {
    pub(crate) clients: usize,
    /// Connections of each client to each node.
    pub(crate) connections: usize,
    /// When a call of a client is due.
    pub(crate) pace: Pace,
    /// Calls in this time at the start are not counted.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
}

/// Makes the calls of one connection.
pub(crate) trait Source: Send + 'static {
    /// Adds the commands of the next call.
    fn next(&mut self, batch: &mut Batch);
}

/// The commands of a call, by node.
#[derive(Clone, Debug)]
pub(crate) struct Batch(Vec<(Vec<u8>, usize)>);

impl Batch {
    pub(super) fn of(nodes: usize) -> Self {
        Self(vec![Default::default(); nodes])
    }

    /// Adds a command for the node that owns this key.
    pub(crate) fn push(&mut self, key: &[u8], words: &[impl AsRef<[u8]>]) {
        let node = if self.0.len() == 1 { 0 } else { nodes::owner(super::slot::of(key), self.0.len()) };
        let (bytes, replies) = &mut self.0[node];
        push_command(bytes, words);
        *replies += 1;
    }

    /// Sends all commands, and waits for all replies.
    pub(super) async fn exchange(&self, connections: &mut [Connection]) -> Result<(), RedisError> {
        for (connection, (bytes, replies)) in connections.iter_mut().zip(&self.0) {
            if *replies > 0 {
                connection.send(bytes).await?;
            }
        }
        for (connection, (_, replies)) in connections.iter_mut().zip(&self.0) {
            connection.receive(*replies).await?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<&[u8]> {
        self.0.iter().map(|(bytes, _)| bytes.as_slice()).collect()
    }

    fn clear(&mut self) {
        for (bytes, replies) in &mut self.0 {
            bytes.clear();
            *replies = 0;
        }
    }
}

/// When calls start, when they begin to count, and when they end.
#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    measured: Instant,
    end: Instant,
}

impl Drive {
    /// Makes calls on these nodes, of the source that `source` returns for the number of a connection. The meter is
    /// read at the start and at the end of the measured time.
    ///
    /// Calls that were due and could not be made are in `made` alone.
    pub(crate) async fn run<S: Source>(
        &self,
        addresses: &[SocketAddr],
        meter: &mut impl Meter,
        source: impl Fn(usize) -> S + Clone + Send + 'static,
    ) -> Result<Tally, RedisError> {
        let start = Instant::now() + LEAD;
        let measured = start + self.warm_up;
        let window = Window { start, measured, end: measured + self.duration };
        let (sender, mut results) = mpsc::channel(self.clients);
        for number in 0..self.clients {
            let client = Client { number, drive: *self, window, addresses: addresses.to_vec() };
            let (sender, source) = (sender.clone(), source.clone());
            let work = move || {
                let done = match runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime.block_on(client.run(source)),
                    Err(error) => Err(error.into()),
                };
                // the measurement has ended already if another client has failed
                let _ = sender.blocking_send(done);
            };
            thread::Builder::new().name(format!("client-{number}")).spawn(work).map_err(RedisError::Network)?;
        }
        drop(sender);
        sleep_until(window.measured.into()).await;
        meter.read().await;
        sleep_until(window.end.into()).await;
        meter.read().await;
        let mut all = Tally::default();
        for _ in 0..self.clients {
            let done = timeout(PATIENCE, results.recv()).await.map_err(|_| RedisError::Silent)?;
            all.add(&done.ok_or(RedisError::Thread)??);
        }
        Ok(all)
    }
}

struct Client {
    number: usize,
    drive: Drive,
    window: Window,
    addresses: Vec<SocketAddr>,
}

impl Client {
    async fn run<S: Source>(self, source: impl Fn(usize) -> S) -> Result<Tally, RedisError> {
        let Drive { connections, pace, warm_up, duration, seed, .. } = self.drive;
        let mut tasks = JoinSet::new();
        for nth in 0..connections {
            let number = self.number * connections + nth;
            let schedule = |rate| Schedule::new(rate, nth, connections, Schedule::count_in(rate, warm_up + duration));
            let schedule = match pace {
                Pace::Answers => None,
                Pace::Rate(rate) => Some(schedule(rate)),
                Pace::Scattered(rate) => Some(schedule(rate).scattered(seed.wrapping_add(self.number as u64))),
            };
            let connections = nodes::connect(&self.addresses).await?;
            tasks.spawn(Worker { connections, source: source(number), schedule, window: self.window }.run());
        }
        let mut all = Tally::default();
        while let Some(done) = tasks.join_next().await {
            all.add(&done.map_err(|_| RedisError::Thread)??);
        }
        Ok(all)
    }
}

/// A connection to each node, and its share of the calls.
struct Worker<S> {
    connections: Vec<Connection>,
    source: S,
    /// `None`: each reply triggers the next call.
    schedule: Option<Schedule>,
    window: Window,
}

impl<S: Source> Worker<S> {
    async fn run(mut self) -> Result<Tally, RedisError> {
        let mut tally = Tally::default();
        let mut batch = Batch::of(self.connections.len());
        let mut alarm = Alarm::new()?;
        sleep_until(self.window.start.into()).await;
        while let Some(due) = self.next_due(&mut alarm, &mut tally).await? {
            batch.clear();
            self.source.next(&mut batch);
            batch.exchange(&mut self.connections).await?;
            let now = Instant::now();
            if now >= self.window.measured && now < self.window.end {
                tally.arrived += 1;
            }
            if due >= self.window.measured {
                tally.made += 1;
                tally.ok += 1;
                let nanos = u64::try_from((now - due).as_nanos()).unwrap_or(u64::MAX);
                tally.latencies.saturating_record(nanos);
            }
        }
        Ok(tally)
    }

    /// Waits until the next call is due; `None` once there is none left.
    async fn next_due(&mut self, alarm: &mut Alarm, tally: &mut Tally) -> Result<Option<Instant>, RedisError> {
        let now = Instant::now();
        let Some(schedule) = &mut self.schedule else { return Ok((now < self.window.end).then_some(now)) };
        while let Some(due) = schedule.due() {
            schedule.advance();
            if now < self.window.end {
                let due = self.window.start + due;
                alarm.wait(due).await?;
                return Ok(Some(due));
            }
            tally.made += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_go_to_the_owner_of_their_key() {
        let mut batch = Batch::of(3);
        // slots 12182 and 11058 of 16384, and 5061
        for key in ["foo", "somekey", "bar"] {
            batch.push(key.as_bytes(), &["GET", key]);
        }
        let replies = |batch: &Batch| batch.0.iter().map(|(_, replies)| *replies).collect::<Vec<_>>();
        assert_eq!(replies(&batch), [1, 0, 2]);
        assert_eq!(batch.0[0].0, b"*2\r\n$3\r\nGET\r\n$3\r\nbar\r\n");
        batch.clear();
        assert_eq!(replies(&batch), [0, 0, 0]);
        let mut alone = Batch::of(1);
        alone.push(b"foo", &["GET", "foo"]);
        assert_eq!(replies(&alone), [1]);
    }
}
