//! The memory that the connections of a worker use in turns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Scratch;

/// Bytes read at a time.
const READ: usize = 64 << 10;

/// The memory that the connections of one worker use in turns. A clone is the same one.
///
/// Connections of several threads may share one, and wait for each other then.
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
    /// The memory, for one turn. Nothing in it outlasts a turn, so that it is whole after a panic as well.
    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
