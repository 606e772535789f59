//! Rate limit rules: YAML, compiled to an immutable tree in which descriptors are looked up by hash.
//!
//! [`compile`] turns files into a [`RuleSet`] or reports every error in them, and [`compile_resources`] does the same
//! with rules that are not files; [`Domain::find`] matches a descriptor, and [`explain`](explain::explain) explains
//! how. `docs/rules.md` describes the format.
//!
//! Independent of stores, of requests in flight, and of where the files come from.

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
