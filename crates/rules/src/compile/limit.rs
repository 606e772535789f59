//! Reads `rate_limit` and the elements of `rate_limits`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    file_compiler::FileCompiler,
    header::{ALGORITHMS, FAILURE_MODES},
    keys::{Key, MapKind},
    reader::{Field, Fields, clip},
    report::Path,
};
use limiter::domain::{Algorithm, Capabilities, FailureMode, Limit, LimitError, TimeZone, Unit, Window};

use crate::{Policy, yaml::Mark};

/// The options of a rule apart from its limits.
#[derive(Debug, Default)]
pub(super) struct RuleOptions {
    pub(super) name: Option<Arc<str>>,
    pub(super) replaces: Vec<Arc<str>>,
    pub(super) on_store_failure: Option<FailureMode>,
}

/// The message for `atomic` with a store that does not support it; `why` is the store's reason.
pub(super) fn unsupported_atomic(why: &str) -> String {
    format!("the counter store cannot charge a request all or none: leave atomic out, or change what is set: {why}")
}

/// The message for an algorithm that the store does not support; `None` if it does.
pub(super) fn unsupported_algorithm(capabilities: &Capabilities, algorithm: Algorithm) -> Option<String> {
    let can: Vec<_> = capabilities.algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let message = || format!("the counter store cannot count {algorithm}; it can: {}", can.join(", "));
    (!capabilities.algorithms.contains(&algorithm)).then(message)
}

