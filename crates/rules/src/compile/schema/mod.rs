//! The JSON Schema of rule files and of files of defaults, by which editors complete and check them. Which keys there are,
//! and where, comes from the table that the parser uses; `tests/library/schema.rs` holds the rest against the parser.
//!
//! It flags what the parser refuses or warns of, as far as a schema can know: not what siblings, other files or the store
//! have to do with, nor whether a regular expression, a network or a time zone is a good one.

mod conditions;
mod value;

use serde_json::{Map, Value, json};

use super::keys::{Key, Place};

/// The dialect, the newest that editors agree on.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a rule file.
#[must_use]
pub fn rules_schema() -> Value {
    let parts = [Place::Descriptor, Place::RateLimit, Place::RateLimits, Place::Replaces, Place::Defaults];
    schema("Rules of Tollgate, the rate limit service", Place::Root, &parts)
}

/// The schema of a file of defaults.
#[must_use]
pub fn defaults_schema() -> Value {
    let title = "Defaults of the rules of Tollgate, the rate limit service: the file that RULE_DEFAULTS names";
    schema(title, Place::DefaultsRoot, &[Place::DomainDefaults])
}

fn schema(title: &str, root: Place, parts: &[Place]) -> Value {
    let definitions: Map<String, Value> =
        parts.iter().map(|place| (definition(*place).to_owned(), object(*place))).collect();
    let mut schema = object(root);
    schema["$schema"] = DRAFT.into();
    schema["title"] = title.into();
    schema["definitions"] = definitions.into();
    schema
}

/// What a map is called among the definitions.
const fn definition(place: Place) -> &'static str {
    match place {
        Place::Root | Place::DefaultsRoot => "root",
        Place::Descriptor => "descriptor",
        Place::RateLimit => "rate_limit",
        Place::RateLimits => "rate_limits_element",
        Place::Replaces => "replaces_element",
        Place::Defaults => "defaults",
        Place::DomainDefaults => "defaults_element",
    }
}

fn reference(place: Place) -> Value {
    json!({"$ref": format!("#/definitions/{}", definition(place))})
}

/// A map of the format.
fn object(place: Place) -> Value {
    let keys = Key::ALL.iter().filter(|key| key.belongs_in(place));
    let properties: Map<String, Value> = keys.map(|key| (key.name().to_owned(), value::of(*key, place))).collect();
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let required: Vec<&str> = conditions::required(place).iter().map(|key| key.name()).collect();
    if !required.is_empty() {
        object["required"] = required.into();
    }
    let conditions = conditions::of(place);
    if !conditions.is_empty() {
        object["allOf"] = conditions.into();
    }
    object
}
