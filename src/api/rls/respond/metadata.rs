//! Dynamic metadata: the request and the metadata of its rules, as a protobuf `Struct`.

use std::collections::HashMap;

use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use limiter::domain::{Decision, Descriptor, Escaped, Metadata, MetadataValue, Request};

use crate::api::rls::unit::unit_text;

/// The request, for later filters and logs. All of it is valid text: Envoy rejects an answer with a string that is not
/// UTF-8.
pub(super) fn echoed(request: &Request<'_>) -> Struct {
    let mut fields = HashMap::from([
        ("domain".to_owned(), string(Escaped(request.domain).to_string())),
        ("descriptors".to_owned(), list(request.descriptors.iter().map(descriptor))),
    ]);
    if request.amount != 0 {
        fields.insert("hitsAddend".to_owned(), count(request.amount));
    }
    Struct { fields }
}

/// Adds the metadata of the rules that passed.
pub(super) fn complete(mut echoed: Struct, decision: &Decision) -> Struct {
    let passed = &decision.metadata;
    if !passed.is_empty() {
        echoed.fields.insert("metadata".to_owned(), structure(metadata(passed)));
    }
    if decision.degraded {
        echoed.fields.insert("degraded".to_owned(), value(Kind::BoolValue(true)));
    }
    echoed
}

fn descriptor(descriptor: &Descriptor<'_>) -> Value {
    let entries = descriptor.entries.iter();
    let entries = entries.map(|entry| string(format!("{}={}", Escaped(entry.key), Escaped(entry.value))));
    let mut fields = HashMap::from([("entries".to_owned(), list(entries))]);
    if let Some(limit) = &descriptor.limit {
        // the text form of the protobuf message, which omits fields that are 0
        let requests = (limit.requests != 0).then(|| format!("requests_per_unit:{}", limit.requests));
        let unit = unit_text(limit.unit).map(|unit| format!("unit:{unit}"));
        let text: Vec<_> = requests.into_iter().chain(unit).collect();
        fields.insert("limit".to_owned(), string(text.join(" ")));
    }
    if let Some(hits) = descriptor.amount {
        fields.insert("hitsAddend".to_owned(), count(hits));
    }
    structure(Struct { fields })
}

fn metadata(map: &Metadata) -> Struct {
    Struct { fields: map.iter().map(|(key, value)| (key.to_owned(), metadata_value(value))).collect() }
}

fn metadata_value(from: &MetadataValue) -> Value {
    match from {
        MetadataValue::Null => value(Kind::NullValue(0)),
        MetadataValue::Bool(flag) => value(Kind::BoolValue(*flag)),
        MetadataValue::Number(from) => number(*from),
        MetadataValue::String(text) => string(text.to_string()),
        MetadataValue::List(items) => list(items.iter().map(metadata_value)),
        MetadataValue::Map(map) => structure(metadata(map)),
    }
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn string(text: String) -> Value {
    value(Kind::StringValue(text))
}

fn number(from: f64) -> Value {
    value(Kind::NumberValue(from))
}

#[allow(clippy::cast_precision_loss)]
fn count(hits: u64) -> Value {
    number(hits as f64)
}

fn structure(from: Struct) -> Value {
    value(Kind::StructValue(from))
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    value(Kind::ListValue(ListValue { values: values.collect() }))
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use limiter::domain::{Code, Entry, LimitOverride, Unit};

    #[test]
    fn dynamic_metadata_is_valid_text_whatever_the_request() {
        let descriptor = Descriptor {
            entries: smallvec![Entry::new("ua", b"caf\xe9"), Entry::new(b"k\xff", "é")],
            limit: Some(LimitOverride { requests: 3, unit: Ok(Unit::Minute) }),
            amount: Some(2),
            gives_back: false,
        };
        let request = Request { domain: b"d\xff", descriptors: smallvec![descriptor], amount: 4 };
        let decision = Decision {
            code: Code::Ok,
            statuses: smallvec![],
            tightest: None,
            metadata: Metadata::default(),
            degraded: false,
            unknown_domain: false,
        };
        let wanted = Struct {
            fields: HashMap::from([
                ("domain".to_owned(), string(r"d\xff".to_owned())),
                ("hitsAddend".to_owned(), number(4.0)),
                (
                    "descriptors".to_owned(),
                    list(std::iter::once(structure(Struct {
                        fields: HashMap::from([
                            (
                                "entries".to_owned(),
                                list([r"ua=caf\xe9", r"k\xff=é"].map(|text| string(text.to_owned())).into_iter()),
                            ),
                            ("limit".to_owned(), string("requests_per_unit:3 unit:MINUTE".to_owned())),
                            ("hitsAddend".to_owned(), number(2.0)),
                        ]),
                    }))),
                ),
            ]),
        };
        assert_eq!(complete(echoed(&request), &decision), wanted);
    }
}
