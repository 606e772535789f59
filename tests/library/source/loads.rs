//! What one scan finds.

use std::{fs, os::unix::net::UnixListener, process::Command};

use tollgate::source::{Location, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, ReadError, read};

use super::support::{RulesDir, files, runtime};

#[test]
fn a_path_to_a_file_of_any_name() {
    let place = RulesDir::new();
    place.write("rules", "domain: a");
    let snapshot = read(&Location::Path(place.path("rules"))).expect("a good load");
    assert_eq!(place.files(&snapshot), files([("rules", "domain: a")]));
}

#[test]
fn a_path_to_a_directory_includes_rule_files_at_any_depth() {
    let place = RulesDir::new();
    for name in ["b.yaml", "a.yml", "deep/er/c.json", "notes.txt", ".hidden.yaml", ".git/d.yaml", "b.yaml~"] {
        place.write(name, name);
    }
    let snapshot = read(&Location::Path(place.path(""))).expect("a good load");
    let expected = files([("a.yml", "a.yml"), ("b.yaml", "b.yaml"), ("deep/er/c.json", "deep/er/c.json")]);
    assert_eq!(place.files(&snapshot), expected);
}

#[test]
fn runtime_includes_every_file_of_the_app_directory() {
    let place = RulesDir::new();
    for name in ["config/a.yaml", "config/b.txt", "config/deep/c", "config/.dot", "config.yaml", "other/x.yaml"] {
        place.write(&format!("current/ratelimit/{name}"), "");
    }
    let names = |watch_root, ignore_dot_files| {
        let snapshot = read(&runtime(&place, watch_root, ignore_dot_files)).expect("a good load");
        let names = place.files(&snapshot).into_iter();
        names.map(|(name, _)| name.trim_start_matches("current/ratelimit/").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(false, false), ["config/.dot", "config/a.yaml", "config/b.txt", "config/deep/c"]);
    assert_eq!(names(false, true), ["config/a.yaml", "config/b.txt", "config/deep/c"]);
    assert_eq!(names(true, true), ["config.yaml", "config/a.yaml", "config/b.txt", "config/deep/c"]);
}

#[test]
fn an_empty_subdirectory_loads() {
    let place = RulesDir::new();
    place.write("config/a", "a");
    for watch_root in [true, false] {
        let (root, app_directory) = (place.path(""), "config".to_owned());
        let subdirectory = String::new();
        let location = Location::Runtime { root, subdirectory, app_directory, watch_root, ignore_dot_files: false };
        assert_eq!(place.files(&read(&location).expect("a good load")), files([("config/a", "a")]));
    }
}

#[test]
fn an_empty_directory_is_valid_and_a_missing_one_is_not() {
    let place = RulesDir::new();
    place.mkdir("current/ratelimit");
    for watch_root in [true, false] {
        let location = runtime(&place, watch_root, false);
        let error = read(&location).expect_err("nothing there");
        let home = place.path("current/ratelimit/config");
        assert!(matches!(&error, ReadError::Missing { path } if *path == home), "{error}");
        assert!(error.to_string().contains("current/ratelimit/config does not exist; create it"), "{error}");
    }
    place.mkdir("current/ratelimit/config");
    for watch_root in [true, false] {
        assert_eq!(read(&runtime(&place, watch_root, false)).expect("a good load").files, []);
    }
}

#[test]
fn links_are_followed_and_no_file_is_found_twice() {
    let place = RulesDir::new();
    place.write("elsewhere/team.yaml", "team");
    place.write("rules/a.yaml", "a");
    place.link("../elsewhere", "rules/linked");
    place.link("a.yaml", "rules/b.yaml");
    place.link(".", "rules/circle");
    place.link("../rules", "rules/linked/back");
    let snapshot = read(&Location::Path(place.path("rules"))).expect("a good load");
    assert_eq!(place.files(&snapshot), files([("rules/a.yaml", "a"), ("rules/linked/team.yaml", "team")]));
}

#[test]
fn a_link_to_nothing_is_named_unless_it_is_an_editors_lock() {
    let place = RulesDir::new();
    place.write("current/ratelimit/config/a.yaml", "a");
    place.link("user@host.1234", "current/ratelimit/config/.#a.yaml");
    read(&runtime(&place, false, false)).expect("a lock is not an error");
    place.link("gone.yaml", "current/ratelimit/config/b.yaml");
    let error = read(&runtime(&place, false, false)).expect_err("a link to nothing");
    assert!(matches!(error, ReadError::Dangling { .. }));
    assert!(error.to_string().contains("config/b.yaml is a link to gone.yaml, which does not exist"), "{error}");
}

#[test]
fn pipes_and_sockets_are_skipped() {
    let place = RulesDir::new();
    place.write("a.yaml", "a");
    let status = Command::new("mkfifo").arg(place.path("pipe.yaml")).status().expect("mkfifo runs");
    assert!(status.success());
    let _socket = UnixListener::bind(place.path("socket.yaml")).expect("a socket");
    let snapshot = read(&Location::Path(place.path(""))).expect("a good load");
    assert_eq!(place.files(&snapshot), files([("a.yaml", "a")]));
    let error = read(&Location::Path(place.path("pipe.yaml"))).expect_err("a pipe");
    assert!(matches!(error, ReadError::NotAFile { .. }), "{error}");
}

#[test]
fn unreadable_files_are_named_with_the_cause() {
    let place = RulesDir::new();
    place.link("b.yaml", "a.yaml");
    place.link("a.yaml", "b.yaml");
    let error = read(&Location::Path(place.path("a.yaml"))).expect_err("a circle");
    assert!(matches!(&error, ReadError::Io { path, .. } if *path == place.path("a.yaml")), "{error}");
    assert!(error.to_string().contains("symbolic links"), "{error}");
}

#[test]
fn limits_are_enforced_and_named() {
    let place = RulesDir::new();
    place.write("size/a.yaml", "");
    let file = fs::File::create(place.path("size/b.yaml")).expect("a file");
    file.set_len(MAX_BYTES + 1).expect("a sparse file");
    let error = read(&Location::Path(place.path("size"))).expect_err("too large");
    assert!(error.to_string().contains("256 MiB with") && error.to_string().contains("b.yaml"), "{error}");

    place.mkdir(&format!("deep{}", "/d".repeat(MAX_DEPTH + 1)));
    let error = read(&Location::Path(place.path("deep"))).expect_err("too deep");
    assert!(matches!(error, ReadError::TooDeep { .. }), "{error}");

    place.mkdir("many");
    for number in 0..=MAX_ENTRIES {
        fs::File::create(place.path(&format!("many/{number}.yaml"))).expect("a file");
    }
    let error = read(&Location::Path(place.path("many"))).expect_err("too many");
    assert!(matches!(error, ReadError::TooMany { .. }), "{error}");
}

#[test]
fn the_hash_distinguishes_names_and_contents() {
    let place = RulesDir::new();
    let hash = || read(&Location::Path(place.path(""))).expect("a good load").hash;
    place.write("a.yaml", "1");
    place.write("b.yaml", "");
    let first = hash();
    assert_eq!(hash(), first, "nothing changed");
    place.write("a.yaml", "");
    place.write("b.yaml", "1");
    let swapped = hash();
    assert_ne!(swapped, first, "the contents were swapped");
    place.rename("b.yaml", "c.yaml");
    assert_ne!(hash(), swapped, "a name changed");
    place.rename("c.yaml", "b.yaml");
    assert_eq!(hash(), swapped, "and back");
}
