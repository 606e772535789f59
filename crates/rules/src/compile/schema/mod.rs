//! The JSON Schema of rule files and of files of defaults, with which editors complete and check them. Which keys
//! exist, and where, comes from the table that the parser uses; `tests/library/schema.rs` compares the rest with the
//! parser.
//!
//! It flags what the parser rejects or warns about, as far as a schema can: not what depends on siblings, other files
//! or the store, nor whether a regular expression, a network or a time zone is valid.

mod conditions;
mod value;

use serde_json::{Map, Value, json};

use super::keys::{Key, MapKind};

/// The newest dialect that all common editors support.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a rule file.
#[must_use]
pub fn rules_schema() -> Value {
    let parts = [MapKind::Descriptor, MapKind::RateLimit, MapKind::RateLimits, MapKind::Replaces, MapKind::Defaults];
    schema("Rules of Tollgate, the rate limit service", MapKind::Root, &parts)
}

/// The schema of a file of defaults.
#[must_use]
pub fn defaults_schema() -> Value {
    let title = "Defaults of the rules of Tollgate, the rate limit service: the file that RULE_DEFAULTS names";
    schema(title, MapKind::DefaultsRoot, &[MapKind::DomainDefaults])
}

fn schema(title: &str, root: MapKind, parts: &[MapKind]) -> Value {
    let definitions: Map<String, Value> =
        parts.iter().map(|map_kind| (definition(*map_kind).to_owned(), object(*map_kind))).collect();
    let mut schema = object(root);
    schema["$schema"] = DRAFT.into();
    schema["title"] = title.into();
    schema["definitions"] = definitions.into();
    schema
}

/// The name of a map among the schema's definitions.
const fn definition(map_kind: MapKind) -> &'static str {
    match map_kind {
        MapKind::Root | MapKind::DefaultsRoot => "root",
        MapKind::Descriptor => "descriptor",
        MapKind::RateLimit => "rate_limit",
        MapKind::RateLimits => "rate_limits_element",
        MapKind::Replaces => "replaces_element",
        MapKind::Defaults => "defaults",
        MapKind::DomainDefaults => "defaults_element",
    }
}

fn reference(map_kind: MapKind) -> Value {
    json!({"$ref": format!("#/definitions/{}", definition(map_kind))})
}

/// The schema of a map.
fn object(map_kind: MapKind) -> Value {
    let keys = Key::ALL.iter().filter(|key| key.belongs_in(map_kind));
    let properties: Map<String, Value> = keys.map(|key| (key.name().to_owned(), value::of(*key, map_kind))).collect();
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let required: Vec<&str> = conditions::required(map_kind).iter().map(|key| key.name()).collect();
    if !required.is_empty() {
        object["required"] = required.into();
    }
    let conditions = conditions::of(map_kind);
    if !conditions.is_empty() {
        object["allOf"] = conditions.into();
    }
    object
}
