//! `tollgate bench` as a person runs it: what it counts, against services that answer well, badly or not at all.

mod ceilings;
mod loops;
mod others;
mod redis;
mod run;
mod trouble;
