//! `RULE_DEFAULTS` for rules over xDS: what they inherit from the file, and what happens when the file changes.

use std::fs;

use super::service::{builder, started};
use testkit::scrape::count;
use testkit::{
    eventually,
    http::Client,
    process::Tollgate,
    xds::{
        configs::{bad, limit},
        server::{Ads, Reply, ack},
    },
};

/// A file of defaults, which is replaced by a rename.
struct Defaults(tempfile::TempDir);

impl Defaults {
    /// Defaults that give every domain an algorithm.
    fn of(algorithm: &str) -> Self {
        let new = Self(tempfile::tempdir().expect("a directory"));
        new.become_of(algorithm);
        new
    }

    fn become_of(&self, algorithm: &str) {
        let staged = self.0.path().join("staged");
        fs::write(&staged, format!("defaults: [{{domain: '*', algorithm: {algorithm}}}]\n")).expect("written");
        fs::rename(staged, self.path()).expect("renamed");
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("defaults.yaml")
    }
}

/// Waits until the rule has this limit and algorithm.
async fn until(tollgate: &Tollgate, limit: u32, algorithm: &str) {
    let wanted = format!(
        "d.k: unit=YEAR requests_per_unit={limit}, shadow_mode: false, quota_mode: false, algorithm: {algorithm}\n"
    );
    eventually(&wanted, async || {
        let page = Client::new().get(tollgate.address("debug"), "/rlconfig").await.body;
        page.starts_with(wanted.trim_end()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rules_inherit_the_defaults_and_follow_them_without_a_message_to_the_server() {
    let defaults = Defaults::of("sliding_window");
    let mut ads = Ads::start().await;
    let with_defaults = builder(ads.address).env("RULE_DEFAULTS", defaults.path());
    let (tollgate, mut stream, _) = started(with_defaults, &mut ads, limit(5)).await;
    until(&tollgate, 5, "sliding_window").await;

    defaults.become_of("token_bucket");
    until(&tollgate, 5, "token_bucket").await;
    assert_eq!(count(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, 2);
    assert_eq!(count(&tollgate, "tollgate_xds_acks_total").await, 1);

    stream.send("2", "n2", limit(6)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"), "the first message since");
    until(&tollgate, 6, "token_bucket").await;
    // also after the server is gone
    drop((ads, stream));
    defaults.become_of("sliding_window");
    until(&tollgate, 6, "sliding_window").await;
}

#[tokio::test]
async fn new_defaults_apply_to_the_accepted_snapshot_and_not_to_a_rejected_one() {
    let defaults = Defaults::of("sliding_window");
    let mut ads = Ads::start().await;
    let with_defaults = builder(ads.address).env("RULE_DEFAULTS", defaults.path());
    let (tollgate, mut stream, _) = started(with_defaults, &mut ads, limit(5)).await;
    stream.send("2", "n2", bad(1)).await;
    assert!(matches!(stream.reply().await, Reply::Nack { .. }));

    defaults.become_of("token_bucket");
    until(&tollgate, 5, "token_bucket").await;
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1, "only that of the server");
    assert_eq!(count(&tollgate, "tollgate_xds_behind").await, 1);

    // the server returns to its former snapshot: that is in force already, with the new defaults
    stream.send("3", "n3", limit(5)).await;
    assert_eq!(stream.reply().await, ack("3", "n3"));
    until(&tollgate, 5, "token_bucket").await;
    assert_eq!(count(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, 2);
}
