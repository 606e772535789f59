//! Calls our script as the store does: with the same client and connections, and two calls in flight per worker.

use std::{num::NonZeroUsize, sync::Arc, thread, time::Duration};

use fastrand::Rng;
use limiter::domain::{Charge, Clock as _, CounterKey, Group, Hit, Limit, MAX_COUNT, SystemClock, Unit};
use load::{Config, Keys, Meter};
use redis::{Call, CallError, Caller, Client, Connector, Entry, Script};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    EXPIRY_SECONDS, PATIENCE, Redis, RedisError,
    spread::{Span, spread},
};
use crate::sample::Sample;

/// The number of calls in flight, as in the store.
const IN_FLIGHT: usize = 2;
/// The number of different calls, which are made in turn.
const CALLS: usize = 64;

pub(super) async fn measure(
    redis: &Redis,
    batch: NonZeroUsize,
    keys: Keys,
    config: &Config,
    meter: &mut impl Meter,
) -> Result<Sample, RedisError> {
    let connector = Connector::new(&redis.endpoint)?;
    let seed = config.seed;
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // with one decision per call, as many calls in flight as a connection of the load has streams
    let in_flight = if batch == NonZeroUsize::MIN { config.streams.get() } else { IN_FLIGHT };
    spread(workers, config, meter, move |thread, span| {
        let connector = connector.clone();
        async move {
            let random = Rng::with_seed(seed.wrapping_add(thread as u64));
            let client = connected(&connector).await?;
            let calls = Arc::new(calls(batch, keys, random));
            load(&client, &calls).await?;
            let mut tasks = JoinSet::new();
            for first in 0..in_flight {
                let (client, calls, span) = (Arc::clone(&client), Arc::clone(&calls), span.clone());
                tasks.spawn(async move { ask(&client, &calls, first, batch.get() as u64, &span).await });
            }
            while let Some(done) = tasks.join_next().await {
                done.map_err(|_| RedisError::Thread)??;
            }
            client.close().await;
            Ok(())
        }
    })
    .await
}

async fn connected(connector: &Connector) -> Result<Arc<Client>, RedisError> {
    let client = connector.connect();
    let start = Instant::now();
    while client.open_connections() == 0 {
        if start.elapsed() > PATIENCE {
            return Err(RedisError::Unreachable);
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(Arc::new(client))
}

/// Calls the script by its text, so that the server knows its hash afterwards.
async fn load(client: &Client, calls: &[Vec<Entry>]) -> Result<(), CallError> {
    let call = Call::new(&calls[0], SystemClock.now(), || Duration::ZERO);
    client.call(None, Script::Text, &call).await.map(drop)
}

async fn ask(client: &Client, calls: &[Vec<Entry>], first: usize, batch: u64, span: &Span) -> Result<(), RedisError> {
    for entries in calls.iter().cycle().skip(first * CALLS / IN_FLIGHT % CALLS) {
        if span.has_ended() {
            break;
        }
        let call = Call::new(entries, SystemClock.now(), || Duration::ZERO);
        client.call(None, Script::Sha1, &call).await?;
        span.count(batch);
    }
    Ok(())
}

/// Encodes calls with this many decisions each. Equal decisions are merged, as in the store.
fn calls(batch: NonZeroUsize, keys: Keys, mut random: Rng) -> Vec<Vec<Entry>> {
    let picker = keys.picker();
    let limit = Limit::fixed_window(MAX_COUNT, Unit::Minute);
    debug_assert_eq!(Unit::Minute.seconds(), u64::from(EXPIRY_SECONDS));
    let mut call = || {
        let mut drawn: Vec<u32> = (0..batch.get()).map(|_| picker.pick(&mut random)).collect();
        drawn.sort_unstable();
        let equal = drawn.chunk_by(|one, other| one == other);
        let entry = |equal: &[u32]| {
            let key = CounterKey::from_bytes(format!("tollgate-bench:{{d|user={}}}f60", equal[0]).as_bytes());
            let mut entry = Entry::new(Group::single(Hit::new(key, limit, Charge::Take(1))));
            for _ in 1..equal.len() {
                entry.again();
            }
            entry
        };
        equal.map(entry).collect::<Vec<_>>()
    };
    (0..CALLS).map(|_| call()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_requested_number_of_decisions() {
        for (keys, entries) in [("hot", 1..=1), ("uniform:1000000", 60..=64)] {
            let batch = NonZeroUsize::new(64).expect("not zero");
            for call in calls(batch, keys.parse().expect("keys"), Rng::with_seed(1)) {
                assert_eq!(call.iter().map(Entry::times).sum::<u32>(), 64);
                assert!(entries.contains(&call.len()), "{keys}: {}", call.len());
            }
        }
    }
}
