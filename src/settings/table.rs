//! What a variable is, and how one is read. The variables themselves are in `variables`.

use std::ffi::OsString;
use std::fmt;

use super::empty;
use super::error::{Place, Problem};
use super::parse::Value;

/// One environment variable. The table of all of them is [`TABLE`](super::TABLE).
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value it has when it is not set, as text; may be empty.
    pub default: &'static str,
    /// What values are accepted.
    pub accepted: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// What setting it does.
    pub effect: Effect,
    /// What it says.
    pub meaning: &'static str,
}

/// Variables that are known by how their names begin, for there is no end of them. None has an effect; a warning names
/// each that is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) prefix: &'static str,
    pub(super) group: Group,
    pub(super) reason: &'static str,
    pub(super) meaning: &'static str,
}

/// What setting a variable does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What the reference does.
    Works,
    /// Something that the reference does not know.
    Ours,
    /// Nothing, for this reason; a warning says so.
    NoEffect(&'static str),
    /// Belongs to a feature that does not exist yet: asking for the feature is refused, other values are warned about.
    Later(Feature),
}

/// A feature that does not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Counters in memcached.
    Memcache,
}

impl Feature {
    /// Every one of them.
    pub const ALL: [Self; 1] = [Self::Memcache];

    /// What it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memcache => "the memcache backend",
        }
    }

    /// Why its variables do nothing while it is not asked for.
    pub(super) const fn off(self) -> &'static str {
        match self {
            Self::Memcache => "the backend is another",
        }
    }

    /// What to do while it does not exist.
    pub(super) const fn cure(self) -> &'static str {
        match self {
            Self::Memcache => "set BACKEND_TYPE=redis or BACKEND_TYPE=memory meanwhile",
        }
    }
}

/// A heading under which variables stand, in the documentation and in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Where the service listens.
    Listeners,
    /// Where the rules are.
    Rules,
    /// Where the counters are and how they are named.
    Counters,
    /// What changes decisions and answers.
    Answers,
    /// Bounds and lifetimes of the process.
    Process,
    /// Logging.
    Logging,
    /// Prometheus.
    Metrics,
    /// Other statistics sinks.
    Statsd,
    /// TLS on the listeners.
    Tls,
    /// Rules over xDS.
    Xds,
    /// Redis.
    Redis,
    /// Memcached.
    Memcache,
    /// Tracing.
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

/// A value that a flag gives, in place of its variable's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The variable that it overrides.
    pub variable: &'static str,
    /// The value.
    pub value: OsString,
}

/// A variable's value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    /// `None`: it is the default.
    pub(super) given: Option<Given>,
}

/// Where a value is from, and its text, unless that is secret.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) place: Place,
    pub(super) shown: String,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.place, self.shown)
    }
}

/// Reads variables one by one and keeps what it finds wrong.
pub(super) struct Reader<'a> {
    overrides: &'a [Override],
    env: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) problems: Vec<Problem>,
    /// The variables that have a value.
    pub(super) given: Vec<Found>,
    /// Those that are set, to nothing.
    pub(super) empty: Vec<&'static str>,
    /// What to say of values that are taken otherwise than they are written.
    pub(super) notes: Vec<Note>,
}

/// A variable that has a value.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) variable: Variable,
    pub(super) given: Given,
    /// Whether it asks for something.
    pub(super) asks: bool,
}

/// What to say of a variable's value.
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

    /// The variable's value: the flag's, else the environment's, else the default. An empty one is as none: templates make
    /// those. The default also stands in for a value that cannot be read, so that reading goes on to the next fault.
    pub(super) fn read<T: Value>(&mut self, variable: Variable) -> Read<T> {
        let is_its = |one: &&Override| one.variable == variable.name && !one.value.is_empty();
        let overriding = self.overrides.iter().find(is_its);
        let place = Place { variable: variable.name, flag: overriding.map(|one| one.flag) };
        let default = || T::parse_default(variable.default).expect("a test reads every default of the table");
        let Some(text) = overriding.map(|one| one.value.clone()).or_else(|| (self.env)(variable.name)) else {
            return Read { value: default(), given: None };
        };
        if text.is_empty() {
            self.empty.push(variable.name);
            if let Some(note) = empty::note(variable.name) {
                self.note(variable.name, format!("{place} is empty, which is as unset: {note}"));
            }
            return Read { value: default(), given: None };
        }
        let given = Given { place, shown: T::show(&text.to_string_lossy()) };
        let value: Option<T> = self.value(text.to_str(), &given, variable);
        let asks = value.as_ref().is_none_or(|value| !value.is_off());
        self.given.push(Found { variable, given: given.clone(), asks });
        Read { value: value.unwrap_or_else(default), given: Some(given) }
    }

    /// The value of a text, or `None`, and then there is a problem, unless the variable does nothing.
    fn value<T: Value>(&mut self, text: Option<&str>, given: &Given, variable: Variable) -> Option<T> {
        let Given { place, shown } = given;
        if let Some(value) = text.and_then(T::parse) {
            if let Some(hint) = text.and_then(T::hint) {
                self.note(variable.name, format!("{place} {hint}"));
            }
            return Some(value);
        }
        if let Some((value, note)) = text.and_then(T::instead) {
            self.note(variable.name, format!("{place}: {shown:?} {note}; accepted: {}", T::ACCEPTED));
            return Some(value);
        }
        if !matches!(variable.effect, Effect::NoEffect(_) | Effect::Later(_)) {
            let accepted = text.map_or(String::ACCEPTED, T::accepted);
            self.problems.push(Problem::Malformed { place: *place, value: shown.clone(), accepted });
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

/// Makes `TABLE`, and the struct `Raw` of all variables' values with its `read`, from one list.
macro_rules! variables {
    ($($group:ident { $($field:ident: $type:ty = $name:literal, $default:literal, $effect:expr, $meaning:literal;)* })*) => {
        /// Every variable, in the order of the documentation.
        pub const TABLE: &[Variable] = &[$($(row::<$type>(Group::$group, $name, $default, $effect, $meaning),)*)*];

        /// The value of every variable, each valid by itself.
        #[derive(Debug)]
        #[expect(dead_code, reason = "the variables of features that do not exist yet are read to be validated")]
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
