//! Every way in which files change, detected by notifications only, and by polling only.

use std::fs;

use tollgate::source::{Location, ReadError};

use super::support::{RulesDir, bad, files, good, next, notified, polled, runtime, until};

fn rules() -> (RulesDir, Location) {
    let place = RulesDir::new();
    place.write("rules/a.yaml", "1");
    let location = Location::Path(place.path("rules"));
    (place, location)
}

#[tokio::test]
async fn a_write_in_place() {
    let (place, location) = rules();
    let mut source = notified(location);
    assert_eq!(place.files(&good(&mut source).await), files([("rules/a.yaml", "1")]));
    for content in ["2", "3"] {
        place.write("rules/a.yaml", content);
        until(&mut source, &place, &[("rules/a.yaml", content)]).await;
    }
}

#[tokio::test]
async fn a_write_and_rename() {
    let (place, location) = rules();
    let mut source = notified(location);
    good(&mut source).await;
    for content in ["2", "3"] {
        place.write("rules/.a.yaml.tmp", content);
        place.rename("rules/.a.yaml.tmp", "rules/a.yaml");
        assert_eq!(place.files(&good(&mut source).await), files([("rules/a.yaml", content)]));
    }
}

#[tokio::test]
async fn new_files_new_directories_and_deletes() {
    let (place, location) = rules();
    let mut source = notified(location);
    good(&mut source).await;
    place.write("rules/b.yaml", "b");
    until(&mut source, &place, &[("rules/a.yaml", "1"), ("rules/b.yaml", "b")]).await;
    place.remove("rules/a.yaml");
    assert_eq!(place.files(&good(&mut source).await), files([("rules/b.yaml", "b")]));
    place.write("rules/deep/er/c.yaml", "c");
    until(&mut source, &place, &[("rules/b.yaml", "b"), ("rules/deep/er/c.yaml", "c")]).await;
    place.write("rules/deep/er/c.yaml", "d");
    until(&mut source, &place, &[("rules/b.yaml", "b"), ("rules/deep/er/c.yaml", "d")]).await;
    place.remove("rules/b.yaml");
    assert_eq!(place.files(&good(&mut source).await), files([("rules/deep/er/c.yaml", "d")]));
    place.remove("rules/deep");
    assert_eq!(good(&mut source).await.files, [], "an empty directory is valid");
}

#[tokio::test]
async fn one_file_whose_inode_is_replaced_repeatedly() {
    let (place, _) = rules();
    let mut source = notified(Location::Path(place.path("rules/a.yaml")));
    good(&mut source).await;
    for content in ["2", "3", "4"] {
        place.write("rules/new", content);
        place.rename("rules/new", "rules/a.yaml");
        assert_eq!(place.files(&good(&mut source).await), files([("rules/a.yaml", content)]));
        place.write("rules/a.yaml", "in place");
        until(&mut source, &place, &[("rules/a.yaml", "in place")]).await;
    }
}

/// A file that is mounted by itself is written through another directory, of which only the inode is visible here. A
/// hard link has the same effect without the permission to mount.
#[tokio::test]
async fn a_file_written_through_another_directory() {
    let (place, location) = rules();
    place.mkdir("host");
    fs::hard_link(place.path("rules/a.yaml"), place.path("host/a.yaml")).expect("a hard link");
    let mut source = notified(location);
    good(&mut source).await;
    for content in ["2", "3"] {
        place.write("host/a.yaml", content);
        until(&mut source, &place, &[("rules/a.yaml", content)]).await;
    }
}

#[tokio::test]
async fn a_runtime_root_whose_link_changes() {
    for watch_root in [true, false] {
        let place = RulesDir::new();
        for version in ["v1", "v2", "v3"] {
            place.write(&format!("{version}/ratelimit/config/a"), version);
        }
        place.link("v1", "current");
        let mut source = notified(runtime(&place, watch_root, false));
        let expect = |content| files([("current/ratelimit/config/a", content)]);
        assert_eq!(place.files(&good(&mut source).await), expect("v1"));
        for version in ["v2", "v3", "v1"] {
            place.link(place.path(version), "next");
            place.rename("next", "current");
            assert_eq!(place.files(&good(&mut source).await), expect(version));
        }
        place.remove("current");
        place.link("v2", "current");
        until(&mut source, &place, &[("current/ratelimit/config/a", "v2")]).await;
    }
}

