//! A fault: how it begins, how it ends, and what is expected.

use crate::faults::{
    drive::Form,
    stage::{Road, Stage},
};

/// One row of the matrix.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    /// The arguments for Redis.
    pub redis: &'static [&'static str],
    pub road: Road,
    /// Begins the fault; returns when it is in effect.
    pub begin: fn(&mut Stage, &Form),
    /// Ends the fault; returns when Redis could answer again.
    pub end: fn(&mut Stage),
    pub answers: Answers,
    pub breaker: Breaker,
}

/// Which requests Redis still decides during the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// None; the failure mode decides.
    None,
    /// Some of them.
    Some,
    /// All of them, in time.
    All,
    /// All except for a moment.
    Soon,
}

/// The behaviour of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It opens, and closes after the fault.
    Opens,
    /// It stays closed, because Redis answers, if only with errors.
    Stays,
    /// It depends on what happens first.
    Either,
}
