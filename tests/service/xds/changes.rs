//! Snapshot after snapshot under load, every tenth one bad: no call fails, and the rules are right at the end.
//! `TOLLGATE_TEST_XDS_CHANGES` sets how many.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::service::{self, builder, started};
use testkit::scrape::count;
use testkit::{
    rls::{client, request},
    xds::{
        configs::{bad, limit},
        server::{Ads, Reply},
    },
};

const CALLERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_under_load_fail_no_call() {
    let changes: u32 = env::var("TOLLGATE_TEST_XDS_CHANGES").map_or(100, |text| text.parse().expect("a number"));
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut look) = started(builder(ads.address), &mut ads, limit(1_000_000)).await;

    let (stop, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let mut client = client(tollgate.address("grpc"));
            let (stop, failed) = (Arc::clone(&stop), Arc::clone(&failed));
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while !stop.load(Relaxed) {
                    let answer = client.should_rate_limit(request("d", &[&[("k", "v")]])).await;
                    // there always is a limit, the old one or the new one
                    let is_right = answer.is_ok_and(|answer| answer.get_ref().statuses[0].current_limit.is_some());
                    failed.fetch_add(u64::from(!is_right), Relaxed);
                    calls += 1;
                }
                calls
            })
        })
        .collect();

    let began = Instant::now();
    let (mut acks, mut nacks, mut last) = (0_u32, 0_u32, 1);
    for change in 1..=changes {
        let (version, nonce) = (change.to_string(), format!("c{change}"));
        if change % 10 == 0 {
            stream.send(&version, &nonce, bad(change)).await;
            let reply = stream.reply().await;
            let wanted = last.to_string();
            let is_right =
                matches!(&reply, Reply::Nack { version, nonce: to, .. } if *version == wanted && *to == nonce);
            assert!(is_right, "{reply:?} after {wanted}");
            nacks += 1;
        } else {
            stream.send(&version, &nonce, limit(1_000_000 + change)).await;
            assert_eq!(stream.reply().await, Reply::Ack { version, nonce });
            (acks, last) = (acks + 1, change);
        }
    }
    let took = began.elapsed();
    stop.store(true, Relaxed);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.expect("a caller");
    }
    println!(
        "xds: {changes} snapshots in {took:.1?} under {calls} calls: {acks} acknowledged, {nacks} refused, {} calls failed",
        failed.load(Relaxed)
    );
    assert_eq!((failed.load(Relaxed), nacks), (0, changes / 10));
    assert_eq!(service::limit(&mut look).await, Some(1_000_000 + last));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_success").await, u64::from(acks + 1));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, u64::from(nacks));
    let total = "ratelimit_service_rate_limit_total_hits{domain=\"d\",key1=\"k\"}";
    assert_eq!(count(&tollgate, total).await, calls, "every hit was counted, across all changes");
}
