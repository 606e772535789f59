//! The head of an HTTP/2 frame (RFC 9113, section 4.1).

/// The length of a frame's head, in bytes.
pub(super) const HEAD: usize = 9;

/// Frame types that the filter looks at.
pub(super) mod kind {
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// Flags of HEADERS and CONTINUATION.
pub(super) mod flag {
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// What precedes each frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The length of the payload, in bytes.
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    /// The head at the front; `None` if it is incomplete.
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes.first_chunk()?;
        Some(Self {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The length of the whole frame.
    #[inline]
    pub(super) fn frame(&self) -> usize {
        HEAD + self.length
    }
}

/// The head with another length of the payload.
pub(super) fn with_length(head: &[u8; HEAD], length: usize) -> [u8; HEAD] {
    let [_, l0, l1, l2] = u32::try_from(length).expect("a frame's length has 24 bits").to_be_bytes();
    let mut head = *head;
    head[..3].copy_from_slice(&[l0, l1, l2]);
    head
}
