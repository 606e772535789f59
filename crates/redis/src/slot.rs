//! The slot of a key in a Redis Cluster: CRC16/XMODEM of its hash tag, modulo 16384, as the cluster specification has
//! it (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).

/// The number of slots in a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The CRC16 of every byte, with the polynomial 0x1021.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 > 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The slot of this key.
pub(super) fn of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// Whether the slot of the key is that of a hash tag, and so also that of each key that begins with this one.
pub(super) fn has_tag(key: &[u8]) -> bool {
    hash_tag(key).is_some()
}

/// The part of the key between the first `{` and the next `}`, which alone is hashed; `None` if that part is missing or
/// empty: then the whole key is hashed.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let rest = &key[key.iter().position(|byte| *byte == b'{')? + 1..];
    let tag = &rest[..rest.iter().position(|byte| *byte == b'}')?];
    (!tag.is_empty()).then_some(tag)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector and the examples of the specification.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(of(b"{user1000}.following"), of(b"{user1000}.followers"));
        assert_eq!(of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(of(b"foo{{bar}}zap"), crc16(b"{bar") % SLOTS);
        assert_eq!(of(b"foo{bar}{zap}"), crc16(b"bar") % SLOTS);
        assert_eq!(of(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
        // `CLUSTER KEYSLOT` of a Redis 7
        assert_eq!((of(b"foo"), of(b"somekey")), (12182, 11058));
    }
}
