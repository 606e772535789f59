//! HPACK (RFC 7541): decoding the header blocks of requests, encoding those of responses.
//!
//! The decoder keeps the dynamic table that the peer's encoder fills, and rejects everything that RFC 7541 calls an
//! error. The encoder has no state and never indexes, so the dynamic table of the peer's decoder stays empty.

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
