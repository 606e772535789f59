//! The environment and the flags, as the [`Config`](crate::app::Config) of the service.
//!
//! ```text
//! overrides (flags) ─┐
//!                    ├─▶ Raw: each variable by itself ─▶ Config: valid together, plus warnings
//! environment ───────┘                └──────── every fault of both ────────▶ SettingsError
//! ```
//!
//! The environment is an argument; nothing here reads the process's own. The table of all variables ([`TABLE`]) is the
//! one source for reading them, for their defaults, for `docs/settings.md` and for the help. The types that a [`Config`]
//! is made of are those of the modules that use them, and `config` fills them. Nothing here opens files, resolves names
//! or looks at whether a path exists.
//!
//! [`Config`]: crate::app::Config

mod address;
mod choices;
mod config;
mod docs;
mod empty;
mod error;
mod go;
mod idle;
mod kinds;
mod lenient;
mod mistyped;
mod parse;
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "variables of Redis are read to be validated"))]
mod redis;
mod resolve;
mod table;
mod types;
mod values;
mod variables;
mod warnings;
mod xds;

pub use docs::{later_features, markdown, other_variables};
pub use error::{Place, Problem, SettingsError};
pub use resolve::Settings;
pub use table::{Effect, Feature, Group, Override, Variable};
pub use variables::TABLE;
