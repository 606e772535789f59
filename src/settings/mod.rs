//! Turns the environment and the flags into the [`Config`](crate::app::Config) of the service.
//!
//! ```text
//! overrides (flags) ─┐
//!                    ├─▶ Raw: each variable by itself ─▶ Config: valid together, plus warnings
//! environment ───────┘                └──────── all errors of both stages ──▶ SettingsError
//! ```
//!
//! The environment is an argument; nothing here reads that of the process. The table of all variables ([`TABLE`]) is
//! the only source for parsing, for defaults, for `docs/settings.md` and for the help. A [`Config`] consists of types
//! of the modules that use them; `config` fills them. Nothing here opens files, resolves names or checks whether a path
//! exists.
//!
//! [`Config`]: crate::app::Config

mod address;
mod choices;
mod config;
mod docs;
mod empty;
mod error;
mod go;
mod inactive;
mod kinds;
mod lenient;
mod mistyped;
mod parse;
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "variables of Redis are parsed for validation"))]
mod redis;
mod resolve;
mod table;
mod types;
mod values;
mod variables;
mod warnings;
mod xds;

pub use docs::{later_features, markdown, other_variables};
pub use error::{Origin, Problem, SettingsError};
pub use resolve::Settings;
pub use table::{Effect, Feature, Group, Override, Variable};
pub use variables::TABLE;
