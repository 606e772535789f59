//! Rules: what the YAML says, compiled to an immutable tree that is matched by hash.
//!
//! [`compile`] turns files into a [`RuleSet`] or tells all that is wrong with them, and [`compile_resources`] does so
//! with what was never a file; [`Domain::find`] matches a descriptor; [`explain`](explain::explain) tells how.
//! `docs/rules.md` is the format.
//!
//! Knows nothing of stores, requests in flight, or where files come from.

mod compile;
mod diagnostic;
pub mod explain;
mod file;
mod find;
mod index;
pub mod manifest;
mod metric;
mod node_index;
mod pattern;
pub mod regex_lists;
mod resource;
mod set;
pub mod sharing;
mod tree;
mod value;
mod yaml;

pub use compile::{
    CompileOptions, Compiled, CompiledDefaults, RuleDefaults, compile, compile_resources, defaults_schema, rules_schema,
};
pub use diagnostic::{CompileErrors, Diagnostic, Excerpt};
pub use file::RuleFile;
pub use find::Match;
pub use metric::{MetricLevel, MetricLevels};
pub use resource::{ListWriter, MapWriter, RuleResource, TooLarge};
pub use set::{AllOrNone, DomainIndex, RuleSet};
pub use tree::{Domain, Node, OnUnknown, Policy, Rule, RuleId, ValueKind};
