//! The schema and the description of each key's value.
//!
//! YAML types a scalar before a schema sees it, and editors read YAML 1.2 while the parser reads 1.1: to them `yes` and
//! `1_000` are text. So the schema also accepts these words and numbers as text in quotes, which the parser rejects.

use serde_json::{Value, json};

use super::{super::header, definition, reference};
use limiter::domain::{TimeZone, Unit};

use crate::{
    compile::keys::{Key, MapKind},
    pattern::MAX_LENGTH,
};

/// The words for true in YAML 1.1 that a YAML 1.2 reader sees as text.
pub(super) const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// The whole numbers of YAML 1.1 that YAML 1.2 sees as text: with a `_`, binary, or octal with an `o`.
const NUMBER: &str = r"^\+?([0-9]+_[0-9_]*|0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+)$";

/// The schema of a key's value. Null means the same as leaving the key out, unless the key needs a value.
pub(super) fn of(key: Key, map_kind: MapKind) -> Value {
    let (kind, meaning) = describe(key, map_kind);
    let mut schema = match kind {
        Needed(schema) => schema,
        Optional(schema) => or_null(schema),
    };
    let ours = if key.is_of_reference() { "" } else { " (only in Tollgate)" };
    schema["description"] = format!("{meaning}{ours}").into();
    schema
}

/// Adds null where editors make the clearest message of it.
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

fn describe(key: Key, map_kind: MapKind) -> (Kind, &'static str) {
    match key {
        Key::Domain if map_kind == MapKind::DomainDefaults => {
            (Needed(domain_or_all()), "The name of a domain, or \"*\" for all")
        }
        Key::Domain => (Needed(some_text()), "The domain that these rules are for"),
        Key::Descriptors => (Needed(list(MapKind::Descriptor)), "The rules for the next entry of a descriptor"),
        Key::Key => (Needed(key_text()), "The entry's key, exactly"),
        Key::Value => (Optional(text()), "The entry's value, or a pattern with *; without this key any value matches"),
        Key::Values => (
            Optional(some(json!({"type": "array", "items": some_text()}))),
            "Several values or patterns; the entry's value must match one of them",
        ),
        Key::Cidr => (
            Optional(json!({"anyOf": [network(), networks()]})),
            "One network or several; the entry's value must be an IP address in one of them",
        ),
        Key::Regex => (Optional(regex()), "A regular expression for the entry's whole value: RE2's syntax, on bytes"),
        Key::RateLimit => (Needed(reference(MapKind::RateLimit)), "The limit"),
        Key::RateLimits => {
            (Needed(some(list(MapKind::RateLimits))), "Several limits, charged all or none; the tightest is reported")
        }
        Key::Unit => (Optional(unit(map_kind)), "The unit of the window; see calendar"),
        Key::RequestsPerUnit => {
            (Optional(number(0, u32::MAX)), "The number of requests allowed per window; 0 denies all")
        }
        Key::Unlimited => (Optional(boolean()), "No limit and no counter; unit must be left out"),
        Key::Name if map_kind == MapKind::Replaces => (Needed(some_text()), "The name of a rule to replace"),
        Key::Name => {
            (Optional(text()), "The rule's name, reported with the limit; other rules can refer to it in replaces")
        }
        Key::Replaces => {
            (Optional(list(MapKind::Replaces)), "Rules that are not counted for requests that match this rule too")
        }
        Key::ShadowMode => (Optional(boolean()), "Counted and reported, never enforced"),
        Key::QuotaMode => {
            (Optional(boolean()), "Denies only if all quota descriptors of the request are over their limits")
        }
        Key::DetailedMetric => {
            (Optional(boolean()), "Statistics of this rule for each of the request's values, at every level")
        }
        Key::ValueToMetric => (Optional(boolean()), "Statistics for each of the request's values, at this level"),
        Key::ShareThreshold => (Optional(boolean()), "All values that match share one counter"),
        Key::Metadata => {
            (Optional(json!({"type": "object"})), "Returned in the response's dynamic metadata if the rule passes")
        }
        Key::Algorithm => (Optional(choice(&header::ALGORITHMS)), "How the limit is counted; default: fixed_window"),
        Key::Burst => {
            (Optional(number(1, u32::MAX)), "The size of the bucket of token_bucket; default: requests_per_unit")
        }
        Key::UnitMultiplier => {
            (Optional(number(1, u32::MAX)), "The number of units in a window, which is at most 100 years long")
        }
        Key::CountDenied => {
            (Optional(boolean()), "Whether denied hits are charged too; default: true for fixed_window, else false")
        }
        Key::Calendar => (
            Optional(boolean()),
            "Windows follow the calendar; only for fixed_window, and days, weeks, months or years",
        ),
        Key::TimeZone => (
            Optional(time_zone()),
            "The calendar's time zone: a name of the IANA database, such as Europe/Berlin; default: UTC",
        ),
        Key::OnStoreFailure => {
            (Optional(choice(&header::FAILURE_MODES)), "The answer if the counters cannot be reached")
        }
        Key::OnUnknown => (Optional(choice(&header::ON_UNKNOWN)), "The answer for a descriptor that matches no rule"),
        Key::Atomic => (Optional(boolean()), "A request's descriptors are charged all or none"),
        Key::Defaults if map_kind == MapKind::DefaultsRoot => (
            Optional(list(MapKind::DomainDefaults)),
            "Defaults for rules that do not set an option themselves, by domain",
        ),
        Key::Defaults => (Optional(reference(MapKind::Defaults)), "Defaults for the limits of the domain"),
    }
}

/// A list of maps.
fn list(map_kind: MapKind) -> Value {
    debug_assert_ne!(definition(map_kind), "root", "list elements have a definition");
    json!({"type": "array", "items": reference(map_kind)})
}

/// A list that is not empty.
fn some(mut list: Value) -> Value {
    list["minItems"] = 1.into();
    list
}

/// Several different networks. Values cannot have `uniqueItems`: `1` and `1.0` are different values, but equal in JSON.
fn networks() -> Value {
    json!({"type": "array", "items": network(), "minItems": 1, "uniqueItems": true})
}

/// Text, as written: numbers and booleans are accepted as text.
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

/// The words are a pattern and not an enum, because editors would suggest each word of an enum.
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

/// A unit in any letter case; editors suggest lower case. For an unlimited rule it may be empty.
fn unit(map_kind: MapKind) -> Value {
    let names = Unit::ALL.map(Unit::name);
    let any_case = any_case(&names);
    let pattern = if map_kind == MapKind::RateLimit { format!("{any_case}|^$") } else { any_case };
    json!({"anyOf": [{"enum": names}, {"type": "string", "pattern": pattern}]})
}

/// A pattern that matches these names in any letter case.
pub(super) fn any_case(names: &[&str]) -> String {
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let names: Vec<String> = names.iter().map(|name| name.chars().map(letter).collect()).collect();
    format!("^({})$", names.join("|"))
}
