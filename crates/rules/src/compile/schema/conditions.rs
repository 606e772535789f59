//! Conditions between the keys of one map.
#![allow(clippy::needless_pass_by_value)] // each part of a schema is used once

use serde_json::{Map, Value, json};

use super::value::{TRUE, any_case};
use limiter::domain::{Algorithm, TimeZone, Unit, Window};

use crate::compile::keys::{Key, MapKind};

/// The keys that a map must have.
pub(super) const fn required(map_kind: MapKind) -> &'static [Key] {
    match map_kind {
        MapKind::Root | MapKind::DomainDefaults => &[Key::Domain],
        MapKind::Descriptor => &[Key::Key],
        MapKind::RateLimits => &[Key::Unit, Key::RequestsPerUnit],
        MapKind::Replaces => &[Key::Name],
        MapKind::RateLimit | MapKind::Defaults | MapKind::DefaultsRoot => &[],
    }
}

/// Conditions that a map must fulfil, beyond the types of its keys.
pub(super) fn of(map_kind: MapKind) -> Vec<Value> {
    match map_kind {
        MapKind::Descriptor => descriptor(),
        MapKind::RateLimit => {
            let uncounted = none(&[
                Key::RequestsPerUnit,
                Key::Algorithm,
                Key::Burst,
                Key::UnitMultiplier,
                Key::CountDenied,
                Key::Calendar,
                Key::TimeZone,
            ]);
            // as in the reference, an empty unit means none
            let no_unit = json!({"enum": [null, ""]});
            let counted = json!({"allOf": [
                has(Key::Unit, json!({"not": no_unit})),
                given(Key::RequestsPerUnit),
            ]});
            let no_unit = with(Key::Unit, no_unit);
            let unlimited =
                json!({"if": is_true(Key::Unlimited), "then": {"allOf": [uncounted, no_unit]}, "else": counted});
            [vec![unlimited], limit()].concat()
        }
        MapKind::RateLimits => [vec![given(Key::Unit), given(Key::RequestsPerUnit)], limit()].concat(),
        MapKind::Root | MapKind::Replaces | MapKind::Defaults | MapKind::DefaultsRoot | MapKind::DomainDefaults => {
            Vec::new()
        }
    }
}

fn descriptor() -> Vec<Value> {
    let patterned = json!({"anyOf": [
        has(Key::Value, json!({"type": "string", "pattern": r"\*"})),
        given(Key::Values),
        given(Key::Cidr),
        given(Key::Regex),
    ]});
    let beside = none(&[Key::Name, Key::Replaces, Key::OnStoreFailure]);
    vec![
        when(given(Key::Values), none(&[Key::Value, Key::Cidr, Key::Regex])),
        when(given(Key::Cidr), none(&[Key::Value, Key::Regex])),
        when(given(Key::Regex), none(&[Key::Value])),
        when(is_true(Key::ShareThreshold), patterned),
        when(given(Key::RateLimits), none(&[Key::RateLimit])),
        json!({"if": given(Key::RateLimits), "else": beside}),
    ]
}

fn limit() -> Vec<Value> {
    let dated: Vec<&str> = [Unit::Day, Unit::Week, Unit::Month, Unit::Year].map(Unit::name).to_vec();
    debug_assert!(TimeZone::from_name("UTC").is_some_and(|utc| {
        let fits = |unit: &Unit| Window::by_calendar(*unit, std::num::NonZeroU32::MIN, utc).is_ok();
        Unit::ALL.iter().filter(|unit| fits(unit)).map(|unit| unit.name()).eq(dated.iter().copied())
    }));
    vec![
        when(given(Key::Burst), with(Key::Algorithm, json!({"enum": [null, Algorithm::TokenBucket.name()]}))),
        when(
            is_true(Key::Calendar),
            json!({"allOf": [
                with(Key::Unit, json!({"pattern": any_case(&dated)})),
                with(Key::Algorithm, json!({"enum": [null, Algorithm::FixedWindow.name()]})),
            ]}),
        ),
        when(given(Key::TimeZone), is_true(Key::Calendar)),
    ]
}

fn when(condition: Value, then: Value) -> Value {
    json!({"if": condition, "then": then})
}

/// If the key is present, its value matches.
fn with(key: Key, value: Value) -> Value {
    json!({"properties": {key.name(): value}})
}

/// The key is present, and its value matches.
fn has(key: Key, value: Value) -> Value {
    json!({"required": [key.name()], "properties": {key.name(): value}})
}

/// The key is present and not null; null means the same as leaving it out.
fn given(key: Key) -> Value {
    has(key, json!({"not": {"type": "null"}}))
}

fn none(keys: &[Key]) -> Value {
    let nulls: Map<String, Value> = keys.iter().map(|key| (key.name().to_owned(), json!({"type": "null"}))).collect();
    json!({"properties": nulls})
}

fn is_true(key: Key) -> Value {
    let words: Vec<Value> = std::iter::once(Value::Bool(true)).chain(TRUE.map(Value::from)).collect();
    has(key, json!({"enum": words}))
}
