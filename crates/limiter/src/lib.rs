#![doc = include_str!("../README.md")]

pub mod algorithm;
#[cfg(feature = "contract")]
pub mod contract;
pub mod domain;
pub mod guard;
pub mod memory;
