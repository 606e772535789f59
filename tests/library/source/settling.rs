//! Bursts, continuous writers, and how often something is reported.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tollgate::source::{FileSource, FileSourceConfig, Location, ReadError};

use super::support::{RulesDir, bad, files, good, next, notified, polled};

#[tokio::test]
async fn a_burst_of_writes_is_one_load() {
    let place = RulesDir::new();
    place.write("a.yaml", "0");
    let mut source = notified(Location::Path(place.path("")));
    good(&mut source).await;
    // the source is not polled meanwhile, so all of the writes are in one burst, however slow the machine is
    for number in 1..=50 {
        place.write("a.yaml", &number.to_string());
    }
    assert_eq!(place.files(&good(&mut source).await), files([("a.yaml", "50")]));
    place.write("b.yaml", "last");
    let expected = files([("a.yaml", "50"), ("b.yaml", "last")]);
    loop {
        // a new file may be seen before its content; a second load of the burst would be one without it
        let found = place.files(&good(&mut source).await);
        assert_eq!(found.len(), 2, "{found:?}");
        if found == expected {
            break;
        }
    }
}

#[tokio::test]
async fn writes_closer_than_the_debounce_time_are_one_load() {
    let place = RulesDir::new();
    place.write("a.yaml", "0");
    let location = Location::Path(place.path("a.yaml"));
    // no two writes are further apart, however busy the machine is
    let debounce = Duration::from_secs(3);
    let mut source = FileSource::new(FileSourceConfig { debounce, ..FileSourceConfig::new(location, None) });
    good(&mut source).await;
    let path = place.path("a.yaml");
    let writer = tokio::task::spawn_blocking(move || {
        for number in 1..=50 {
            fs::write(&path, number.to_string()).expect("written");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(place.files(&good(&mut source).await), files([("a.yaml", "50")]));
    writer.await.expect("the writer ends");
}

#[tokio::test]
async fn a_continuous_writer_does_not_starve_the_source() {
    let place = RulesDir::new();
    place.write("a.yaml", "0");
    let mut source = notified(Location::Path(place.path("a.yaml")));
    good(&mut source).await;
    let (path, stop) = (place.path("a.yaml"), AtomicBool::new(false));
    let stop = std::sync::Arc::new(stop);
    let stopped = std::sync::Arc::clone(&stop);
    let writer = tokio::task::spawn_blocking(move || {
        let mut number = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            number += 1;
            fs::write(&path, number.to_string()).expect("written");
        }
    });
    for _ in 0..2 {
        good(&mut source).await;
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.expect("the writer ends");
}

#[tokio::test]
async fn the_same_content_again_is_no_update() {
    let place = RulesDir::new();
    place.write("a.yaml", "1");
    let mut source = notified(Location::Path(place.path("")));
    good(&mut source).await;
    for _ in 0..3 {
        // replaced by an equal file: a notification, but no change
        place.write(".a.tmp", "1");
        place.rename(".a.tmp", "a.yaml");
    }
    place.write(".b.tmp", "2");
    place.rename(".b.tmp", "b.yaml");
    assert_eq!(place.files(&good(&mut source).await), files([("a.yaml", "1"), ("b.yaml", "2")]));
}

#[tokio::test]
async fn an_error_is_reported_once_and_every_later_change_too() {
    let place = RulesDir::new();
    let mut source = polled(Location::Path(place.path("rules.yaml")));
    assert!(matches!(bad(&mut source).await, ReadError::Missing { .. }));
    // for the time of many polls there is no update; the wait is cancelled each time, and continues
    for _ in 0..10 {
        let again = tokio::time::timeout(Duration::from_millis(40), source.next()).await;
        assert!(again.is_err(), "{again:?}");
    }
    place.link("nowhere", "rules.yaml");
    assert!(matches!(bad(&mut source).await, ReadError::Dangling { .. }), "another error is an update");
    place.write("nowhere.tmp", "1");
    place.rename("nowhere.tmp", "nowhere");
    assert_eq!(place.files(&good(&mut source).await), files([("rules.yaml", "1")]));
    place.remove("nowhere");
    assert!(matches!(bad(&mut source).await, ReadError::Dangling { .. }));
    place.write("nowhere.tmp", "1");
    place.rename("nowhere.tmp", "nowhere");
    assert_eq!(place.files(&good(&mut source).await), files([("rules.yaml", "1")]), "an update after an error");
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_change() {
    let place = RulesDir::new();
    place.write("a.yaml", "1");
    let (location, debounce) = (Location::Path(place.path("a.yaml")), Duration::from_secs(2));
    let mut source = FileSource::new(FileSourceConfig { debounce, ..FileSourceConfig::new(location, None) });
    good(&mut source).await;
    place.write("a.tmp", "2");
    place.rename("a.tmp", "a.yaml");
    // each is shorter than the debounce time: cancelled while settling, after it has received the notification
    for _ in 0..5 {
        let cut = tokio::time::timeout(Duration::from_millis(5), source.next()).await;
        assert!(cut.is_err(), "{cut:?}");
    }
    assert_eq!(place.files(&next(&mut source).await.expect("a good load")), files([("a.yaml", "2")]));
}
