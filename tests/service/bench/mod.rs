//! `tollgate bench` as a process: what it counts against services that answer well, badly or not at all.

mod loops;
mod others;
mod run;
mod trouble;
