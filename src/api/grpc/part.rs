//! The frame of a message while it is received in several pieces, within the memory budget.

use std::task::Context;

use super::{
    frame::{PREFIX, Prefix},
    refusal::Refusal,
};
use crate::api::budget::{Evicted, Partial, Share};

/// An incomplete frame.
#[derive(Debug)]
pub(super) struct Part {
    partial: Partial,
    /// The bytes of the prefix received so far.
    head: [u8; PREFIX],
    /// The prefix, once it is complete.
    prefix: Option<Prefix>,
    /// The number of bytes received so far.
    length: usize,
}

impl Part {
    /// A frame without any bytes yet.
    pub(super) fn open(share: &Share) -> Result<Self, Evicted> {
        Ok(Self { partial: share.open()?, head: [0; PREFIX], prefix: None, length: 0 })
    }

    /// An error if the frame was evicted; else its task will be woken when it is.
    pub(super) fn check(&self, cx: &Context<'_>) -> Result<(), Evicted> {
        self.partial.check(cx)
    }

    /// Adds received bytes. `max`: the most bytes of the message.
    pub(super) fn push(&mut self, data: &[u8], max: usize) -> Result<(), Refusal> {
        let length = self.length + data.len();
        if self.prefix.is_none() {
            let missing = &mut self.head[self.length..];
            let came = missing.len().min(data.len());
            missing[..came].copy_from_slice(&data[..came]);
            if length >= PREFIX {
                self.prefix = Some(Prefix::read(self.head, max)?);
            }
        }
        let frame = self.prefix.map_or(PREFIX, Prefix::frame);
        if length > frame {
            return Err(Refusal::SecondMessage);
        }
        self.partial.append(data, frame)?;
        self.length = length;
        Ok(())
    }

    /// The complete frame, after the client has ended the call.
    pub(super) fn finish(self) -> Result<(Prefix, Vec<u8>), Refusal> {
        match self.prefix {
            Some(prefix) if prefix.frame() == self.length => Ok((prefix, self.partial.finish()?)),
            None if self.length == 0 => Err(Refusal::NoMessage),
            _ => Err(Refusal::Incomplete),
        }
    }
}
