//! Encoded requests: a whole gRPC message that is built once, with placeholders for the digits of keys.
//!
//! In a value, `{}` is replaced by the number of a key, always with the same number of digits. So every request has the
//! same length, and building one is a copy.

use std::num::NonZeroUsize;

use bytes::Bytes;
use fastrand::Rng;

use super::{
    descriptor::Descriptor,
    keys::{Keys, Picker, Share},
};

/// The placeholder for the number of a key in a value.
const PLACEHOLDER: &str = "{}";

/// A distribution of many keys is given, but no value contains `{}`.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("--keys {keys} has no effect, for no value has a {PLACEHOLDER:?}: write it where the key's number belongs")]
pub struct RequestsError {
    /// The given distribution.
    keys: Keys,
}

/// The requests of a run.
#[derive(Clone, Debug)]
pub struct Requests {
    domain: String,
    keys: Keys,
    usual: Template,
    denied: Option<Template>,
    share: Share,
    picker: Picker,
    descriptors: usize,
}

#[derive(Clone, Debug)]
struct Template {
    bytes: Vec<u8>,
    /// The offsets of the digits.
    placeholders: Vec<usize>,
    digits: usize,
}

impl Requests {
    /// Requests with `count` descriptors: these, repeated. A share of the requests has the descriptor in `denied`
    /// instead.
    ///
    /// # Errors
    /// If there are many keys and no value contains `{}`.
    pub fn new(
        domain: &str,
        descriptors: &[Descriptor],
        count: NonZeroUsize,
        keys: Keys,
        denied: Option<(&Descriptor, Share)>,
    ) -> Result<Self, RequestsError> {
        let template = |descriptors: &[Descriptor]| {
            Template::new(domain, descriptors.iter().cycle().take(count.get()), keys.digits())
        };
        let usual = template(descriptors);
        let share = denied.map_or_else(Share::default, |(_, share)| share);
        let denied = denied.map(|(denied, _)| template(std::slice::from_ref(denied)));
        if keys != Keys::Hot
            && [Some(&usual), denied.as_ref()].into_iter().flatten().all(|one| one.placeholders.is_empty())
        {
            return Err(RequestsError { keys });
        }
        let (domain, descriptors, picker) = (domain.to_owned(), count.get(), keys.picker());
        Ok(Self { domain, keys, usual, denied, share, picker, descriptors })
    }

    /// The domain of all requests.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// The distribution of keys.
    #[must_use]
    pub const fn keys(&self) -> Keys {
        self.keys
    }

    /// The number of descriptors in each request.
    pub(crate) const fn descriptors(&self) -> usize {
        self.descriptors
    }

    /// The share of requests with the descriptor that is denied.
    pub(crate) const fn denied_share(&self) -> f64 {
        self.share.get()
    }

    /// The length of the longest request, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.usual.bytes.len().max(self.denied.as_ref().map_or(0, |denied| denied.bytes.len()))
    }

    /// Builds the next request.
    pub(crate) fn next(&self, random: &mut Rng) -> Bytes {
        let template = match &self.denied {
            Some(denied) if self.share.takes(random) => denied,
            _ => &self.usual,
        };
        template.fill(|| self.picker.pick(random))
    }
}

impl Template {
    fn new<'a>(domain: &str, descriptors: impl Iterator<Item = &'a Descriptor>, digits: usize) -> Self {
        let mut message = Message::default();
        message.text(1, domain);
        for entries in descriptors {
            let mut descriptor = Message::default();
            for (key, value) in entries.iter() {
                let mut entry = Message::default();
                entry.text(1, key);
                entry.text_with_holes(2, value, digits);
                descriptor.message(1, &entry);
            }
            message.message(2, &descriptor);
        }
        // not compressed, and the length
        let mut bytes = vec![0];
        bytes.extend((message.bytes.len() as u32).to_be_bytes());
        let placeholders = message.placeholders.iter().map(|hole| bytes.len() + hole).collect();
        bytes.extend(message.bytes);
        Self { bytes, placeholders, digits }
    }

    fn fill(&self, mut key: impl FnMut() -> u32) -> Bytes {
        let mut bytes = self.bytes.clone();
        for hole in &self.placeholders {
            let mut rest = key();
            for digit in bytes[*hole..][..self.digits].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        bytes.into()
    }
}

/// A protobuf message; RateLimitRequest needs only length-delimited fields.
#[derive(Debug, Default)]
struct Message {
    bytes: Vec<u8>,
    placeholders: Vec<usize>,
}

impl Message {
    fn message(&mut self, field: u8, inner: &Self) {
        self.head(field, inner.bytes.len());
        self.placeholders.extend(inner.placeholders.iter().map(|hole| self.bytes.len() + hole));
        self.bytes.extend(&inner.bytes);
    }

