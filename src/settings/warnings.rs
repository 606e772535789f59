//! What was asked for and has no effect, or another than was written.

use super::idle::Idle;
use super::mistyped;
use super::parse::HIDDEN;
use super::table::{Found, Given, Note};
use super::variables::{FAMILIES, TABLE};

/// As much of a value is shown.
const SHOWN: usize = 60;

/// What was found out about the variables that have a value.
pub(super) struct Findings {
    /// All of them.
    pub(super) given: Vec<Found>,
    /// What is odd about the values of some.
    pub(super) notes: Vec<Note>,
}

/// One sentence for each reason why something that was asked for has no effect, one for each value that is odd and has
/// one, and one for each name that looks like a mistyped variable. `names` are those of the whole environment that are not empty.
pub(super) fn warnings(idle: &Idle<'_>, findings: Findings, names: &[String]) -> Vec<String> {
    let Findings { given, notes } = findings;
    let mut reasons: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut add = |reason: &'static str, what: String| match reasons.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, all)) => all.push(what),
        None => reasons.push((reason, vec![what])),
    };
    for Found { variable, given, .. } in given.iter().filter(|found| found.asks) {
        if let Some(reason) = idle.useless(variable) {
            add(reason, shown(variable.name, given));
        }
    }
    for family in FAMILIES {
        for name in names.iter().filter(|name| name.starts_with(family.prefix)) {
            // of no end of names, some have values that are secret
            add(family.reason, name.clone());
        }
    }
    for Found { variable, given, .. } in &given {
        if let Some(reason) = idle.replaced(variable.name) {
            add(reason, shown(&given.place.to_string(), given));
        }
    }
    let in_vain = |name: &str| TABLE.iter().any(|one| one.name == name && idle.reason(one).is_some());
    let notes = notes.into_iter().filter(|note| !in_vain(note.variable)).map(|note| note.text);
    let reasons = reasons.into_iter().map(|(reason, all)| format!("no effect: {}: {reason}", all.join(", ")));
    reasons.chain(notes).chain(mistyped::warnings(names)).collect()
}

/// A name with its value, unless that may be secret: in one line, and no more of it than helps to find it.
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
