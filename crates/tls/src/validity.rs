//! The period in which a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::{
    Decode as _, Reader as _, Result, SliceReader, Tag, Tagged as _,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};
use rustls::{CertificateError, pki_types::UnixTime};

/// The period in which a certificate is valid, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second of the period; 1970-01-01 if it is earlier.
    pub not_before: SystemTime,
    /// The last second of the period; 1970-01-01 if it is earlier.
    pub not_after: SystemTime,
}

impl Validity {
    pub(super) fn read(content: &[u8]) -> Result<Self> {
        let mut times = SliceReader::new(content)?;
        let validity = Self { not_before: time(&mut times)?, not_after: time(&mut times)? };
        times.finish()?;
        Ok(validity)
    }

    /// The time from the first to the last second; zero if they are in the wrong order.
    pub(super) fn length(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// Fails unless `now` is within the period.
    pub(super) fn check(&self, now: UnixTime) -> std::result::Result<(), CertificateError> {
        let [not_before, not_after] = [self.not_before, self.not_after]
            .map(|time| UnixTime::since_unix_epoch(time.duration_since(UNIX_EPOCH).unwrap_or_default()));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before });
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after });
        }
        Ok(())
    }
}

/// Reads a `UTCTime` or `GeneralizedTime` as RFC 5280, 4.1.2.5 has them: to the second, in UTC.
fn time(reader: &mut SliceReader<'_>) -> Result<SystemTime> {
    let element = AnyRef::decode(reader)?;
    let since = match element.tag() {
        _ if is_before_1970(element) => Ok(Duration::ZERO),
        Tag::UtcTime => element.decode_as::<UtcTime>().map(|time| time.to_unix_duration()),
        _ => element.decode_as::<GeneralizedTime>().map(|time| time.to_unix_duration()),
    };
    Ok(UNIX_EPOCH + since?)
}

/// The `der` crate rejects times before 1970, which certificates may have.
fn is_before_1970(time: AnyRef<'_>) -> bool {
    let Some(digits) = time.value().strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit)) else {
        return false;
    };
    match (time.tag(), digits.len()) {
        (Tag::UtcTime, 12) => (b"50".as_slice()..b"70").contains(&&digits[..2]),
        (Tag::GeneralizedTime, 14) => digits[..4] < b"1970"[..],
        _ => false,
    }
}
