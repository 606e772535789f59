//! When a gRPC caller gives up: its `grpc-timeout`, less what the answer needs for its way back.
//!
//! The header is that of gRPC over HTTP/2
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>): at most eight digits and a unit.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tonic::metadata::{AsciiMetadataKey, MetadataMap};

/// Made once: a name as text is read letter by letter each time.
static TIMEOUT: LazyLock<AsciiMetadataKey> = LazyLock::new(|| AsciiMetadataKey::from_static("grpc-timeout"));

/// An answer made at the deadline itself comes too late about half of the time.
const LEAST_MARGIN: Duration = Duration::from_millis(2);
const MARGIN_SHARE: u32 = 5;

/// When the caller of a request that arrived at `now` no longer gains by an answer; `None` if it waits for ever, or says
/// nothing that can be read.
pub(super) fn of(metadata: &MetadataMap, now: Instant) -> Option<Instant> {
    let timeout = parse(metadata.get(&*TIMEOUT)?.to_str().ok()?)?;
    let margin = LEAST_MARGIN.max(timeout / MARGIN_SHARE);
    now.checked_add(timeout.saturating_sub(margin))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    Some(unit * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &'static str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().expect("ascii"));
        let now = Instant::now();
        of(&metadata, now).map(|deadline| deadline - now)
    }

    #[test]
    fn a_fifth_of_the_time_is_kept_for_the_answer() {
        assert_eq!(left("20m"), Some(Duration::from_millis(16)));
        assert_eq!(left("1S"), Some(Duration::from_millis(800)));
        assert_eq!(left("5000u"), Some(Duration::from_millis(3)));
        assert_eq!(left("1000000n"), Some(Duration::ZERO));
        assert_eq!(left("2M"), Some(Duration::from_secs(96)));
        assert_eq!(left("99999999H"), Some(Duration::from_secs(99_999_999 * 3600 / 5 * 4)));
    }

    #[test]
    fn what_cannot_be_read_is_no_deadline() {
        for text in ["", "S", "10", "1x", "-1S", "+1S", "123456789m", "1.5S", " 1S"] {
            assert_eq!(left(text), None, "{text:?}");
        }
        assert_eq!(of(&MetadataMap::new(), Instant::now()), None);
    }
}
