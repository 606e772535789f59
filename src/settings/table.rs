//! The type of a variable, and the reader of values. The variables themselves are in `variables`.

use std::ffi::OsString;
use std::fmt;

use super::empty;
use super::error::{Origin, Problem};
use super::parse::Value;

/// One environment variable. The table of all of them is [`TABLE`](super::TABLE).
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The text of the default; may be empty.
    pub default: &'static str,
    /// The values that are accepted, to follow "is not".
    pub accepted: &'static str,
    /// The heading under which it is listed.
    pub group: Group,
    /// Whether setting it has an effect, and compared with the reference which.
    pub effect: Effect,
    /// The description, in Markdown.
    pub meaning: &'static str,
}

/// Variables that are recognised by a prefix of their names, because their number is unbounded. None has an effect; a
/// warning names each that is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) prefix: &'static str,
    pub(super) group: Group,
    pub(super) reason: &'static str,
    pub(super) meaning: &'static str,
}

/// The effect of setting a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The same as in the reference.
    Works,
    /// The reference has no such variable.
    Ours,
    /// No effect, for this reason; a warning names it.
    NoEffect(&'static str),
    /// The variable belongs to a feature that does not exist yet: a warning names it, and selecting the feature is an
    /// error.
    Later(Feature),
}

/// A feature that does not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Counters in memcached.
    Memcache,
}

impl Feature {
    /// Every feature that does not exist yet.
    pub const ALL: [Self; 1] = [Self::Memcache];

    /// The name, to follow "asks for".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memcache => "the memcache backend",
        }
    }

    /// Why its variables have no effect while it is not selected.
    pub(super) const fn off(self) -> &'static str {
        match self {
            Self::Memcache => "the backend is not memcache",
        }
    }

    /// What to set while it does not exist.
    pub(super) const fn cure(self) -> &'static str {
        match self {
            Self::Memcache => "set BACKEND_TYPE=redis or BACKEND_TYPE=memory meanwhile",
        }
    }
}

/// A heading under which variables are listed, in the documentation and in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Addresses and ports of the listeners, and the HTTP/2 server.
    Listeners,
    /// The source of the rules, and how they are loaded.
    Rules,
    /// The backend, the names of counters, and failure modes.
    Counters,
    /// Modes of the decision, and the headers of the answer.
    Answers,
    /// Threads, limits of requests, and the shutdown.
    Process,
    /// Level and format of the log.
    Logging,
    /// The Prometheus endpoint.
    Metrics,
    /// Statistics sinks other than Prometheus, all without effect.
    Statsd,
    /// Certificates of the listeners.
    Tls,
    /// Connection to an xDS server.
    Xds,
    /// Connections to Redis, the breaker and the deny cache.
    Redis,
    /// Memcached, a feature that does not exist yet.
    Memcache,
    /// Tracing, without effect.
    Tracing,
}

impl Group {
    /// Every group, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Listeners,
        Self::Rules,
        Self::Counters,
        Self::Answers,
        Self::Process,
        Self::Logging,
        Self::Metrics,
        Self::Statsd,
        Self::Tls,
        Self::Xds,
        Self::Redis,
        Self::Memcache,
        Self::Tracing,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Listeners => "Listeners",
            Self::Rules => "Rules",
            Self::Counters => "Counters",
            Self::Answers => "Decisions and answers",
            Self::Process => "Process",
            Self::Logging => "Logging",
            Self::Metrics => "Prometheus",
            Self::Statsd => "Other statistics sinks",
            Self::Tls => "TLS on the listeners",
            Self::Xds => "Rules over xDS",
            Self::Redis => "Redis",
            Self::Memcache => "Memcache",
            Self::Tracing => "Tracing",
        }
    }
}

/// The value of a flag, which replaces that of its variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The variable that it overrides.
    pub variable: &'static str,
    /// The value; an empty one counts as unset.
    pub value: OsString,
}

/// The parsed value of a variable and its origin.
#[derive(Clone, Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    /// `None`: the value is the default.
    pub(super) given: Option<Given>,
}

/// The variable or flag that has a value, and the value's text without secrets.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) origin: Origin,
    pub(super) shown: String,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.origin, self.shown)
    }
}

/// Reads variables one by one and collects errors and warnings.
pub(super) struct Reader<'a> {
    overrides: &'a [Override],
    env: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) problems: Vec<Problem>,
    /// The variables that have a value.
    pub(super) given: Vec<Found>,
    /// The names of variables that are set to an empty value.
    pub(super) empty: Vec<&'static str>,
    /// Warnings about values that are empty, suspicious or substituted.
    pub(super) notes: Vec<Note>,
}

