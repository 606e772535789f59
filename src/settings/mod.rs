//! The environment and the flags, as typed values that are valid together.
//!
//! ```text
//! overrides (flags) ─┐
//!                    ├─▶ Raw: each variable by itself ─▶ Settings: valid together, plus warnings
//! environment ───────┘                └──────── every fault of both ────────▶ SettingsError
//! ```
//!
//! The environment is an argument; nothing here reads the process's own. The table of all variables ([`TABLE`]) is the
//! one source for reading them, for `docs/settings.md` and for the help. It does not open files, resolve names or look
//! at whether a path exists.

mod address;
mod docs;
mod empty;
mod error;
mod go;
mod idle;
mod lenient;
mod mistyped;
mod parse;
mod redis;
mod resolve;
mod table;
mod tls;
mod types;
mod values;
mod variables;
mod warnings;
mod xds;

pub use address::{Host, HostPort};
pub use docs::{later_features, markdown, other_variables};
pub use error::{Place, Problem, SettingsError};
pub use redis::{
    RedisBreaker, RedisCredentials, RedisEndpoint, RedisKeysPerCall, RedisServer, RedisSettings, RedisStartup,
    RedisTls, RedisTopology,
};
pub use table::{Effect, Feature, Group, Override, Variable};
pub use tls::{ClientsTls, GrpcTls, TlsIdentity};
pub use types::{
    Backend, DrainSettings, GrpcSettings, HeaderNames, Http2Server, KeySettings, Listen, LogFormat, LoggingSettings,
    MetricsListener, Modes, OnInvalidRequest, Refunds, RequestLimits, ResponseSettings, RulesSettings, RulesSource,
    RuntimeDirectory, Settings,
};
pub use values::{HeaderName, HttpPath, NearLimitRatio, Share};
pub use variables::TABLE;
pub use xds::{XdsBackoff, XdsServer, XdsSettings, XdsTls};
