//! Kubernetes volumes, laid out and updated as by the kubelet.

use tollgate::source::{FileSource, Location};

use super::support::{RulesDir, files, good, notified, polled, runtime};

const VOLUME: &str = "current/ratelimit/config";

/// A ConfigMap mounted at [`VOLUME`]: plain names link through `..data` to the current generation.
struct Volume<'a>(&'a RulesDir);

impl Volume<'_> {
    /// Writes the generation `name`, switches to it atomically, and removes the old one, like the kubelet's atomic
    /// writer.
    fn update(&self, name: &str, old: Option<&str>, contents: &[(&str, &str)]) {
        let Self(place) = self;
        for (file, content) in contents {
            place.write(&format!("{VOLUME}/..{name}/{file}"), content);
        }
        place.link(format!("..{name}"), &format!("{VOLUME}/..data_tmp"));
        place.rename(&format!("{VOLUME}/..data_tmp"), &format!("{VOLUME}/..data"));
        for (file, _) in contents {
            // a key with a path is visible as a link to its first directory
            let shown = file.split('/').next().expect("a name");
            if !place.path(&format!("{VOLUME}/{shown}")).is_symlink() {
                place.link(format!("..data/{shown}"), &format!("{VOLUME}/{shown}"));
            }
        }
        if let Some(old) = old {
            place.remove(&format!("{VOLUME}/..{old}"));
        }
    }
}

/// Updates a volume three times; each update must be seen completely and once.
async fn follow(mut source: FileSource, place: &RulesDir) {
    let (a, b) = (format!("{VOLUME}/a.yaml"), format!("{VOLUME}/b.yaml"));
    let volume = Volume(place);
    let generations = ["2026_a", "2026_b", "2026_c", "2026_d"];
    let mut old = None;
    for name in generations {
        volume.update(name, old, &[("a.yaml", name), ("b.yaml", name)]);
        let snapshot = good(&mut source).await;
        assert_eq!(place.files(&snapshot), files([(a.as_str(), name), (b.as_str(), name)]));
        old = Some(name);
    }
}

#[tokio::test]
async fn a_config_map_is_loaded_once_and_followed_by_notifications() {
    for (watch_root, ignore_dot_files) in [(true, true), (true, false), (false, true), (false, false)] {
        let place = RulesDir::new();
        follow(notified(runtime(&place, watch_root, ignore_dot_files)), &place).await;
    }
    let place = RulesDir::new();
    follow(notified(Location::Path(place.path(VOLUME))), &place).await;
}

#[tokio::test]
async fn a_config_map_is_followed_by_the_poll() {
    for ignore_dot_files in [true, false] {
        let place = RulesDir::new();
        let volume = Volume(&place);
        volume.update("2026_0", None, &[("a.yaml", "0"), ("b.yaml", "0")]);
        let mut source = polled(runtime(&place, false, ignore_dot_files));
        good(&mut source).await;
        for (name, old) in [("2026_1", "2026_0"), ("2026_2", "2026_1")] {
            volume.update(name, Some(old), &[("a.yaml", name), ("b.yaml", name)]);
            let snapshot = good(&mut source).await;
            let contents: Vec<_> = place.files(&snapshot).into_iter().map(|(_, content)| content).collect();
            assert_eq!(contents, [name, name]);
        }
    }
}

#[tokio::test]
async fn a_single_key_of_a_config_map_is_followed() {
    let place = RulesDir::new();
    let volume = Volume(&place);
    volume.update("2026_a", None, &[("a.yaml", "1"), ("b.yaml", "1")]);
    let mut source = notified(Location::Path(place.path(&format!("{VOLUME}/a.yaml"))));
    good(&mut source).await;
    volume.update("2026_b", Some("2026_a"), &[("a.yaml", "2"), ("b.yaml", "2")]);
    let name = format!("{VOLUME}/a.yaml");
    assert_eq!(place.files(&good(&mut source).await), files([(name.as_str(), "2")]));
}

/// During an update two generations exist side by side.
#[test]
fn a_generation_that_is_being_written_is_not_loaded() {
    for ignore_dot_files in [true, false] {
        let place = RulesDir::new();
        Volume(&place).update("2026_a", None, &[("a.yaml", "1")]);
        place.write(&format!("{VOLUME}/..2026_b/a.yaml"), "2");
        let snapshot = tollgate::source::read(&runtime(&place, true, ignore_dot_files)).expect("a good load");
        let name = format!("{VOLUME}/a.yaml");
        assert_eq!(place.files(&snapshot), files([(name.as_str(), "1")]));
    }
}

#[test]
fn keys_with_paths_are_loaded_once() {
    for ignore_dot_files in [true, false] {
        let place = RulesDir::new();
        Volume(&place).update("2026_a", None, &[("team/a.yaml", "1")]);
        let snapshot = tollgate::source::read(&runtime(&place, true, ignore_dot_files)).expect("a good load");
        let name = format!("{VOLUME}/team/a.yaml");
        assert_eq!(place.files(&snapshot), files([(name.as_str(), "1")]));
    }
}
