//! INCRBY and EXPIRE for each decision, in one round trip each: like a service without a script and without batching.

use std::{num::NonZeroUsize, thread};

use fastrand::Rng;
use load::{Config, Keys, Meter, Picker};
use tokio::task::JoinSet;

use super::{
    EXPIRY_SECONDS, Redis, RedisError,
    connection::{Connection, push_command},
    spread::{Span, spread},
};
use crate::sample::Sample;

/// The number of connections of all threads together: the default of REDIS_POOL_SIZE.
const CONNECTIONS: usize = 10;

pub(super) async fn measure(
    redis: &Redis,
    keys: Keys,
    config: &Config,
    meter: &mut impl Meter,
) -> Result<Sample, RedisError> {
    let (redis, seed) = (redis.clone(), config.seed);
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(CONNECTIONS);
    spread(threads, config, meter, move |thread, span| {
        let redis = redis.clone();
        async move {
            let mut tasks = JoinSet::new();
            for nth in (thread..CONNECTIONS).step_by(threads) {
                let connection = redis.connect().await?;
                let random = Rng::with_seed(seed.wrapping_add(nth as u64));
                tasks.spawn(ask(connection, keys.picker(), random, span.clone()));
            }
            while let Some(done) = tasks.join_next().await {
                done.map_err(|_| RedisError::Thread)??;
            }
            Ok(())
        }
    })
    .await
}

async fn ask(mut connection: Connection, picker: Picker, mut random: Rng, span: Span) -> Result<(), RedisError> {
    let mut commands = Vec::new();
    let expiry = EXPIRY_SECONDS.to_string();
    while !span.has_ended() {
        commands.clear();
        // as long as a key of the reference
        let key = format!("tollgate-bench:d_user_{:08}_1700000000", picker.pick(&mut random));
        push_command(&mut commands, &["INCRBY", &key, "1"]);
        push_command(&mut commands, &["EXPIRE", &key, &expiry]);
        connection.exchange(&commands, 2).await?;
        span.count(1);
    }
    Ok(())
}
