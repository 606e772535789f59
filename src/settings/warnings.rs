//! Warnings about settings that have no effect, or another effect than they appear to have.

use super::inactive::Inactive;
use super::mistyped;
use super::parse::HIDDEN;
use super::table::{Found, Given, Note};
use super::variables::{FAMILIES, TABLE};

/// The most characters of a value that are shown.
const SHOWN: usize = 60;

/// What was found out about the variables that have a value.
pub(super) struct Findings {
    /// The variables that have a value.
    pub(super) given: Vec<Found>,
    /// Warnings about single values.
    pub(super) notes: Vec<Note>,
}

/// One warning for each reason why settings have no effect, one for each note about a setting that has an effect, and
/// one for each name that looks like a mistyped variable. `names`: all non-empty variables of the environment.
pub(super) fn warnings(inactive: &Inactive<'_>, findings: Findings, names: &[String]) -> Vec<String> {
    let Findings { given, notes } = findings;
    let mut reasons: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut add = |reason: &'static str, what: String| match reasons.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, all)) => all.push(what),
        None => reasons.push((reason, vec![what])),
    };
    for Found { variable, given, .. } in given.iter().filter(|found| found.asks) {
        if let Some(reason) = inactive.unused(variable) {
            add(reason, shown(variable.name, given));
        }
    }
    for family in FAMILIES {
        for name in names.iter().filter(|name| name.starts_with(family.prefix)) {
            // without the value: some variables of the family contain secrets
            add(family.reason, name.clone());
        }
    }
    for Found { variable, given, .. } in &given {
        if let Some(reason) = inactive.replaced(variable.name) {
            add(reason, shown(&given.origin.to_string(), given));
        }
    }
    let has_no_effect = |name: &str| TABLE.iter().any(|one| one.name == name && inactive.reason(one).is_some());
    let notes = notes.into_iter().filter(|note| !has_no_effect(note.variable)).map(|note| note.text);
    let reasons = reasons.into_iter().map(|(reason, all)| format!("no effect: {}: {reason}", all.join(", ")));
    reasons.chain(notes).chain(mistyped::warnings(names)).collect()
}

/// A name with its value on one line. The value is omitted if it may be secret, and truncated if it is long.
fn shown(name: &str, given: &Given) -> String {
    let value = &given.shown;
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '"');
    if value == HIDDEN {
        name.to_owned()
    } else if value.len() <= SHOWN && value.chars().all(is_plain) {
        format!("{name}={value}")
    } else if value.chars().nth(SHOWN).is_none() {
        format!("{name}={value:?}")
    } else {
        format!("{name}={:?}", value.chars().take(SHOWN).chain(['…']).collect::<String>())
    }
}