impl<'a> FileCompiler<'a, '_> {
    /// Reads `rate_limit`: one limit, or `unlimited`.
    pub(super) fn rate_limit(&mut self, field: Field<'a>, path: &Path<'_>) -> (Option<Policy>, RuleOptions) {
        if !self.reader.is_map(field.value, path) {
            return (None, RuleOptions::default());
        }
        let fields = self.reader.fields(field.value, MapKind::RateLimit, path);
        let rule_options = self.rule_options(&fields, path);
        let unlimited = fields.get(Key::Unlimited);
        let unlimited = unlimited.and_then(|field| self.reader.boolean(field, &path.key(field.name))) == Some(true);
        let policy = if unlimited {
            self.unlimited(&fields, path)
        } else {
            self.limit(&fields, field.key_mark, path).map(|limit| Policy::Limited(SmallVec::from_buf([limit])))
        };
        (policy, rule_options)
    }

    /// Reads `rate_limits`: several limits. The rule's name is beside it, not inside.
    pub(super) fn rate_limits(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Policy> {
        let mut limits: SmallVec<[Limit; 1]> = SmallVec::new();
        let mut lines: Vec<(Algorithm, Window, u32)> = Vec::new();
        let (mut elements, mut sound) = (0, true);
        for (at, mark, element) in self.reader.maps(field, path) {
            let path = path.index(at);
            elements += 1;
            let limit = if self.reader.is_map(element, &path) {
                let fields = self.reader.fields(element, MapKind::RateLimits, &path);
                self.limit(&fields, mark, &path)
            } else {
                None
            };
            let Some(limit) = limit else {
                sound = false;
                continue;
            };
            let counter = |(algorithm, window, _): &&(Algorithm, Window, u32)| {
                *algorithm == limit.algorithm() && window.shares_counters_with(limit.window())
            };
            if let Some((algorithm, window, line)) = lines.iter().find(counter) {
                let message =
                    format!("a second {algorithm} limit a {window}, after that in line {line}: leave one out");
                self.reader.report.error(mark, &path, message);
            }
            lines.push((limit.algorithm(), limit.window(), mark.line));
            limits.push(limit);
        }
        if elements == 0 && sound && self.reader.document.exhausted().is_none() {
            let message = "rate_limits holds no limit: write at least one, or leave it out";
            self.reader.report.error(field.key_mark, path, message);
        }
        if let Some(why) = self.capabilities.atomic_groups.unsupported().filter(|_| elements > 1) {
            let message = format!(
                "the counter store cannot charge several limits all or none: use one rate_limit, or change what is set: {why}"
            );
            self.reader.report.error(field.key_mark, path, message);
        }
        (sound && !limits.is_empty()).then_some(Policy::Limited(limits))
    }

    /// Reads `name`, `replaces` and `on_store_failure`, inside `rate_limit` or beside `rate_limits`.
    pub(super) fn rule_options(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> RuleOptions {
        let name = fields.get(Key::Name).and_then(|field| self.reader.text(field, &path.key(field.name)));
        let name = name.filter(|name| !name.is_empty());
        let on_store_failure = fields
            .get(Key::OnStoreFailure)
            .and_then(|field| self.reader.choice(field, &path.key(field.name), &FAILURE_MODES));
        let replaces = match fields.get(Key::Replaces) {
            Some(field) => self.replaces(field, name, &path.key(field.name)),
            None => Vec::new(),
        };
        RuleOptions { name: name.map(|name| self.builder.intern(name)), replaces, on_store_failure }
    }

    fn replaces(&mut self, field: Field<'a>, own: Option<&str>, path: &Path<'_>) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for (at, mark, element) in self.reader.maps(field, path) {
            let path = path.index(at);
            if !self.reader.is_map(element, &path) {
                continue;
            }
            let fields = self.reader.fields(element, MapKind::Replaces, &path);
            let here = path.key(Key::Name.name());
            let (name, mark) = match fields.get(Key::Name) {
                Some(field) => (self.reader.text(field, &here), field.mark),
                None => (Some(""), fields.mark_or(Key::Name, mark)),
            };
            match name {
                Some("") => self.reader.report.error(mark, &here, "the name of a rule to replace is missing or empty"),
                Some(name) if Some(name) == own => {
                    let message = format!("the rule `{}` cannot replace itself", clip(name));
                    self.reader.report.error(mark, &here, message);
                }
                Some(name) => names.push(self.builder.intern(name)),
                None => {}
            }
        }
        names
    }

    fn unlimited(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Policy> {
        for key in
            [Key::Unit, Key::Algorithm, Key::Burst, Key::UnitMultiplier, Key::CountDenied, Key::Calendar, Key::TimeZone]
        {
            let Some(field) = fields.get(key) else { continue };
            let here = path.key(field.name);
            if key == Key::Unit {
                let Some(unit) = self.reader.text(field, &here) else { continue };
                if unit.is_empty() {
                    continue;
                }
                if Unit::from_name(unit).is_none() {
                    // the reference ignores a unit that it does not know
                    self.reader.report.warn(field.mark, &here, format!("`{}` is not a unit: ignored", clip(unit)));
                    continue;
                }
            }
            let message = format!("an unlimited rule has no {}: leave out one of them", field.name);
            self.reader.report.error(field.key_mark, &here, message);
        }
        if let Some(field) = fields.get(Key::RequestsPerUnit) {
            let here = path.key(field.name);
            if self.reader.number(field, &here).is_some() {
                self.reader.report.warn(field.key_mark, &here, "an unlimited rule counts nothing: ignored");
            }
        }
        Some(Policy::Unlimited)
    }

    /// Reads one limit. `mark` is its position.
    fn limit(&mut self, fields: &Fields<'a>, mark: Mark, path: &Path<'_>) -> Option<Limit> {
        let zone = self.time_zone(fields, path);
        let window = self.window(fields, zone, mark, path);
        let requests = match fields.get(Key::RequestsPerUnit) {
            Some(field) => self.reader.number(field, &path.key(field.name)),
            None => {
                let here = path.key(Key::RequestsPerUnit.name());
                let mark = fields.mark_or(Key::RequestsPerUnit, mark);
                self.reader.report.warn(
                    mark,
                    &here,
                    "requests_per_unit is missing, which means 0: every request is denied",
                );
                Some(0)
            }
        };
        let algorithm = self.algorithm(fields, zone.flatten(), path);
        let count_denied = match fields.get(Key::CountDenied) {
            Some(field) => self.reader.boolean(field, &path.key(field.name)).map(Some),
            None => Some(self.settings.defaults.count_denied.as_ref().map(|given| given.value)),
        };
        let burst = self.burst(fields, algorithm, path);
        match Limit::new(algorithm?, requests?.into(), window?, burst?.map(Into::into), count_denied?) {
            Ok(limit) => Some(limit),
            Err(error @ LimitError::CalendarOfOtherAlgorithm(_)) => {
                let mark = fields.get(Key::Algorithm).map_or(mark, |field| field.mark);
                self.reader.report.error(mark, &path.key(Key::Algorithm.name()), error.to_string());
                None
            }
            Err(error) => {
                self.reader.report.error(mark, path, error.to_string());
                None
            }
        }
    }

    /// The rule's own algorithm, else the default one, which applies only to limits without a calendar.
    fn algorithm(&mut self, fields: &Fields<'a>, calendar: Option<TimeZone>, path: &Path<'_>) -> Option<Algorithm> {
        let Some(field) = fields.get(Key::Algorithm) else {
            let default = self.settings.defaults.algorithm.as_ref().filter(|_| calendar.is_none());
            return Some(default.map_or(Algorithm::FixedWindow, |given| given.value));
        };
        let here = path.key(field.name);
        let algorithm = self.reader.choice(field, &here, &ALGORITHMS)?;
        self.check_algorithm(algorithm, field.mark, &here);
        Some(algorithm)
    }

    /// Reports an algorithm that the store does not support.
    pub(super) fn check_algorithm(&mut self, algorithm: Algorithm, mark: Mark, path: &Path<'_>) {
        if let Some(message) = unsupported_algorithm(&self.capabilities, algorithm) {
            self.reader.report.error(mark, path, message);
        }
    }

    /// The rule's own burst must fit its algorithm; the default one applies only to token buckets.
    #[allow(clippy::option_option)]
    fn burst(&mut self, fields: &Fields<'a>, algorithm: Option<Algorithm>, path: &Path<'_>) -> Option<Option<u32>> {
        let Some(field) = fields.get(Key::Burst) else {
            let default = self.settings.defaults.burst.as_ref().map(|given| given.value);
            return Some(default.filter(|_| algorithm == Some(Algorithm::TokenBucket)));
        };
        let here = path.key(field.name);
        let burst = self.reader.number(field, &here)?;
        // validated here by `Limit`, with any window, so that the error has the position of `burst`
        match Limit::new(algorithm?, 1, Unit::Second.into(), Some(burst.into()), None) {
            Ok(_) => Some(Some(burst)),
            Err(error) => {
                self.reader.report.error(field.key_mark, &here, error.to_string());
                None
            }
        }
    }
}
