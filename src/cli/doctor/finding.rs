//! The findings of a check.

use std::fmt;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No action needed.
    Ok,
    /// The service works, but an operator should know this.
    Warn,
    /// The service does not start, or does not work as intended.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// The subject of the check.
    pub(super) name: &'static str,
    /// What was found.
    pub(super) found: String,
    /// What to do about it; `None` if `found` includes it, or if no action is needed.
    pub(super) cure: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, name, found: found.into(), cure: None }
    }

    pub(super) fn warn(name: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, ..Self::ok(name, found) }
    }

    pub(super) fn fail(name: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::ok(name, found) }
    }

    pub(super) fn cure(self, cure: impl Into<String>) -> Self {
        Self { cure: Some(cure.into()), ..self }
    }
}

/// The first findings, and one that counts the rest. `more`: the cure in that one.
pub(super) fn bounded(mut findings: Vec<Finding>, more: &str) -> Vec<Finding> {
    const MOST: usize = 20;
    if let Some(rest) = findings.len().checked_sub(MOST).filter(|rest| *rest > 1) {
        let last = &findings[MOST];
        let worst =
            if findings[MOST..].iter().any(|one| one.verdict == Verdict::Fail) { Verdict::Fail } else { Verdict::Warn };
        let rest =
            Finding { verdict: worst, name: last.name, found: format!("and {rest} more"), cure: Some(more.to_owned()) };
        findings.truncate(MOST);
        findings.push(rest);
    }
    findings
}
