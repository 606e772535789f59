//! The script, as `build.rs` assembles it from the files in `lua/`.

/// Its text, for `SCRIPT LOAD`.
pub const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/script.lua"));

/// The name by which Redis knows it once it is loaded, for `EVALSHA`: the SHA1 of [`TEXT`] in lower-case hexadecimals.
pub const SHA1: &str = env!("TOLLGATE_SCRIPT_SHA1");

/// Bytes of a stored counter: time, current and previous of a [`State`](limiter::algorithm::State), little-endian.
pub(super) const STATE_BYTES: usize = 24;
