//! Builds a [`Document`] without text.

use std::fmt::{Display, Write as _};

use super::{
    Document, Mark,
    document::{Content, Item},
};

/// A document that is being built, in document order.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    items: Vec<Item>,
    text: String,
    too_large: bool,
}

impl Writer {
    /// Adds a scalar; `plain` if it may be a number or a boolean, like one without quotes.
    pub(crate) fn scalar(&mut self, text: impl Display, plain: bool) {
        let start = self.text.len();
        // writing to a String does not fail
        let _ = write!(self.text, "{text}");
        let (start, len) = (self.offset(start), self.offset(self.text.len() - start));
        self.item(Content::Scalar { start, len, plain });
    }

    /// Adds a list with the elements that `write` adds.
    pub(crate) fn list(&mut self, write: impl FnOnce(&mut Self)) {
        self.container(write, |end, text_bytes| Content::List { end, text_bytes });
    }

    /// Adds a map; `write` adds keys and values in turn.
    pub(crate) fn map(&mut self, write: impl FnOnce(&mut Self)) {
        self.container(write, |end, text_bytes| Content::Map { end, text_bytes });
    }

    /// Finishes the document; `None` if it is too large.
    pub(crate) fn finish(self) -> Option<Document> {
        (!self.too_large).then(|| Document::new(self.items, self.text))
    }

    fn container(&mut self, write: impl FnOnce(&mut Self), content: impl Fn(u32, u32) -> Content) {
        let (at, text) = (self.items.len(), self.text.len());
        self.item(content(0, 0));
        write(self);
        let (end, text_bytes) = (self.offset(self.items.len()), self.offset(self.text.len() - text));
        self.items[at].content = content(end, text_bytes);
    }

    fn item(&mut self, content: Content) {
        self.items.push(Item { mark: Mark::NOWHERE, content });
    }

    /// Offsets are kept in 32 bits.
    fn offset(&mut self, number: usize) -> u32 {
        u32::try_from(number).unwrap_or_else(|_| {
            self.too_large = true;
            0
        })
    }
}
