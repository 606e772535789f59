//! The header block of a request on the wire: a HEADERS frame and the CONTINUATION frames that follow it.

use std::{ops::Range, slice};

use super::{
    authority::{self, Edit},
    frame::{self, HEAD, Head, flag, kind},
};

/// The pseudo-headers must end within this many bytes of the block, or the block passes unchanged. At most this much is
/// held back: enough for any useful `:path` and `:authority`, and far below what h2 itself accepts.
const MAX_BYTES: usize = 4096;
/// The pseudo-headers must end within this many frames, or the block passes unchanged.
const MAX_FRAMES: usize = 16;

/// What happens to the bytes that begin with the head of a HEADERS frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The frame passes unchanged.
    Pass,
    /// That depends on bytes that have not arrived yet.
    Wait,
    /// `bytes` replace the first `consumed` bytes. The next `rest` bytes, up to the end of the last frame, pass
    /// unchanged.
    Replace { consumed: usize, bytes: Vec<u8>, rest: usize },
}

/// Decides from the bytes that have arrived. The result does not depend on the pieces in which they arrive.
#[inline]
pub(super) fn examine(wire: &[u8], head: Head) -> Verdict {
    let first = match Fragment::of_headers(wire, head) {
        Ok(first) => first,
        Err(verdict) => return verdict,
    };
    // Nearly always decided within the first frame, without a copy.
    let block = &wire[first.arrived.clone()];
    match decide(block) {
        Edit::Keep => return Verdict::Pass,
        Edit::Undecided if first.ends_block && block.len() == first.length => return Verdict::Pass,
        Edit::Undecided if !first.is_whole(wire) => return Verdict::Wait,
        Edit::Undecided => {}
        Edit::Replace(range, new) => return replace(wire, slice::from_ref(&first), block, &range, &new),
    }
    examine_on(wire, head, first)
}

/// Continues after the first frame.
#[cold]
fn examine_on(wire: &[u8], head: Head, first: Fragment) -> Verdict {
    let mut fragments = vec![first];
    loop {
        let last = fragments.last().expect("there is a first");
        if !last.is_whole(wire) {
            return Verdict::Wait;
        }
        if last.ends_block || fragments.len() == MAX_FRAMES {
            return Verdict::Pass;
        }
        let Some(next) = Head::parse(&wire[last.end..]) else { return Verdict::Wait };
        if next.kind != kind::CONTINUATION || next.stream != head.stream {
            return Verdict::Pass;
        }
        fragments.push(Fragment::of_continuation(wire, last.end, next));
        let block = joined(wire, &fragments);
        match decide(&block) {
            Edit::Keep => return Verdict::Pass,
            Edit::Undecided => {}
            Edit::Replace(range, new) => return replace(wire, &fragments, &block, &range, &new),
        }
    }
}

#[inline]
fn decide(block: &[u8]) -> Edit {
    match authority::edit(&block[..block.len().min(MAX_BYTES)]) {
        Edit::Undecided if block.len() >= MAX_BYTES => Edit::Keep,
        edit => edit,
    }
}

/// The part of a block that one frame carries. Positions are counted in `wire`, the bytes that have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    /// The position of the frame's head.
    at: usize,
    /// The part of the fragment that has arrived.
    arrived: Range<usize>,
    /// The length of the whole fragment.
    length: usize,
    /// The position of the end of the frame, padding included.
    end: usize,
    ends_block: bool,
}

impl Fragment {
    /// The fragment of a HEADERS frame. The error is the verdict if the frame has none: it is invalid, or incomplete.
    #[inline]
    fn of_headers(wire: &[u8], head: Head) -> Result<Self, Verdict> {
        let prefix = usize::from(head.has(flag::PADDED)) + if head.has(flag::PRIORITY) { 5 } else { 0 };
        let start = HEAD + prefix;
        let Some(room) = head.length.checked_sub(prefix) else { return Err(Verdict::Pass) };
        if wire.len() < start {
            return Err(Verdict::Wait);
        }
        let padding = if head.has(flag::PADDED) { usize::from(wire[HEAD]) } else { 0 };
        let length = room.checked_sub(padding).ok_or(Verdict::Pass)?;
        Ok(Self::new(wire, 0, start, length, head))
    }

    fn of_continuation(wire: &[u8], at: usize, head: Head) -> Self {
        Self::new(wire, at, at + HEAD, head.length, head)
    }

    #[inline]
    fn new(wire: &[u8], at: usize, start: usize, length: usize, head: Head) -> Self {
        let arrived = start..(start + length).min(wire.len());
        Self { at, arrived, length, end: at + head.frame(), ends_block: head.has(flag::END_HEADERS) }
    }

    fn is_whole(&self, wire: &[u8]) -> bool {
        self.end <= wire.len()
    }
}

fn joined(wire: &[u8], fragments: &[Fragment]) -> Vec<u8> {
    fragments.iter().flat_map(|fragment| &wire[fragment.arrived.clone()]).copied().collect()
}

/// The frames with one field replaced. Each keeps its flags, priority, padding and the rest of its fragment; a frame
/// that carried a part of the field carries at most as many bytes of the replacement.
#[cold]
fn replace(wire: &[u8], fragments: &[Fragment], block: &[u8], field: &Range<usize>, mut new: &[u8]) -> Verdict {
    debug_assert!(new.len() <= field.len(), "a replacement is not longer");
    let last = fragments.last().expect("there is a first");
    let mut bytes = Vec::with_capacity(wire.len());
    let mut start = 0;
    for fragment in fragments {
        let end = start + fragment.arrived.len();
        let (from, to) = (field.start.clamp(start, end), field.end.clamp(start, end));
        let (part, rest) = new.split_at(new.len().min(to - from));
        new = rest;
        let payload = fragment.end - fragment.at - HEAD - (to - from - part.len());
        let head = wire[fragment.at..].first_chunk().expect("the head has arrived");
        bytes.extend_from_slice(&frame::with_length(head, payload));
        bytes.extend_from_slice(&wire[fragment.at + HEAD..fragment.arrived.start]);
        bytes.extend_from_slice(&block[start..from]);
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(&block[to..end]);
        if fragment.at < last.at {
            bytes.extend_from_slice(&wire[fragment.arrived.end..fragment.end]);
        }
        start = end;
    }
    Verdict::Replace { consumed: last.arrived.end, bytes, rest: last.end - last.arrived.end }
}