/// A variable that has a value.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) variable: Variable,
    pub(super) given: Given,
    /// Whether the value requests something ([`Value::is_off`]); one that cannot be parsed does.
    pub(super) asks: bool,
}

/// A warning about a variable's value.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// The variable's name.
    pub(super) variable: &'static str,
    /// A sentence for the log.
    pub(super) text: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(overrides: &'a [Override], env: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { overrides, env, problems: vec![], given: vec![], empty: vec![], notes: vec![] }
    }

    /// The variable's value: the flag's, else the environment's, else the default. An empty value counts as unset,
    /// because templates produce empty ones. A value that cannot be parsed is replaced by the default, so that reading
    /// continues and finds further errors.
    pub(super) fn read<T: Value>(&mut self, variable: Variable) -> Read<T> {
        let overrides_it = |one: &&Override| one.variable == variable.name && !one.value.is_empty();
        let overriding = self.overrides.iter().find(overrides_it);
        let origin = Origin { variable: variable.name, flag: overriding.map(|one| one.flag) };
        let default = || T::parse_default(variable.default).expect("a test parses every default of the table");
        let Some(text) = overriding.map(|one| one.value.clone()).or_else(|| (self.env)(variable.name)) else {
            return Read { value: default(), given: None };
        };
        if text.is_empty() {
            self.empty.push(variable.name);
            if let Some(note) = empty::note(variable.name) {
                self.note(variable.name, format!("{origin} is empty, which counts as unset: {note}"));
            }
            return Read { value: default(), given: None };
        }
        let given = Given { origin, shown: T::show(&text.to_string_lossy()) };
        let value: Option<T> = self.value(text.to_str(), &given, variable);
        let asks = value.as_ref().is_none_or(|value| !value.is_off());
        self.given.push(Found { variable, given: given.clone(), asks });
        Read { value: value.unwrap_or_else(default), given: Some(given) }
    }

    /// Parses a text. `None` if it is not accepted; this adds an error unless the variable has no effect.
    fn value<T: Value>(&mut self, text: Option<&str>, given: &Given, variable: Variable) -> Option<T> {
        let Given { origin, shown } = given;
        if let Some(value) = text.and_then(T::parse) {
            if let Some(hint) = text.and_then(T::hint) {
                self.note(variable.name, format!("{origin} {hint}"));
            }
            return Some(value);
        }
        if let Some((value, note)) = text.and_then(T::substitute) {
            self.note(variable.name, format!("{origin}: {shown:?} {note}; accepted: {}", T::ACCEPTED));
            return Some(value);
        }
        if !matches!(variable.effect, Effect::NoEffect(_) | Effect::Later(_)) {
            let accepted = text.map_or(String::ACCEPTED, T::accepted);
            self.problems.push(Problem::Malformed { origin: *origin, value: shown.clone(), accepted });
        }
        None
    }

    fn note(&mut self, variable: &'static str, text: String) {
        self.notes.push(Note { variable, text });
    }
}

pub(super) const fn row<T: Value>(
    group: Group,
    name: &'static str,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
) -> Variable {
    let accepted = match effect {
        Effect::Works | Effect::Ours => T::ACCEPTED,
        Effect::NoEffect(_) | Effect::Later(_) => "anything",
    };
    Variable { name, default, accepted, group, effect, meaning }
}

/// Defines `TABLE`, and the struct `Raw` of all variables' values with its `read`, from one list.
macro_rules! variables {
    ($($group:ident {
        $($field:ident: $type:ty = $name:literal, $default:literal, $effect:expr, $meaning:literal;)*
    })*) => {
        /// Every variable, in the order of the documentation.
        pub const TABLE: &[Variable] = &[$($(row::<$type>(Group::$group, $name, $default, $effect, $meaning),)*)*];

        /// The value of every variable, each valid by itself.
        #[derive(Debug)]
        #[expect(dead_code, reason = "variables of features that do not exist yet are parsed for validation")]
        pub(super) struct Raw {
            $($(pub(super) $field: Read<$type>,)*)*
        }

        impl Raw {
            pub(super) fn read(reader: &mut Reader<'_>) -> Self {
                Self {
                    $($($field: reader.read(row::<$type>(Group::$group, $name, $default, $effect, $meaning)),)*)*
                }
            }
        }
    };
}
pub(super) use variables;
