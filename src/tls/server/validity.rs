//! From when and until when a certificate is valid. rustls verifies that of peers, and does not say it of our own.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag of the optional version.
const VERSION: u8 = 0xa0;

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second; that of 1970 if it is earlier.
    pub not_before: SystemTime,
    /// Its last second.
    pub not_after: SystemTime,
}

impl Validity {
    /// As the certificate says it; `None` if it is malformed.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut certificate = Der(Der(certificate).take(SEQUENCE)?);
        let mut signed = Der(certificate.take(SEQUENCE)?);
        if signed.peek() == Some(VERSION) {
            signed.take(VERSION)?;
        }
        signed.take(INTEGER)?;
        let (_algorithm, _issuer) = (signed.take(SEQUENCE)?, signed.take(SEQUENCE)?);
        let mut validity = Der(signed.take(SEQUENCE)?);
        Some(Self { not_before: validity.time()?, not_after: validity.time()? })
    }

    /// How long it is in all.
    pub(super) fn length(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }
}

/// What is left of some DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // As many bytes of length; more than a certificate could have is no length.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// RFC 5280, 4.1.2.5: to the second, in Greenwich.
    fn time(&mut self) -> Option<SystemTime> {
        let tag = self.peek()?;
        let text = std::str::from_utf8(self.take(tag)?).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = match (tag, text.len()) {
            (UTC_TIME, 12) => {
                let (year, rest) = text.split_at(2);
                (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
            }
            (GENERALIZED_TIME, 14) => {
                let (year, rest) = text.split_at(4);
                (year.to_owned(), rest)
            }
            _ => return None,
        };
        if year.as_str() < "1970" {
            return Some(SystemTime::UNIX_EPOCH);
        }
        let part = |at: usize| &rest[at..at + 2];
        let text = format!("{year}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8));
        humantime::parse_rfc3339(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An element of DER.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("a short one").to_be_bytes();
        [&[tag, 0x82][..], &length, content].concat()
    }

    fn time(text: &str) -> Vec<u8> {
        element(if text.len() == 13 { UTC_TIME } else { GENERALIZED_TIME }, text.as_bytes())
    }

    fn certificate(version: &[u8], not_before: &str, not_after: &str) -> CertificateDer<'static> {
        let validity = element(SEQUENCE, &[time(not_before), time(not_after)].concat());
        let fields =
            [version, &element(INTEGER, &[1]), &element(SEQUENCE, &[]), &element(SEQUENCE, &[9; 300]), &validity];
        element(SEQUENCE, &element(SEQUENCE, &fields.concat())).into()
    }

    fn of(not_before: &str, not_after: &str) -> Option<[String; 2]> {
        let validity = Validity::of(&certificate(&element(VERSION, &element(INTEGER, &[2])), not_before, not_after))?;
        Some([validity.not_before, validity.not_after].map(|time| humantime::format_rfc3339(time).to_string()))
    }

    #[test]
    fn both_ways_to_write_a_time() {
        let expected = Some(["2026-02-28T23:59:59Z".to_owned(), "2050-01-01T00:00:00Z".to_owned()]);
        assert_eq!(of("260228235959Z", "20500101000000Z"), expected);
        // RFC 5280, 4.1.2.5: no end.
        let expected = Some(["1970-01-01T00:00:00Z".to_owned(), "9999-12-31T23:59:59Z".to_owned()]);
        assert_eq!(of("500101000000Z", "99991231235959Z"), expected);
        let first_version = certificate(&[], "700101000000Z", "491231235959Z");
        let years = Validity::of(&first_version).expect("a validity").length().as_secs() / (365 * 86_400);
        assert_eq!(years, 80);
    }

    #[test]
    fn other_times_are_none() {
        for bad in ["260230000000Z", "26022823595Z", "260228235959+0100", "2602282359é9Z", "2026-02-28T23Z", ""] {
            assert_eq!(of("260101000000Z", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at: usize, changed: u8) {
            let _ = Validity::of(&bytes.into());
            let mut certificate = certificate(&[], "260101000000Z", "270101000000Z").to_vec();
            let at = at % certificate.len();
            certificate[at] = changed;
            let _ = Validity::of(&certificate.into());
        }
    }
}