    fn text(&mut self, field: u8, text: &str) {
        self.head(field, text.len());
        self.bytes.extend(text.as_bytes());
    }

    fn text_with_holes(&mut self, field: u8, text: &str, digits: usize) {
        let parts: Vec<&str> = text.split(PLACEHOLDER).collect();
        let length = parts.iter().map(|part| part.len()).sum::<usize>() + (parts.len() - 1) * digits;
        self.head(field, length);
        for (nth, part) in parts.iter().enumerate() {
            if nth > 0 {
                self.placeholders.push(self.bytes.len());
                self.bytes.extend(std::iter::repeat_n(b'0', digits));
            }
            self.bytes.extend(part.as_bytes());
        }
    }

    fn head(&mut self, field: u8, length: usize) {
        const LENGTH_DELIMITED: u8 = 2;
        self.bytes.push(field << 3 | LENGTH_DELIMITED);
        let mut rest = length;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
    use prost::Message as _;

    use super::*;

    /// A descriptor written as `key=value,key=value`.
    fn descriptor(text: &str) -> Descriptor {
        text.split(',').map(|entry| entry.split_once('=').expect("key=value")).collect()
    }

    fn requests(descriptors: &[&str], count: usize, keys: &str) -> Result<Requests, RequestsError> {
        let descriptors: Vec<_> = descriptors.iter().map(|text| descriptor(text)).collect();
        let count = NonZeroUsize::new(count).expect("not zero");
        Requests::new("shop", &descriptors, count, keys.parse().expect("keys"), None)
    }

    /// Decodes a request; each descriptor is returned as `key=value,…`.
    fn read(bytes: &[u8]) -> Vec<String> {
        let (head, message) = bytes.split_at(5);
        assert_eq!(head, [&[0][..], &(message.len() as u32).to_be_bytes()].concat());
        let request = RateLimitRequest::decode(message).expect("a request");
        assert_eq!((request.domain.as_str(), request.hits_addend), ("shop", 0));
        let text = |pairs: Vec<String>| pairs.join(",");
        request
            .descriptors
            .iter()
            .map(|one| text(one.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect()))
            .collect()
    }

    #[test]
    fn a_request_has_the_given_domain_and_descriptors() {
        let mut random = Rng::with_seed(1);
        let one = requests(&["path=/hello,plan="], 1, "hot").expect("requests");
        assert_eq!(read(&one.next(&mut random)), ["path=/hello,plan="]);
        let five = requests(&["a=1", "b={}"], 5, "hot").expect("requests");
        assert_eq!(read(&five.next(&mut random)), ["a=1", "b=0", "a=1", "b=0", "a=1"]);
        let long = format!("k={}", "x".repeat(300));
        let long = requests(&[&long], 1, "hot").expect("requests");
        assert_eq!(read(&long.next(&mut random))[0].len(), 302);
    }

    #[test]
    fn each_placeholder_has_its_own_key_and_all_requests_have_one_length() {
        let mut random = Rng::with_seed(1);
        let requests = requests(&["user=u{}-{}"], 2, "uniform:1000").expect("requests");
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            let bytes = requests.next(&mut random);
            assert_eq!(bytes.len(), requests.longest());
            for descriptor in read(&bytes) {
                let (one, other) =
                    descriptor.strip_prefix("user=u").and_then(|rest| rest.split_once('-')).expect("keys");
                assert_eq!((one.len(), other.len()), (3, 3));
                seen.extend([one, other].map(|digits| digits.parse::<u32>().expect("a number")));
            }
        }
        assert!(seen.len() > 300 && seen.iter().all(|key| *key < 1000), "{seen:?}");
    }

    #[test]
    fn a_share_of_the_requests_has_the_denied_descriptor() {
        let mut random = Rng::with_seed(1);
        let denied = descriptor("plan=blocked,user={}");
        let share = "25%".parse().expect("a share");
        let keys = "uniform:10".parse().expect("keys");
        let requests = Requests::new("shop", &[descriptor("a={}")], NonZeroUsize::MIN, keys, Some((&denied, share)));
        let requests = requests.expect("requests");
        let asked: Vec<_> = (0..4000).map(|_| read(&requests.next(&mut random)).remove(0)).collect();
        let blocked = asked.iter().filter(|one| one.starts_with("plan=blocked,user=")).count();
        assert!((900..1100).contains(&blocked), "{blocked}");
    }

    #[test]
    fn many_keys_without_a_placeholder_are_rejected() {
        let keys = "uniform:5".parse().expect("keys");
        assert_eq!(requests(&["k=v"], 1, "uniform:5").err(), Some(RequestsError { keys }));
    }
}
