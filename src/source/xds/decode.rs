//! From a response to resources, whatever their order, or to what is wrong with its bytes.

use envoy_types::pb::{google::protobuf::Any, ratelimit::config::ratelimit::v3::RateLimitConfig};
use prost::{Message as _, Name as _};

use super::convert;
use rules::RuleResource;

use crate::source::{ContentHash, snapshot::SetHasher};

/// What a response carries.
pub(super) struct Sent {
    /// Of the response; each resource has its own.
    pub(super) type_url: String,
    pub(super) resources: Vec<Any>,
}

impl Sent {
    /// Of all types and contents, whatever their order.
    pub(super) fn hash(&self) -> ContentHash {
        let mut each: Vec<_> = self.resources.iter().map(|any| (&any.type_url, blake3::hash(&any.value))).collect();
        each.sort_unstable_by(|a, b| (a.0, a.1.as_bytes()).cmp(&(b.0, b.1.as_bytes())));
        let mut set = SetHasher::default();
        set.add(&self.type_url, blake3::hash(&[]));
        for (type_url, content) in each {
            set.add(type_url, content);
        }
        set.finish()
    }

    /// The resources in an order of their own: by name, and equal names by content.
    ///
    /// # Errors
    /// What is wrong with each that is not a message of the right type: `name: fault`.
    pub(super) fn decode(self) -> Result<Vec<RuleResource>, Vec<String>> {
        // some servers leave the response's own type out
        if !self.type_url.is_empty() && self.type_url != RateLimitConfig::type_url() {
            return Err(vec![format!("the response: {}", wrong_type(&self.type_url))]);
        }
        let (mut decoded, mut faults) = (Vec::with_capacity(self.resources.len()), Vec::new());
        let count = self.resources.len();
        let mut numbered: Vec<_> = (1..).zip(self.resources).collect();
        numbered.sort_by(|(_, a), (_, b)| a.value.cmp(&b.value));
        for (number, any) in numbered {
            match resource(&any) {
                Ok(resource) => decoded.push(resource),
                Err((name, fault)) => {
                    let name = name.unwrap_or_else(|| format!("resource {number} of {count}"));
                    faults.push((number, format!("{name}: {fault}")));
                }
            }
        }
        if !faults.is_empty() {
            faults.sort_unstable_by_key(|(number, _)| *number);
            return Err(faults.into_iter().map(|(_, fault)| fault).collect());
        }
        decoded.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(decoded)
    }
}

fn wrong_type(found: &str) -> String {
    format!("it is a `{}`; expected `{}`", clip(found), RateLimitConfig::type_url())
}

/// A resource, or its name, where that is known, and what is wrong with it.
fn resource(any: &Any) -> Result<RuleResource, (Option<String>, String)> {
    if any.type_url != RateLimitConfig::type_url() {
        return Err((None, wrong_type(&any.type_url)));
    }
    // what is decoded before a fault stays: the name comes first
    let mut config = RateLimitConfig::default();
    let decoded = config.merge(&*any.value);
    let name = (!config.name.is_empty()).then(|| clip(&config.name));
    if let Err(error) = decoded {
        return Err((name, error.to_string()));
    }
    let called = name.clone().unwrap_or_else(|| format!("(no name, domain {})", clip(&config.domain)));
    convert::resource(&called, &config).map_err(|error| (name, error.to_string()))
}

/// As much of a text as a message can hold, on one line.
fn clip(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(config: &RateLimitConfig) -> Any {
        Any { type_url: RateLimitConfig::type_url(), value: config.encode_to_vec() }
    }

    fn named(name: &str, domain: &str) -> Any {
        any(&RateLimitConfig { name: name.to_owned(), domain: domain.to_owned(), descriptors: Vec::new() })
    }

    fn sent(resources: impl Into<Vec<Any>>) -> Sent {
        Sent { type_url: RateLimitConfig::type_url(), resources: resources.into() }
    }

    #[test]
    fn neither_the_hash_nor_the_outcome_depends_on_the_order() {
        let [a, b, b2] = [named("a", "1"), named("b", "2"), named("b", "3")];
        let one = sent([a.clone(), b.clone(), b2.clone()]);
        let other = sent([b2.clone(), b.clone(), a.clone()]);
        assert_eq!(one.hash(), other.hash());
        let listed = |sent: Sent| format!("{:?}", sent.decode().expect("good"));
        assert_eq!(listed(one), listed(other));
        for different in [sent([a.clone(), b.clone()]), sent([a.clone(), b.clone(), b2.clone(), b2.clone()])] {
            assert_ne!(different.hash(), sent([a.clone(), b.clone(), b2.clone()]).hash());
        }
    }

    #[test]
    fn faults_come_in_the_server_s_order_and_name_what_can_be_named() {
        let mut torn = named("torn", "a long domain");
        torn.value.truncate(10);
        let nameless = Any { value: vec![0xff], ..named("", "") };
        let faults = sent([torn, named("good", "d"), nameless]).decode().expect_err("faults");
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("torn: failed to decode"), "{faults:?}");
        assert!(faults[1].starts_with("resource 3 of 3: failed to decode"), "{faults:?}");
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        // descriptors in descriptors, by hand: as messages they would be too deep to be dropped
        let mut value = Vec::new();
        for depth in (0..2000).rev() {
            let mut outer = vec![if depth == 0 { 0x1a } else { 0x22 }];
            prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.extend(value);
            value = outer;
        }
        let faults = sent([Any { type_url: RateLimitConfig::type_url(), value }]).decode().expect_err("a fault");
        assert!(faults[0].contains("recursion limit reached"), "{faults:?}");
    }
}
