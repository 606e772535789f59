//! The trait of types that the text of a variable is parsed into. It is implemented in `types` and `choices`, and next
//! to the types of one subject (`address`, `redis`, `xds`).

use std::time::Duration;

/// What is printed for a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// A type that the text of a variable is parsed into.
pub(super) trait Value: Sized {
    /// What is accepted, to follow "is not".
    const ACCEPTED: &'static str;

    /// Parses a text. It is empty only if the table has an empty default.
    fn parse(text: &str) -> Option<Self>;

    /// A better description than [`Value::ACCEPTED`] for a text with a known mistake.
    fn accepted(_: &str) -> &'static str {
        Self::ACCEPTED
    }

    /// The value to use for a text that is not accepted but that the reference runs with, and a warning, to follow the
    /// text.
    fn substitute(_: &str) -> Option<(Self, &'static str)> {
        None
    }

    /// A warning about the text of an accepted value, to follow the variable's name.
    fn hint(_: &str) -> Option<&'static str> {
        None
    }

    /// The text without its secrets, for messages.
    fn show(text: &str) -> String {
        text.to_owned()
    }

    /// Parses a default of the table.
    fn parse_default(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// Whether the value requests nothing, so that no warning is due where it has no effect.
    fn is_off(&self) -> bool {
        false
    }
}

impl<T: Value> Value for Option<T> {
    const ACCEPTED: &'static str = T::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn accepted(text: &str) -> &'static str {
        T::accepted(text)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        T::substitute(text).map(|(value, note)| (Some(value), note))
    }

    fn hint(text: &str) -> Option<&'static str> {
        T::hint(text)
    }

    fn parse_default(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text).map(Some) }
    }

    fn show(text: &str) -> String {
        T::show(text)
    }

    fn is_off(&self) -> bool {
        self.as_ref().is_none_or(T::is_off)
    }
}

/// The value of a variable whose 0 means "never".
pub(super) fn unless_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

/// The parts of a comma-separated list; a blank text has none.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.trim().is_empty())
}

/// Defines an enum whose variants are written as words, in upper or lower case.
macro_rules! words {
    ($(#[$doc:meta])* $visibility:vis $name:ident, $accepted:literal, $($variant:ident = $($word:literal)|+),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name { $($variant),+ }

        impl Value for $name {
            const ACCEPTED: &'static str = $accepted;

            fn parse(text: &str) -> Option<Self> {
                match text.to_ascii_lowercase().as_str() {
                    $($($word)|+ => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use words;
