//! The frame of a message as its pieces come, under the budget.

use std::task::Context;

use super::{
    frame::{PREFIX, Prefix},
    refusal::Refusal,
};
use crate::api::budget::{GaveWay, Partial, Share};

/// A frame of which parts are still to come.
#[derive(Debug)]
pub(super) struct Part {
    partial: Partial,
    /// What it begins with, as far as it came.
    head: [u8; PREFIX],
    prefix: Option<Prefix>,
    length: usize,
}

impl Part {
    /// A frame of which nothing has come.
    pub(super) fn open(share: &Share) -> Result<Self, GaveWay> {
        Ok(Self { partial: share.open()?, head: [0; PREFIX], prefix: None, length: 0 })
    }

    /// Whether it still has its memory. If so, its task is woken when it gives way.
    pub(super) fn check(&self, cx: &Context<'_>) -> Result<(), GaveWay> {
        self.partial.check(cx)
    }

    /// Adds what came; the message may have `max` bytes.
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

    /// The whole frame, once the client has ended the call.
    pub(super) fn finish(self) -> Result<(Prefix, Vec<u8>), Refusal> {
        match self.prefix {
            Some(prefix) if prefix.frame() == self.length => Ok((prefix, self.partial.finish()?)),
            None if self.length == 0 => Err(Refusal::NoMessage),
            _ => Err(Refusal::Incomplete),
        }
    }
}
