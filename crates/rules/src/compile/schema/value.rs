//! What the value of each key may be, and what it means.
//!
//! YAML decides what a scalar is before a schema sees it, and editors read YAML 1.2 where the parser reads 1.1: `yes` and
//! `1_000` are texts to them. So the schema takes these words and numbers in quotes too, which the parser does not.

use serde_json::{Value, json};

use super::{super::header, definition, reference};
use limiter::domain::{TimeZone, Unit};

use crate::{
    compile::keys::{Key, Place},
    pattern::MAX_LENGTH,
};

/// The words that YAML 1.1 has for true and for false, as a YAML 1.2 reader sees them.
pub(super) const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// The whole numbers that YAML 1.2 has for texts: those with a `_`, in base two or, with the `o`, in base eight.
const NUMBER: &str = r"^\+?([0-9]+_[0-9_]*|0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+)$";

/// The schema of a key's value. Null is the same as leaving the key out, unless the value is needed where the key is.
pub(super) fn of(key: Key, place: Place) -> Value {
    let (kind, meaning) = describe(key, place);
    let mut schema = match kind {
        Needed(schema) => schema,
        Optional(schema) => or_null(schema),
    };
    let ours = if key.is_of_reference() { "" } else { " (Tollgate's own)" };
    schema["description"] = format!("{meaning}{ours}").into();
    schema
}

/// Says it in the place of which editors make the clearest message.
fn or_null(mut schema: Value) -> Value {
    let (kind, a_null) = (Value::from("null"), json!({"type": "null"}));
    if let Some(kinds) = schema.get_mut("type") {
        match kinds {
            Value::Array(kinds) => kinds.push(kind),
            one => *one = json!([one, kind]),
        }
    } else if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    } else if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.push(a_null);
    } else {
        schema = json!({"anyOf": [schema, a_null]});
    }
    schema
}

enum Kind {
    Needed(Value),
    Optional(Value),
}

use Kind::{Needed, Optional};

fn describe(key: Key, place: Place) -> (Kind, &'static str) {
    match key {
        Key::Domain if place == Place::DomainDefaults => {
            (Needed(domain_or_all()), "The domain as its rules name it, or \"*\" for all")
        }
        Key::Domain => (Needed(some_text()), "The domain that these rules are for"),
        Key::Descriptors => (Needed(list(Place::Descriptor)), "The rules of the next entry of a descriptor"),
        Key::Key => (Needed(key_text()), "The entry's key, exactly"),
        Key::Value => (Optional(text()), "The entry's value, or a pattern with *; any value without it"),
        Key::Values => (
            Optional(some(json!({"type": "array", "items": some_text()}))),
            "Several values or patterns, one of which the entry's value is",
        ),
        Key::Cidr => (
            Optional(json!({"anyOf": [network(), networks()]})),
            "The network, or several, that the entry's value, an IP address, is in",
        ),
        Key::Regex => (Optional(regex()), "What the entry's whole value must match: RE2's syntax, on bytes"),
        Key::RateLimit => (Needed(reference(Place::RateLimit)), "The limit"),
        Key::RateLimits => {
            (Needed(some(list(Place::RateLimits))), "Several limits, charged all or none; the tightest is reported")
        }
        Key::Unit => (Optional(unit(place)), "The unit of the window; see calendar"),
        Key::RequestsPerUnit => (Optional(number(0, u32::MAX)), "How many requests a window may hold; 0 denies all"),
        Key::Unlimited => (Optional(boolean()), "Never counted; no unit then"),
        Key::Name if place == Place::Replaces => (Needed(some_text()), "The name of a rule to replace"),
        Key::Name => (Optional(text()), "Reported with the limit, and what others' replaces name"),
        Key::Replaces => {
            (Optional(list(Place::Replaces)), "Rules that do not count for a request which this one matches too")
        }
        Key::ShadowMode => (Optional(boolean()), "Counted and reported, never enforced"),
        Key::QuotaMode => (Optional(boolean()), "Refuses only when all quota descriptors of the request are over"),
        Key::DetailedMetric => (Optional(boolean()), "Statistics of this rule by the request's values, at every level"),
        Key::ValueToMetric => (Optional(boolean()), "Statistics by the request's value, at this level"),
        Key::ShareThreshold => (Optional(boolean()), "All values that match share one counter"),
        Key::Metadata => {
            (Optional(json!({"type": "object"})), "Handed out in the answer's dynamic metadata while the rule passes")
        }
        Key::Algorithm => (Optional(choice(&header::ALGORITHMS)), "How the limit is counted; fixed_window if unsaid"),
        Key::Burst => {
            (Optional(number(1, u32::MAX)), "The size of the bucket of token_bucket; requests_per_unit if unsaid")
        }
        Key::UnitMultiplier => {
            (Optional(number(1, u32::MAX)), "The window is this many units, at most 100 years in all")
        }
        Key::CountDenied => {
            (Optional(boolean()), "A denied hit is charged too; true for fixed_window if unsaid, else false")
        }
        Key::Calendar => (
            Optional(boolean()),
            "Windows are days, weeks, months or years of a calendar; for fixed_window and these units",
        ),
        Key::TimeZone => {
            (Optional(time_zone()), "Whose calendar: a name of the IANA database, such as Europe/Berlin; UTC if unsaid")
        }
        Key::OnStoreFailure => {
            (Optional(choice(&header::FAILURE_MODES)), "The answer when the counters cannot be reached")
        }
        Key::OnUnknown => (Optional(choice(&header::ON_UNKNOWN)), "The answer for a descriptor that matches no rule"),
        Key::Atomic => (Optional(boolean()), "A request's descriptors are charged all or none"),
        Key::Defaults if place == Place::DefaultsRoot => {
            (Optional(list(Place::DomainDefaults)), "What rules are that do not say it themselves, by domain")
        }
        Key::Defaults => {
            (Optional(reference(Place::Defaults)), "What every limit of the domain is that does not say otherwise")
        }
    }
}