#[tokio::test]
async fn a_directory_that_appears_later() {
    for watch_root in [true, false] {
        let place = RulesDir::new();
        let mut source = notified(runtime(&place, watch_root, true));
        assert!(matches!(bad(&mut source).await, ReadError::Missing { .. }));
        place.write("current/ratelimit/config/a", "1");
        until(&mut source, &place, &[("current/ratelimit/config/a", "1")]).await;
        place.write("current/ratelimit/config/a", "2");
        until(&mut source, &place, &[("current/ratelimit/config/a", "2")]).await;
    }
}

#[tokio::test]
async fn a_parent_that_is_removed_and_created_again() {
    let place = RulesDir::new();
    place.write("up/rules/a.yaml", "1");
    let mut source = notified(Location::Path(place.path("up/rules")));
    let first = good(&mut source).await;
    for _ in 0..2 {
        place.remove("up");
        let error = loop {
            // files are removed before their directory, so it may be seen empty
            if let Err(error) = next(&mut source).await {
                break error;
            }
        };
        assert!(matches!(error, ReadError::Missing { .. }), "{error}");
        place.write("up/rules/a.yaml", "1");
        // the same content as before is an update after an error
        until(&mut source, &place, &[("up/rules/a.yaml", "1")]).await;
    }
    place.rename("up", "away");
    assert!(matches!(bad(&mut source).await, ReadError::Missing { .. }));
    place.write("other/rules/a.yaml", "2");
    place.rename("other", "up");
    assert_eq!(place.files(&good(&mut source).await), files([("up/rules/a.yaml", "2")]));
    place.remove("up");
    place.rename("away", "up");
    loop {
        if next(&mut source).await.is_ok_and(|snapshot| snapshot == first) {
            break;
        }
    }
}

/// The same directory with the same inode, but its watch was lost when it was moved away.
#[tokio::test]
async fn a_directory_that_is_moved_away_and_back() {
    let (place, location) = rules();
    let mut source = notified(location);
    good(&mut source).await;
    for content in ["2", "3"] {
        place.rename("rules", "away");
        assert!(matches!(bad(&mut source).await, ReadError::Missing { .. }));
        place.rename("away", "rules");
        good(&mut source).await;
        // moved and back before the source looks: for the source, nothing has changed
        place.rename("rules", "away");
        place.rename("away", "rules");
        place.write("rules/b.yaml", content);
        until(&mut source, &place, &[("rules/a.yaml", "1"), ("rules/b.yaml", content)]).await;
        place.rename("rules", "away");
        place.rename("away", "rules");
        // after a complete scan, only a new watch on the directory can detect this
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(300), source.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        place.write("rules/c.yaml", "c");
        until(&mut source, &place, &[("rules/a.yaml", "1"), ("rules/b.yaml", content), ("rules/c.yaml", "c")]).await;
        place.remove("rules/b.yaml");
        place.remove("rules/c.yaml");
        until(&mut source, &place, &[("rules/a.yaml", "1")]).await;
    }
}

#[tokio::test]
async fn a_link_whose_target_comes_and_goes() {
    let (place, location) = rules();
    place.link("../elsewhere/b.yaml", "rules/b.yaml");
    let mut source = notified(location);
    assert!(matches!(bad(&mut source).await, ReadError::Dangling { .. }));
    place.mkdir("elsewhere");
    place.write("elsewhere/b.yaml", "b");
    until(&mut source, &place, &[("rules/a.yaml", "1"), ("rules/b.yaml", "b")]).await;
    place.remove("elsewhere/b.yaml");
    assert!(matches!(bad(&mut source).await, ReadError::Dangling { .. }));
}

#[tokio::test]
async fn polling_alone_detects_every_change() {
    let (place, location) = rules();
    let mut source = polled(location);
    good(&mut source).await;
    place.write("rules/a.yaml", "2");
    until(&mut source, &place, &[("rules/a.yaml", "2")]).await;
    place.write("rules/b/c.yaml", "c");
    until(&mut source, &place, &[("rules/a.yaml", "2"), ("rules/b/c.yaml", "c")]).await;
    place.rename("rules", "away");
    assert!(matches!(bad(&mut source).await, ReadError::Missing { .. }));
    place.rename("away", "rules");
    until(&mut source, &place, &[("rules/a.yaml", "2"), ("rules/b/c.yaml", "c")]).await;
}

/// Same size, inode and times: only the content differs.
#[tokio::test]
async fn the_poll_compares_contents() {
    let (place, location) = rules();
    let mut source = polled(location);
    good(&mut source).await;
    let file = fs::File::options().write(true).open(place.path("rules/a.yaml")).expect("a file");
    let modified = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    place.write("rules/a.yaml", "2");
    file.set_modified(modified).expect("the time is set");
    until(&mut source, &place, &[("rules/a.yaml", "2")]).await;
}
