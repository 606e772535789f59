//! Decompresses a message, with a bound on its size: a few bytes can expand to gigabytes.

use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;

use super::refusal::Refusal;

/// Decompresses a message of at most `max` bytes. There may be several gzip members without gaps between them, as Go's
/// reader accepts.
pub(super) fn inflate(bytes: &[u8], max: usize) -> Result<Vec<u8>, Refusal> {
    let mut message = Vec::new();
    // one byte more than allowed shows that the message is too large
    let bound = u64::try_from(max).map_or(u64::MAX, |max| max.saturating_add(1));
    MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut message).map_err(Refusal::Gzip)?;
    if message.len() > max {
        return Err(Refusal::InflatedTooLarge { max });
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    #[test]
    fn several_members_are_concatenated() {
        let two = [deflate(b"one"), deflate(b" two")].concat();
        assert_eq!(inflate(&two, 7).expect("valid"), b"one two");
        assert_eq!(inflate(&deflate(b""), 7).expect("valid"), b"");
    }

    #[test]
    fn input_that_go_s_reader_rejects_is_rejected() {
        let good = deflate(b"message");
        let mut bad_sum = good.clone();
        let sum = bad_sum.len() - 6;
        bad_sum[sum] ^= 1;
        let followed = |by: &[u8]| [&good, by].concat();
        for bad in [vec![], good[..good.len() - 1].to_vec(), bad_sum, followed(&[0; 3]), followed(&[7; 30])] {
            assert!(matches!(inflate(&bad, 100), Err(Refusal::Gzip(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_decompression_bomb_is_bounded() {
        let bomb = deflate(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(inflate(&bomb, 4 << 20), Err(Refusal::InflatedTooLarge { .. })));
        let exact = deflate(&[0; 1000]);
        assert_eq!(inflate(&exact, 1000).expect("not longer").len(), 1000);
        assert!(inflate(&exact, 999).is_err());
    }
}
