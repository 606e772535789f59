//! Servers that send the same snapshot again and again, or always new ones: each is answered, and none too often.

use std::time::Instant;

use super::service::{self, builder, started};
use testkit::scrape::count;
use testkit::xds::{
    configs::{bad, limit},
    server::{Ads, AdsStream, Reply, ack},
};

/// Sends the same snapshot 2000 times without waiting for an answer, and then a good new one; returns the answers until
/// that one was acknowledged.
async fn flood<const N: usize>(
    stream: &mut AdsStream,
    version: &str,
    resources: impl Fn() -> [envoy_types::pb::google::protobuf::Any; N],
    last: u32,
) -> Vec<Reply> {
    let mut replies = Vec::new();
    let end = ack("end", "end");
    let sender = stream.sender();
    let flood = async {
        for sent in 0..2000 {
            sender.send(version, &format!("n{sent}"), resources()).await;
        }
        sender.send("end", "end", limit(last)).await;
    };
    let listen = async {
        while replies.last() != Some(&end) {
            replies.push(stream.reply().await);
        }
    };
    tokio::join!(flood, listen);
    replies.pop();
    replies
}

#[tokio::test]
async fn a_bad_snapshot_that_is_sent_endlessly_is_rejected_once_a_second() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    let began = Instant::now();
    let replies = flood(&mut stream, "2", || bad(1), 6).await;
    let most = 2 + began.elapsed().as_secs();
    assert!(!replies.is_empty() && replies.len() as u64 <= most, "{} refusals, at most {most}", replies.len());
    for one in &replies {
        assert!(matches!(one, Reply::Nack { version, .. } if version == "1"), "{one:?}");
    }
    assert_eq!(service::limit(&mut client).await, Some(6));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1, "judged once");
    assert_eq!(tollgate.wait_for_lines("rules are refused", 1).len(), 1);
}

#[tokio::test]
async fn a_server_that_resends_a_rejected_snapshot_at_once_is_slowed_down() {
    let mut ads = Ads::start().await;
    let (_tollgate, mut stream, _) = started(builder(ads.address), &mut ads, limit(5)).await;
    let began = Instant::now();
    for number in 0..4 {
        let nonce = format!("n{number}");
        stream.send("2", &nonce, bad(1)).await;
        assert!(matches!(stream.reply().await, Reply::Nack { nonce: answered, .. } if answered == nonce));
    }
    assert!(began.elapsed().as_secs() >= 3, "three of four were repeats: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_good_snapshot_that_is_sent_endlessly_is_loaded_once_and_acknowledged_once_a_second() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    let began = Instant::now();
    let replies = flood(&mut stream, "1", || limit(5), 6).await;
    let most = 1 + began.elapsed().as_secs();
    assert!(replies.len() as u64 <= most, "{} acknowledgements, at most {most}", replies.len());
    assert!(replies.iter().all(|one| matches!(one, Reply::Ack { .. })), "{replies:?}");
    assert_eq!(service::limit(&mut client).await, Some(6));
    assert_eq!(count(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, 2);
    let unchanged = count(&tollgate, "tollgate_config_reloads_total{result=\"unchanged\"}").await;
    assert_eq!(unchanged, replies.len() as u64);
}

#[tokio::test]
async fn every_new_bad_snapshot_is_rejected_however_fast_they_arrive() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, _) = started(builder(ads.address), &mut ads, limit(5)).await;
    let began = Instant::now();
    let sender = stream.sender();
    let flood = async {
        for number in 0..100 {
            sender.send("2", &format!("n{number}"), bad(number)).await;
        }
    };
    let listen = async {
        for number in 0..100 {
            let wanted = format!("n{number}");
            assert!(matches!(stream.reply().await, Reply::Nack { nonce, .. } if nonce == wanted));
        }
    };
    tokio::join!(flood, listen);
    assert!(began.elapsed().as_millis() >= 990, "a hundred a second at most: {:?}", began.elapsed());
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 100);
    assert_eq!(count(&tollgate, "tollgate_xds_nacks_total").await, 100);
}

#[tokio::test]
async fn a_known_snapshot_is_answered_under_each_new_version_and_compiled_once() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    let began = Instant::now();
    let sender = stream.sender();
    let versions = |kind: &str| (0..50).map(|number| format!("{kind}{number}")).collect::<Vec<_>>();
    let (worse, better) = (versions("bad"), versions("good"));
    let flood = async {
        for version in &worse {
            sender.send(version, version, bad(1)).await;
        }
        for version in &better {
            sender.send(version, version, limit(5)).await;
        }
    };
    let listen = async {
        for wanted in &worse {
            let reply = stream.reply().await;
            assert!(
                matches!(&reply, Reply::Nack { version, nonce, .. } if version == "1" && nonce == wanted),
                "{reply:?}"
            );
        }
        for wanted in &better {
            assert_eq!(stream.reply().await, ack(wanted, wanted));
        }
    };
    tokio::join!(flood, listen);
    assert!(began.elapsed().as_millis() >= 990, "a hundred a second at most: {:?}", began.elapsed());
    assert_eq!(service::limit(&mut client).await, Some(5));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1);
    assert_eq!(count(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, 1);
    assert_eq!(count(&tollgate, "tollgate_xds_version_info{version=\"good49\"}").await, 1);
}
