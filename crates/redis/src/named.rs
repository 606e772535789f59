//! Named windows: the counter of a fixed window whose key names the window, `{domain|…}f60@1796083200`. Its value is a
//! whole number, to which `INCRBY` can add. The start of the window, in seconds, follows the name that the counter has
//! in the other format, where a string of three doubles names the window.
//!
//! The window is that of the server's clock, as estimated from its replies. Once named, a hit belongs to its window,
//! whenever the server counts it.

use std::{io::Write as _, time::Duration};

use limiter::domain::{Algorithm, CounterKey, Group, Hit, Limit, Timestamp};

use super::{Server, slot};

const MICROS: f64 = 1e6;

/// How far the server's clock may be outside a named window when the script counts in it: SLACK in `lua/early.lua`.
pub(super) const SLACK: Duration = Duration::from_secs(2);

/// How much longer than its window a counter lives, besides the time that a call may be under way: the slack, and the
/// second for which plain commands trust an estimate of the server's clock. A counter that expired sooner could be
/// created anew in the same window.
pub(super) const GRACE: Duration = SLACK.saturating_add(Duration::from_secs(1));

/// The window in a counter's name. A key names its algorithm and window, so all hits of a counter have the same one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NamedWindow {
    /// Microseconds since the epoch.
    start: f64,
    /// Microseconds.
    length: f64,
    /// Whether it began before the server's first reply to this process: the former release of Tollgate may have
    /// counted in it, under the other name.
    may_import: bool,
}

impl NamedWindow {
    /// The window of this hit at the server's time; `None` if its counter is stored in the other format. That of a
    /// calendar is, because its windows have no length; that of a group whose time is given; and that of a key whose
    /// slot would change with its name.
    pub(super) fn of(group: &Group, hit: &Hit, server: &Server) -> Option<Self> {
        let is_named = group.now.is_none() && is_named(&hit.key, &hit.limit, server);
        is_named.then(|| Self::at(server.time.now, hit.limit.window().micros(), server.time.since))
    }

    fn at(now: Timestamp, length: f64, since: Timestamp) -> Self {
        let start = (now.as_f64() / length).floor() * length;
        Self { start, length, may_import: start < since.as_f64() }
    }

    /// When it starts, in microseconds since the epoch.
    pub(super) const fn start(self) -> f64 {
        self.start
    }

    /// Seconds since the epoch: windows begin at whole seconds.
    pub(super) const fn start_seconds(self) -> u64 {
        (self.start / MICROS) as u64
    }

    /// Whether the counter may have to be imported from the other format.
    pub(super) const fn may_import(self) -> bool {
        self.may_import
    }

    /// How long it is.
    pub(super) fn length(self) -> Duration {
        Duration::from_micros(self.length as u64)
    }

    /// How long the window lasts from this time on.
    pub(super) fn left_at(self, now: Timestamp) -> Duration {
        let left = (self.start + self.length - now.as_f64()).max(0.0);
        Duration::from_micros(left.ceil() as u64)
    }

    /// The instant of the window that is nearest to `now`: the time of its hits.
    pub(super) fn clamp(self, now: Timestamp) -> Timestamp {
        let within = now.as_f64().max(self.start).min(self.start + self.length - 1.0);
        Timestamp::from_micros(within as u64)
    }

    /// Appends the name of this counter in this window.
    pub(super) fn push_name(self, key: &CounterKey, into: &mut Vec<u8>) {
        into.extend_from_slice(key.as_bytes());
        write!(into, "@{}", self.start_seconds()).expect("a vector takes all bytes");
    }
}

fn is_named(key: &CounterKey, limit: &Limit, server: &Server) -> bool {
    server.names_windows
        && limit.algorithm() == Algorithm::FixedWindow
        && limit.window().calendar().is_none()
        && slot::has_tag(key.as_bytes())
}

/// By how much the estimate of the server's time may be off when a counter is reset.
const DOUBT: Duration = Duration::from_secs(1);

