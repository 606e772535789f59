//! HPACK (RFC 7541): reading the blocks of requests, writing those of answers.
//!
//! The decoder has the dynamic table that the peer's encoder fills, and is strict: what RFC 7541 calls an error is one.
//! The encoder has no state and never indexes, so the table of the peer's decoder stays empty.

mod decoder;
mod dynamic;
mod encoder;
mod error;
mod field;
mod huffman;
mod input;
mod statics;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::{put_field, put_size_update_zero, put_status};
pub use error::{HpackError, HuffmanError};
pub use field::{Field, Header, is_valid_value};
