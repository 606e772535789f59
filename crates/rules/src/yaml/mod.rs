//! YAML as the reference reads it, with positions: a compact tree built from `saphyr-parser`'s events, with YAML 1.1
//! scalars, merge keys, reports of duplicate keys, and limits on depth and on the expansion of aliases. The same tree
//! can also be built without text.
//!
//! Independent of rules.

mod blanks;
mod document;
mod map;
mod scalar;
mod tag;
mod write;

pub(super) use blanks::{cure as cure_of_blanks, remark as remark_on_blanks};
pub(super) use document::{Document, Kind, MAX_DEPTH, Mark, NodeId};
pub(super) use map::{Notice, Pair};
pub(super) use scalar::{Scalar, Typed};
pub(super) use write::Writer;