/// All names that the counter may have now: that of the other format, and of each window that may be the present one.
pub(super) fn names(key: &CounterKey, limit: &Limit, server: &Server) -> Vec<Vec<u8>> {
    let mut names = vec![key.as_bytes().to_vec()];
    if is_named(key, limit, server) {
        let (now, doubt) = (server.time.now.as_micros(), DOUBT.as_micros() as u64);
        for at in [now.saturating_sub(doubt), now, now.saturating_add(doubt)] {
            let window = NamedWindow::at(Timestamp::from_micros(at), limit.window().micros(), server.time.since);
            let mut name = Vec::new();
            window.push_name(key, &mut name);
            names.push(name);
        }
        names.dedup();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use limiter::domain::{Charge, Limit, TimeZone, Unit, Window};

    const NOW: u64 = 1_796_083_262_500_000;

    fn server() -> Server {
        Server {
            time: crate::ServerTime { now: Timestamp::from_micros(NOW), ..crate::ServerTime::unknown() },
            ..Server::unknown()
        }
    }

    fn named(key: &str, limit: Limit) -> Option<NamedWindow> {
        let hit = Hit::new(CounterKey::from_bytes(key.as_bytes()), limit, Charge::Take(1));
        NamedWindow::of(&Group::single(hit.clone()), &hit, &server())
    }

    #[test]
    fn a_window_is_named_by_its_start_in_seconds() {
        let minute = named("{d|k=v}f60", Limit::fixed_window(3, Unit::Minute)).expect("a named window");
        let mut name = Vec::new();
        minute.push_name(&CounterKey::from_bytes(b"{d|k=v}f60"), &mut name);
        assert_eq!(String::from_utf8_lossy(&name), "{d|k=v}f60@1796083260");
        assert_eq!(slot::of(&name), slot::of(b"{d|k=v}f60"));
        assert_eq!((minute.start(), minute.length()), (1_796_083_260e6, Duration::from_secs(60)));
        assert_eq!(minute.left_at(Timestamp::from_micros(NOW)), Duration::from_millis(57_500));
        assert_eq!(minute.left_at(Timestamp::from_micros(NOW + 60_000_000)), Duration::ZERO);
        let clamped = |at| minute.clamp(Timestamp::from_micros(at)).as_micros();
        assert_eq!(clamped(NOW), NOW);
        assert_eq!(clamped(NOW - 3_000_000), 1_796_083_260_000_000);
        assert_eq!(clamped(NOW + 60_000_000), 1_796_083_319_999_999);
    }

    #[test]
    fn other_counters_keep_the_other_format() {
        let minute = Limit::fixed_window(3, Unit::Minute);
        assert_eq!(named("d|k=v|f60", minute), None, "no hash tag: its slot would change with its name");
        assert_eq!(named("{}d|k=v|f60", minute), None);
        let limit = |algorithm, window| Limit::new(algorithm, 3, window, None, None).expect("a limit");
        for algorithm in [Algorithm::SlidingWindow, Algorithm::TokenBucket] {
            assert_eq!(named("{d}x", limit(algorithm, Unit::Minute.into())), None, "{algorithm}");
        }
        let month =
            Window::by_calendar(Unit::Month, std::num::NonZeroU32::MIN, TimeZone::from_name("UTC").expect("known"))
                .expect("a window");
        assert_eq!(named("{d}x", limit(Algorithm::FixedWindow, month)), None);
        let hit = Hit::new(CounterKey::from_bytes(b"{d}x"), minute, Charge::Take(1));
        let group = Group::single(hit.clone());
        assert_eq!(NamedWindow::of(&group.clone().at(Timestamp::from_micros(5)), &hit, &server()), None);
        assert!(NamedWindow::of(&group, &hit, &server()).is_some());
        assert_eq!(NamedWindow::of(&group, &hit, &Server { names_windows: false, ..server() }), None);
    }

    #[test]
    fn a_window_that_began_before_the_first_reply_may_have_a_counter_to_import() {
        let limit = Limit::fixed_window(3, Unit::Minute);
        let hit = Hit::new(CounterKey::from_bytes(b"{d}x"), limit, Charge::Take(1));
        let group = Group::single(hit.clone());
        for (since, may_import) in [(1_796_083_260_000_000, false), (1_796_083_260_000_001, true)] {
            let time = crate::ServerTime { since: Timestamp::from_micros(since), ..server().time };
            let window = NamedWindow::of(&group, &hit, &Server { time, ..server() }).expect("a named window");
            assert_eq!(window.may_import(), may_import, "{since}");
        }
    }
}
