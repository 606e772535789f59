//! Free-form data of a rule.

use std::sync::Arc;

/// A value as `google.protobuf.Struct` knows them.
#[derive(Clone, Debug, PartialEq)]
pub enum Metadata {
    /// Nothing.
    Null,
    /// A boolean of YAML 1.1: `yes` is one too.
    Bool(bool),
    /// Any number. May be infinite or not a number.
    Number(f64),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Vec<Metadata>),
    /// In file order, no key twice.
    Map(Vec<(Arc<str>, Metadata)>),
}
