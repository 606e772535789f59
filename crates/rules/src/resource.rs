//! Rules that are not text, such as those over xDS: the same tree as a YAML file with these rules.

use std::{fmt::Display, sync::Arc};

use super::yaml::{Document, Writer};

/// The content of one rule file as a tree. Errors refer to it by its name and the path in the tree.
#[derive(Debug)]
pub struct RuleResource {
    pub(super) name: Arc<str>,
    pub(super) document: Document,
}

/// The resource has 4 GiB of text, or as many keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is too large: split it")]
pub struct TooLarge;

impl RuleResource {
    /// Builds a resource; `write` adds the top level of the file.
    ///
    /// # Errors
    /// If the resource is too large.
    pub fn new(name: &str, write: impl FnOnce(&mut MapWriter<'_>)) -> Result<Self, TooLarge> {
        let mut writer = Writer::default();
        writer.map(|writer| write(&mut MapWriter(writer)));
        Ok(Self { name: name.into(), document: writer.finish().ok_or(TooLarge)? })
    }

    /// The name by which errors refer to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Adds to a map. Adding a key twice has the same effect as writing it twice in a file.
#[derive(Debug)]
pub struct MapWriter<'w>(&'w mut Writer);

impl MapWriter<'_> {
    /// Adds text, as if it were in quotes.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key).text(value);
    }

    /// Adds a number or a boolean, as if it were written without quotes.
    pub fn plain(&mut self, key: &str, value: impl Display) {
        self.key(key).plain(value);
    }

    /// Adds a map.
    pub fn map(&mut self, key: &str, write: impl FnOnce(&mut MapWriter<'_>)) {
        self.key(key).map(write);
    }

    /// Adds a list.
    pub fn list(&mut self, key: &str, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.key(key).list(write);
    }

    /// Adds a key; exactly one value must be added to the returned writer.
    fn key(&mut self, key: &str) -> ListWriter<'_> {
        self.0.scalar(key, false);
        ListWriter(self.0)
    }
}

/// Adds to a list.
#[derive(Debug)]
pub struct ListWriter<'w>(&'w mut Writer);

impl ListWriter<'_> {
    /// Adds text, as if it were in quotes.
    pub fn text(&mut self, value: &str) {
        self.0.scalar(value, false);
    }

    /// Adds a number or a boolean, as if it were written without quotes.
    pub fn plain(&mut self, value: impl Display) {
        self.0.scalar(value, true);
    }

    /// Adds a map.
    pub fn map(&mut self, write: impl FnOnce(&mut MapWriter<'_>)) {
        self.0.map(|writer| write(&mut MapWriter(writer)));
    }

    /// Adds a list.
    pub fn list(&mut self, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.0.list(|writer| write(&mut ListWriter(writer)));
    }
}
