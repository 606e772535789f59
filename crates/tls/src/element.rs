//! Reads elements of DER.

use der::{Decode as _, Result, SliceReader, Tag, Tagged as _, asn1::AnyRef};

/// Reads the next element and returns its content. An element with another tag is an error.
pub(super) fn content<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> Result<&'a [u8]> {
    let element = AnyRef::decode(reader)?;
    element.tag().assert_eq(tag)?;
    Ok(element.value())
}
