//! The frame of a gRPC message: a compression flag, the length in four bytes, and the message.

use super::refusal::Refusal;

/// The length of the prefix of a message, in bytes.
pub(in crate::api) const PREFIX: usize = 5;

/// A parsed prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) compressed: bool,
    pub(super) length: usize,
}

impl Prefix {
    /// Parses a prefix. The length is checked before the flag, as in grpc-go.
    pub(super) fn read(bytes: [u8; PREFIX], max: usize) -> Result<Self, Refusal> {
        let [flag, length @ ..] = bytes;
        let announced = u32::from_be_bytes(length);
        let length = usize::try_from(announced).ok().filter(|length| *length <= max);
        let length = length.ok_or(Refusal::TooLarge { length: announced, max })?;
        match flag {
            0 => Ok(Self { compressed: false, length }),
            1 => Ok(Self { compressed: true, length }),
            _ => Err(Refusal::Format(flag)),
        }
    }

    /// The length of the whole frame, in bytes.
    pub(super) fn frame(self) -> usize {
        PREFIX + self.length
    }
}

/// Appends the prefix of an uncompressed message, and reserves room for the message.
pub(in crate::api) fn append_prefix(length: usize, out: &mut Vec<u8>) {
    out.reserve(PREFIX + length);
    // an answer is at most as long as its request plus a constant: never 4 GiB
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&[0, a, b, c, d]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_prefix_is_read_back() {
        let mut out = vec![9];
        append_prefix(4, &mut out);
        let prefix = Prefix::read(out[1..].try_into().expect("five bytes"), 100).expect("valid");
        assert_eq!(prefix, Prefix { compressed: false, length: 4 });
        assert_eq!(prefix.frame(), PREFIX + 4);
    }

    #[test]
    fn lengths_and_flags_are_refused() {
        let error = |bytes| Prefix::read(bytes, 256).expect_err("refused").to_string();
        assert!(error([9, 0, 0, 1, 1]).contains("(257 vs. 256"));
        assert!(error([0, 255, 255, 255, 255]).contains("(4294967295 vs. 256"));
        assert_eq!(error([2, 0, 0, 1, 0]), "grpc: received unexpected payload format 2");
        assert!(Prefix::read([1, 0, 0, 1, 0], 256).expect("valid").compressed);
    }
}
