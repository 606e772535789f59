//! How the text of a variable becomes a value: what each type of values says of itself. The types are in `types` and
//! `choices`, and beside what they are for.

use std::time::Duration;

/// What is printed for a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// A type of values that a variable can have.
pub(super) trait Value: Sized {
    /// What is accepted, to follow "is not".
    const ACCEPTED: &'static str;

    /// The value of this text, which is not empty, unless an empty one is a default of the table.
    fn parse(text: &str) -> Option<Self>;

    /// What to say in place of [`Value::ACCEPTED`] of a text whose fault is known.
    fn accepted(_: &str) -> &'static str {
        Self::ACCEPTED
    }

    /// What stands in for a text that is no value, but which the reference runs with; and what to say of it, to follow
    /// the text.
    fn instead(_: &str) -> Option<(Self, &'static str)> {
        None
    }

    /// What is odd about the text of a value, to follow the variable's name.
    fn hint(_: &str) -> Option<&'static str> {
        None
    }

    /// The text as it may be printed.
    fn show(text: &str) -> String {
        text.to_owned()
    }

    /// The value of a default of the table.
    fn parse_default(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// True if the value asks for nothing, so that no warning is due where it has no effect.
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

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        T::instead(text).map(|(value, note)| (Some(value), note))
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

/// Of variables by which zero is never.
pub(super) fn unless_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.trim().is_empty())
}

/// Makes an enum that is written as one of some words, in any case of letters.
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
