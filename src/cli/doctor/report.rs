//! The findings, as text or as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::finding::{Finding, Verdict};
use crate::cli::FAILURE;

/// All findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    /// Whether a check panicked.
    pub(super) incomplete: bool,
}

impl Report {
    /// A line for each finding: the verdict, the subject, what was found, and the cure after a colon.
    pub(super) fn text(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Finding { verdict, name, found, cure } in &self.findings {
            let cure = cure.as_ref().map(|cure| format!(": {cure}")).unwrap_or_default();
            // writing to a String does not fail
            let _ = writeln!(text, "{verdict:<4}  {name:<width$}  {}", one_line(&format!("{found}{cure}")));
        }
        text
    }

    /// One object: the findings, and the number of each verdict.
    pub(super) fn json(&self) -> String {
        let findings = self.findings.iter().map(|Finding { verdict, name, found, cure }| {
            json!({"verdict": verdict.to_string(), "name": name, "found": found, "cure": cure})
        });
        let findings: Vec<_> = findings.collect();
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let counts = json!({"ok": count(Verdict::Ok), "warn": count(Verdict::Warn), "fail": count(Verdict::Fail)});
        format!("{:#}\n", json!({"findings": findings, "counts": counts}))
    }

    /// The exit code. 0: nothing fails. 1: something fails. 2: a check panicked.
    pub(super) fn exit(&self) -> u8 {
        if self.incomplete {
            return crate::cli::USAGE;
        }
        let fails = self.findings.iter().any(|finding| finding.verdict == Verdict::Fail);
        if fails { FAILURE } else { 0 }
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &[Finding]) -> Report {
        Report { findings: findings.to_vec(), incomplete: false }
    }

    #[test]
    fn a_finding_is_a_line_and_the_worst_is_the_exit_code() {
        let ok = Finding::ok("rules", "2 rules");
        let warn = Finding::warn("grpc port", "8081 is in use\nhere").cure("stop it");
        let fail = Finding::fail("redis", "refused");
        let all = report(&[ok.clone(), warn.clone(), fail]);
        let text =
            "ok    rules      2 rules\nwarn  grpc port  8081 is in use; here: stop it\nfail  redis      refused\n";
        assert_eq!(all.text(), text);
        assert_eq!(all.exit(), 1);
        assert_eq!(report(&[ok, warn]).exit(), 0);
        assert_eq!(Report { incomplete: true, ..all }.exit(), 2);
    }

    #[test]
    fn json_has_the_same_content() {
        let report = report(&[Finding::fail("redis", "a \"quoted\"\nline").cure("b")]);
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        let finding = json!({"verdict": "fail", "name": "redis", "found": "a \"quoted\"\nline", "cure": "b"});
        assert_eq!(json, json!({"findings": [finding], "counts": {"ok": 0, "warn": 0, "fail": 1}}));
    }
}
