//! Converts xDS messages to the YAML of a rule file with the same rules. Validation is left to the compiler.

use envoy_types::pb::{
    google::protobuf::{Struct, Value, value::Kind},
    ratelimit::config::ratelimit::v3::{RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit},
};
use rules::{ListWriter, MapWriter, RuleResource, TooLarge};

/// Converts the rules of one domain. `name`: the name of the resource in errors.
pub(super) fn resource(name: &str, config: &RateLimitConfig) -> Result<RuleResource, TooLarge> {
    RuleResource::new(name, |file| {
        file.text("domain", &config.domain);
        descriptors(file, &config.descriptors);
    })
}

fn descriptors(into: &mut MapWriter<'_>, descriptors: &[RateLimitDescriptor]) {
    if !descriptors.is_empty() {
        into.list("descriptors", |list| {
            for one in descriptors {
                list.map(|map| descriptor(map, one));
            }
        });
    }
}

fn descriptor(into: &mut MapWriter<'_>, descriptor: &RateLimitDescriptor) {
    into.text("key", &descriptor.key);
    text(into, "value", &descriptor.value);
    flag(into, "shadow_mode", descriptor.shadow_mode);
    flag(into, "quota_mode", descriptor.quota_mode);
    flag(into, "detailed_metric", descriptor.detailed_metric);
    if let Some(policy) = &descriptor.rate_limit {
        into.map("rate_limit", |map| rate_limit(map, policy));
    }
    if let Some(metadata) = &descriptor.metadata {
        into.map("metadata", |map| fields(map, metadata));
    }
    descriptors(into, &descriptor.descriptors);
}

fn rate_limit(into: &mut MapWriter<'_>, policy: &RateLimitPolicy) {
    match RateLimitUnit::try_from(policy.unit) {
        // omitted, which the compiler accepts only in an unlimited rule
        Ok(RateLimitUnit::Unknown) => {}
        Ok(unit) => into.text("unit", unit.as_str_name()),
        Err(_) => into.text("unit", &policy.unit.to_string()),
    }
    // 0 is a valid limit, but means unset in an unlimited rule
    if policy.requests_per_unit > 0 || !policy.unlimited {
        into.plain("requests_per_unit", policy.requests_per_unit);
    }
    flag(into, "unlimited", policy.unlimited);
    text(into, "name", &policy.name);
    if !policy.replaces.is_empty() {
        into.list("replaces", |list| {
            for one in &policy.replaces {
                list.map(|map| map.text("name", &one.name));
            }
        });
    }
}

/// Writes a text unless it is empty, which in proto3 means unset.
fn text(into: &mut MapWriter<'_>, key: &str, value: &str) {
    if !value.is_empty() {
        into.text(key, value);
    }
}

fn flag(into: &mut MapWriter<'_>, key: &str, value: bool) {
    if value {
        into.plain(key, true);
    }
}

fn fields(into: &mut MapWriter<'_>, fields: &Struct) {
    for (key, value) in &fields.fields {
        match &value.kind {
            Some(Kind::StructValue(inner)) => into.map(key, |map| self::fields(map, inner)),
            Some(Kind::ListValue(inner)) => into.list(key, |list| values(list, &inner.values)),
            Some(Kind::StringValue(text)) => into.text(key, text),
            Some(Kind::BoolValue(flag)) => into.plain(key, flag),
            Some(Kind::NumberValue(number)) => into.plain(key, format_args!("{number:?}")),
            Some(Kind::NullValue(_)) | None => into.plain(key, "null"),
        }
    }
}

fn values(into: &mut ListWriter<'_>, values: &[Value]) {
    for value in values {
        match &value.kind {
            Some(Kind::StructValue(inner)) => into.map(|map| fields(map, inner)),
            Some(Kind::ListValue(inner)) => into.list(|list| self::values(list, &inner.values)),
            Some(Kind::StringValue(text)) => into.text(text),
            Some(Kind::BoolValue(flag)) => into.plain(flag),
            Some(Kind::NumberValue(number)) => into.plain(format_args!("{number:?}")),
            Some(Kind::NullValue(_)) | None => into.plain("null"),
        }
    }
}