/// A list of maps.
fn list(place: Place) -> Value {
    debug_assert_ne!(definition(place), "root", "what is listed has a definition");
    json!({"type": "array", "items": reference(place)})
}

/// A list that is not empty.
fn some(mut list: Value) -> Value {
    list["minItems"] = 1.into();
    list
}

/// Several different networks. Values cannot be held to be different: `1` and `1.0` are, but not to JSON.
fn networks() -> Value {
    json!({"type": "array", "items": network(), "minItems": 1, "uniqueItems": true})
}

/// A text as it is written: a number or a boolean is one too.
fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// A text that is not empty.
fn some_text() -> Value {
    json!({"type": ["string", "number", "boolean"], "minLength": 1})
}

/// The key of a descriptor, in which a `*` has no meaning.
fn key_text() -> Value {
    json!({"type": ["string", "number", "boolean"], "minLength": 1, "pattern": r"^[^*]*$"})
}

fn domain_or_all() -> Value {
    json!({"type": ["string", "number", "boolean"], "minLength": 1, "pattern": r"^(\*|[^*]*)$"})
}

fn network() -> Value {
    json!({"type": "string", "pattern": r"^[0-9A-Fa-f:.]+(/[0-9]+)?$"})
}

fn regex() -> Value {
    json!({"type": ["string", "number", "boolean"], "maxLength": MAX_LENGTH})
}

fn time_zone() -> Value {
    let known = TimeZone::names();
    let examples: Vec<_> = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
        .into_iter()
        .filter(|name| known.iter().any(|known| known == name))
        .collect();
    json!({"type": "string", "minLength": 1, "examples": examples})
}

/// The words are a pattern, and no list, for an editor offers all that is in a list.
fn boolean() -> Value {
    let words = [TRUE, FALSE].concat();
    json!({"type": ["boolean", "string"], "pattern": format!("^({})$", words.join("|"))})
}

fn number(least: u32, most: u32) -> Value {
    json!({"anyOf": [
        {"type": "integer", "minimum": least, "maximum": most},
        {"type": "string", "pattern": NUMBER},
    ]})
}

fn choice<T>(choices: &[(&'static str, T)]) -> Value {
    json!({"enum": choices.iter().map(|(name, _)| *name).collect::<Vec<_>>()})
}

/// A unit in any letter case; what an editor completes is in lower case.
/// An unlimited rule may have an empty one, which is none.
fn unit(place: Place) -> Value {
    let names = Unit::ALL.map(Unit::name);
    let any_case = any_case(&names);
    let pattern = if place == Place::RateLimit { format!("{any_case}|^$") } else { any_case };
    json!({"anyOf": [{"enum": names}, {"type": "string", "pattern": pattern}]})
}

/// A pattern of these names in any letter case.
pub(super) fn any_case(names: &[&str]) -> String {
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let names: Vec<String> = names.iter().map(|name| name.chars().map(letter).collect()).collect();
    format!("^({})$", names.join("|"))
}
