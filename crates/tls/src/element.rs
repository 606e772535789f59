//! Elements of DER.

use der::{Decode as _, Result, SliceReader, Tag, Tagged as _, asn1::AnyRef};

/// The content of the next element, which must have this tag.
pub(super) fn content<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> Result<&'a [u8]> {
    let element = AnyRef::decode(reader)?;
    element.tag().assert_eq(tag)?;
    Ok(element.value())
}
