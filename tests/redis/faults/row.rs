//! A fault: how it begins, how it ends, and what is to come of it.

use crate::faults::{
    drive::Form,
    stage::{Road, Stage},
};

/// One row of the matrix.
#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    /// What Redis is started with.
    pub redis: &'static [&'static str],
    pub road: Road,
    /// Returns when the fault is there.
    pub begin: fn(&mut Stage, &Form),
    /// Returns when Redis could answer again.
    pub end: fn(&mut Stage),
    pub answers: Answers,
    pub breaker: Breaker,
}

/// Which requests Redis still decides while the fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// None; the rest is for the failure mode.
    None,
    /// Some.
    Some,
    /// All, in their time.
    All,
    /// All but those of a moment.
    Soon,
}

/// What the breaker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It opens, and closes when all is well again.
    Opens,
    /// It stays closed: Redis answers, be it with an error.
    Stays,
    /// It depends on what comes first.
    Either,
}
