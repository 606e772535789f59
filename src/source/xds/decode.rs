//! Decodes the resources of a response.

use envoy_types::pb::{google::protobuf::Any, ratelimit::config::ratelimit::v3::RateLimitConfig};
use prost::{Message as _, Name as _};

use super::convert;
use rules::RuleResource;

use crate::source::{ContentHash, snapshot::SetHasher};

/// The undecoded content of a response.
pub(super) struct ResponseContent {
    /// The type of the response; each resource has its own too.
    pub(super) type_url: String,
    pub(super) resources: Vec<Any>,
}

impl ResponseContent {
    /// The hash of all types and contents, independent of their order.
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

    /// The resources, sorted by name and, with equal names, by content.
    ///
    /// # Errors
    /// One text, `name: error`, for each resource that cannot be decoded or has another type.
    pub(super) fn decode(self) -> Result<Vec<RuleResource>, Vec<String>> {
        // some servers omit the response's own type
        if !self.type_url.is_empty() && self.type_url != RateLimitConfig::type_url() {
            return Err(vec![format!("the response: {}", wrong_type(&self.type_url))]);
        }
        let (mut decoded, mut errors) = (Vec::with_capacity(self.resources.len()), Vec::new());
        let count = self.resources.len();
        let mut numbered: Vec<_> = (1..).zip(self.resources).collect();
        numbered.sort_by(|(_, a), (_, b)| a.value.cmp(&b.value));
        for (number, any) in numbered {
            match resource(&any) {
                Ok(resource) => decoded.push(resource),
                Err((name, error)) => {
                    let name = name.unwrap_or_else(|| format!("resource {number} of {count}"));
                    errors.push((number, format!("{name}: {error}")));
                }
            }
        }
        if !errors.is_empty() {
            errors.sort_unstable_by_key(|(number, _)| *number);
            return Err(errors.into_iter().map(|(_, error)| error).collect());
        }
        decoded.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(decoded)
    }
}

fn wrong_type(found: &str) -> String {
    format!("it is a `{}`; expected `{}`", clip(found), RateLimitConfig::type_url())
}

/// Decodes a resource. The error is its name, if that is known, and what is wrong.
fn resource(any: &Any) -> Result<RuleResource, (Option<String>, String)> {
    if any.type_url != RateLimitConfig::type_url() {
        return Err((None, wrong_type(&any.type_url)));
    }
    // `merge` keeps the fields that were decoded before an error; the name is the first one
    let mut config = RateLimitConfig::default();
    let decoded = config.merge(&*any.value);
    let name = (!config.name.is_empty()).then(|| clip(&config.name));
    if let Err(error) = decoded {
        return Err((name, error.to_string()));
    }
    let called = name.clone().unwrap_or_else(|| format!("(no name, domain {})", clip(&config.domain)));
    convert::resource(&called, &config).map_err(|error| (name, error.to_string()))
}

/// The text on one line, truncated, for a message.
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

    fn content(resources: impl Into<Vec<Any>>) -> ResponseContent {
        ResponseContent { type_url: RateLimitConfig::type_url(), resources: resources.into() }
    }

    #[test]
    fn neither_the_hash_nor_the_outcome_depends_on_the_order() {
        let [a, b, b2] = [named("a", "1"), named("b", "2"), named("b", "3")];
        let one = content([a.clone(), b.clone(), b2.clone()]);
        let other = content([b2.clone(), b.clone(), a.clone()]);
        assert_eq!(one.hash(), other.hash());
        let listed = |content: ResponseContent| format!("{:?}", content.decode().expect("good"));
        assert_eq!(listed(one), listed(other));
        for different in [content([a.clone(), b.clone()]), content([a.clone(), b.clone(), b2.clone(), b2.clone()])] {
            assert_ne!(different.hash(), content([a.clone(), b.clone(), b2.clone()]).hash());
        }
    }

    #[test]
    fn errors_are_in_the_server_s_order_and_have_the_name_if_it_is_known() {
        let mut torn = named("torn", "a long domain");
        torn.value.truncate(10);
        let nameless = Any { value: vec![0xff], ..named("", "") };
        let errors = content([torn, named("good", "d"), nameless]).decode().expect_err("errors");
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].starts_with("torn: failed to decode"), "{errors:?}");
        assert!(errors[1].starts_with("resource 3 of 3: failed to decode"), "{errors:?}");
    }

    #[test]
    fn too_deep_nesting_is_rejected() {
        // descriptors in descriptors, encoded by hand: dropping such messages would overflow the stack
        let mut value = Vec::new();
        for depth in (0..2000).rev() {
            let mut outer = vec![if depth == 0 { 0x1a } else { 0x22 }];
            prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.extend(value);
            value = outer;
        }
        let errors = content([Any { type_url: RateLimitConfig::type_url(), value }]).decode().expect_err("an error");
        assert!(errors[0].contains("recursion limit reached"), "{errors:?}");
    }
}
