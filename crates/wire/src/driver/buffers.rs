//! The buffers that the connections of a worker use in turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Scratch;

/// The number of bytes read at a time.
const READ: usize = 64 << 10;

/// The buffers that the connections of one worker use in turn. Clones share them.
///
/// Connections on several threads may share them; they then wait for each other.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Memory>>);

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) read: Box<[u8]>,
    pub(super) out: Vec<u8>,
    pub(super) scratch: Scratch,
}

impl Default for Memory {
    fn default() -> Self {
        Self { read: vec![0; READ].into(), out: Vec::new(), scratch: Scratch::default() }
    }
}

impl Buffers {
    /// Locks the buffers for one turn. Nothing in them outlasts a turn, so they are consistent even after a panic.
    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
