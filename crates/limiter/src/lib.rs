#![doc = include_str!("../README.md")]

pub mod algorithm;
pub mod domain;
pub mod guard;
pub mod memory;
