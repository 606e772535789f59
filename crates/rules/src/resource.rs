//! Rules that were never text, such as those over xDS: the tree that a YAML file of the same rules would have.

use std::{fmt::Display, sync::Arc};

use super::yaml::{Document, Writer};

/// The content of one rule file as a tree. Compiled as such, with errors that name it and the path in it.
#[derive(Debug)]
pub struct RuleResource {
    pub(super) name: Arc<str>,
    pub(super) document: Document,
}

/// A resource that holds 4 GiB of text, or as many keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is too large: split it")]
pub struct TooLarge;

impl RuleResource {
    /// `write` adds the top level of the file.
    ///
    /// # Errors
    /// If it is too large.
    pub fn new(name: &str, write: impl FnOnce(&mut MapWriter<'_>)) -> Result<Self, TooLarge> {
        let mut writer = Writer::default();
        writer.map(|writer| write(&mut MapWriter(writer)));
        Ok(Self { name: name.into(), document: writer.finish().ok_or(TooLarge)? })
    }

    /// Its name in errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Adds to a map. A key that is added twice counts as one that is written twice.
#[derive(Debug)]
pub struct MapWriter<'w>(&'w mut Writer);

impl MapWriter<'_> {
    /// A text, as if in quotes.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key).text(value);
    }

    /// A number or a boolean, as if without quotes.
    pub fn plain(&mut self, key: &str, value: impl Display) {
        self.key(key).plain(value);
    }

    /// A map.
    pub fn map(&mut self, key: &str, write: impl FnOnce(&mut MapWriter<'_>)) {
        self.key(key).map(write);
    }

    /// A list.
    pub fn list(&mut self, key: &str, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.key(key).list(write);
    }

    /// A key, whose value must be the one thing that is then added.
    fn key(&mut self, key: &str) -> ListWriter<'_> {
        self.0.scalar(key, false);
        ListWriter(self.0)
    }
}

/// Adds to a list.
#[derive(Debug)]
pub struct ListWriter<'w>(&'w mut Writer);

impl ListWriter<'_> {
    /// A text, as if in quotes.
    pub fn text(&mut self, value: &str) {
        self.0.scalar(value, false);
    }

    /// A number or a boolean, as if without quotes.
    pub fn plain(&mut self, value: impl Display) {
        self.0.scalar(value, true);
    }

    /// A map.
    pub fn map(&mut self, write: impl FnOnce(&mut MapWriter<'_>)) {
        self.0.map(|writer| write(&mut MapWriter(writer)));
    }

    /// A list.
    pub fn list(&mut self, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.0.list(|writer| write(&mut ListWriter(writer)));
    }
}
