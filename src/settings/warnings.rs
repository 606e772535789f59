//! What was asked for and has no effect, or another than was written.

use super::error::Place;
use super::idle::Idle;
use super::mistyped;
use super::table::{Note, Variable};
use super::variables::FAMILIES;

/// What was found out about the variables that have a value.
pub(super) struct Findings {
    /// All of them, and where each value is from.
    pub(super) given: Vec<(Variable, Place)>,
    /// Those that ask for something.
    pub(super) asked: Vec<Variable>,
    /// What is odd about the values of some.
    pub(super) notes: Vec<Note>,
}

/// One sentence for each reason why something that was asked for has no effect, one for each value that is odd and has
/// one, and one for each name that looks like a mistyped variable. `names` are those of the whole environment that are not empty.
pub(super) fn warnings(idle: &Idle<'_>, findings: Findings, names: &[String]) -> Vec<String> {
    let Findings { given, asked, notes } = findings;
    let mut reasons: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut add = |reason: &'static str, what: String| match reasons.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, all)) => all.push(what),
        None => reasons.push((reason, vec![what])),
    };
    for variable in &asked {
        if let Some(reason) = idle.useless(variable) {
            add(reason, variable.name.to_owned());
        }
    }
    for family in FAMILIES {
        for name in names.iter().filter(|name| name.starts_with(family.prefix)) {
            add(family.reason, name.clone());
        }
    }
    for (variable, place) in &given {
        if let Some(reason) = idle.replaced(variable.name) {
            add(reason, place.to_string());
        }
    }
    let in_vain = |name: &str| given.iter().any(|(one, _)| one.name == name && idle.reason(one).is_some());
    let notes = notes.into_iter().filter(|note| !in_vain(note.variable)).map(|note| note.text);
    let reasons = reasons.into_iter().map(|(reason, all)| format!("no effect: {}: {reason}", all.join(", ")));
    reasons.chain(notes).chain(mistyped::warnings(names)).collect()
}
