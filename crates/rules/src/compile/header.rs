//! The options at the top of a file, and the options of a domain that several files can share.

use std::sync::Arc;

use super::{
    keys::{Key, MapKind},
    reader::{Field, Fields, Reader},
    report::{Path, Report, location},
};
use limiter::domain::{Algorithm, FailureMode};

use crate::{
    OnUnknown,
    yaml::{Mark, NodeId},
};

pub(super) const ALGORITHMS: [(&str, Algorithm); 3] = [
    (Algorithm::FixedWindow.name(), Algorithm::FixedWindow),
    (Algorithm::SlidingWindow.name(), Algorithm::SlidingWindow),
    (Algorithm::TokenBucket.name(), Algorithm::TokenBucket),
];
pub(super) const FAILURE_MODES: [(&str, FailureMode); 4] = [
    (FailureMode::Error.name(), FailureMode::Error),
    (FailureMode::Allow.name(), FailureMode::Allow),
    (FailureMode::Deny.name(), FailureMode::Deny),
    (FailureMode::Local.name(), FailureMode::Local),
];
pub(super) const ON_UNKNOWN: [(&str, OnUnknown); 2] = [("allow", OnUnknown::Allow), ("deny", OnUnknown::Deny)];

/// The top level of one file, except its descriptors.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// `None` if it is missing or invalid, which has been reported.
    pub(super) domain: Option<(&'a str, Mark)>,
    pub(super) settings: Settings,
    pub(super) descriptors: Option<Field<'a>>,
}

/// An option's value with its position, for messages.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) mark: Mark,
    file: Arc<str>,
}

/// The options of a domain.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    on_unknown: Option<Given<OnUnknown>>,
    pub(super) atomic: Option<Given<bool>>,
    on_store_failure: Option<Given<FailureMode>>,
    pub(super) defaults: Defaults,
}

/// The defaults of limits.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) algorithm: Option<Given<Algorithm>>,
    pub(super) burst: Option<Given<u32>>,
    pub(super) unit_multiplier: Option<Given<u32>>,
    pub(super) count_denied: Option<Given<bool>>,
    on_store_failure: Option<Given<FailureMode>>,
}

impl Settings {
    pub(super) fn on_unknown(&self) -> OnUnknown {
        self.on_unknown.as_ref().map_or(OnUnknown::Allow, |given| given.value)
    }

    pub(super) fn atomic(&self) -> bool {
        self.atomic.as_ref().is_some_and(|given| given.value)
    }

    pub(super) fn on_store_failure(&self) -> Option<FailureMode> {
        self.on_store_failure.as_ref().map(|given| given.value)
    }

    /// The failure mode of a rule that does not set one.
    pub(super) fn rule_on_store_failure(&self) -> Option<FailureMode> {
        self.defaults.on_store_failure.as_ref().map(|given| given.value).or(self.on_store_failure())
    }

    /// Fills in the options that are not set from `other`.
    pub(super) fn complete(&mut self, other: &Self) {
        fn or<T: Clone>(ours: &mut Option<Given<T>>, other: &Option<Given<T>>) {
            if ours.is_none() {
                ours.clone_from(other);
            }
        }
        or(&mut self.on_unknown, &other.on_unknown);
        or(&mut self.atomic, &other.atomic);
        or(&mut self.on_store_failure, &other.on_store_failure);
        let (ours, other) = (&mut self.defaults, &other.defaults);
        or(&mut ours.algorithm, &other.algorithm);
        or(&mut ours.burst, &other.burst);
        or(&mut ours.unit_multiplier, &other.unit_multiplier);
        or(&mut ours.count_denied, &other.count_denied);
        or(&mut ours.on_store_failure, &other.on_store_failure);
    }

    /// Merges the options of another file of the same domain. An option that both set must have equal values.
    pub(super) fn merge(&mut self, other: Self, report: &mut Report) {
        let root = Path::Root;
        let defaults = root.key(Key::Defaults.name());
        agree(&mut self.on_unknown, other.on_unknown, &root.key(Key::OnUnknown.name()), report);
        agree(&mut self.atomic, other.atomic, &root.key(Key::Atomic.name()), report);
        agree(&mut self.on_store_failure, other.on_store_failure, &root.key(Key::OnStoreFailure.name()), report);
        let (ours, other) = (&mut self.defaults, other.defaults);
        agree(&mut ours.algorithm, other.algorithm, &defaults.key(Key::Algorithm.name()), report);
        agree(&mut ours.burst, other.burst, &defaults.key(Key::Burst.name()), report);
        agree(&mut ours.unit_multiplier, other.unit_multiplier, &defaults.key(Key::UnitMultiplier.name()), report);
        agree(&mut ours.count_denied, other.count_denied, &defaults.key(Key::CountDenied.name()), report);
        agree(&mut ours.on_store_failure, other.on_store_failure, &defaults.key(Key::OnStoreFailure.name()), report);
    }
}

fn agree<T: PartialEq>(ours: &mut Option<Given<T>>, other: Option<Given<T>>, path: &Path<'_>, report: &mut Report) {
    match (&*ours, other) {
        (Some(ours), Some(other)) if ours.value != other.value => {
            let there = location(Some(&ours.file), ours.mark.line);
            let message = format!("differs from {there} of the same domain: set it once, or to the same value");
            report.error(other.mark, path, message);
        }
        (None, other @ Some(_)) => *ours = other,
        _ => {}
    }
}

impl<'a> Reader<'a, '_> {
    /// Reads the top level of a file, except for its descriptors.
    pub(super) fn header(&mut self, root: NodeId) -> Header<'a> {
        let path = Path::Root;
        let fields = self.fields(root, MapKind::Root, &path);
        let domain = self.domain(&fields, root, &path, "write `domain: NAME`");
        let settings = Settings {
            on_unknown: self.on_unknown(&fields, &path),
            atomic: self.atomic(&fields, &path),
            on_store_failure: self.on_store_failure(&fields, &path),
            defaults: fields.get(Key::Defaults).map(|field| self.defaults(field, &path)).unwrap_or_default(),
        };
        Header { domain, settings, descriptors: fields.get(Key::Descriptors) }
    }

    fn defaults(&mut self, field: Field<'a>, path: &Path<'_>) -> Defaults {
        let path = path.key(field.name);
        if self.is_list(field) {
            let message = "expected a map; found a list: a file of defaults for domains is not a rule file; name it in \
                           RULE_DEFAULTS, and keep it elsewhere";
            self.report.error(field.mark, &path, message);
            return Defaults::default();
        }
        if !self.is_map(field.value, &path) {
            return Defaults::default();
        }
        let fields = self.fields(field.value, MapKind::Defaults, &path);
        Defaults {
            algorithm: self.algorithm(&fields, &path),
            burst: self.given(fields.get(Key::Burst), &path, Self::positive),
            unit_multiplier: self.given(fields.get(Key::UnitMultiplier), &path, Self::positive),
            count_denied: self.given(fields.get(Key::CountDenied), &path, Self::boolean),
            on_store_failure: self.on_store_failure(&fields, &path),
        }
    }

    /// Reads an element of a file of defaults, except for its domain.
    pub(super) fn domain_defaults(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Settings {
        Settings {
            on_unknown: self.on_unknown(fields, path),
            atomic: self.atomic(fields, path),
            on_store_failure: self.on_store_failure(fields, path),
            defaults: Defaults {
                algorithm: self.algorithm(fields, path),
                burst: self.given(fields.get(Key::Burst), path, Self::positive),
                count_denied: self.given(fields.get(Key::CountDenied), path, Self::boolean),
                ..Defaults::default()
            },
        }
    }

    /// Reads the name of a domain, and its position. `None` if it is missing or invalid; the report then ends with
    /// `cure`.
    pub(super) fn domain(
        &mut self,
        fields: &Fields<'a>,
        map: NodeId,
        path: &Path<'_>,
        cure: &str,
    ) -> Option<(&'a str, Mark)> {
        let here = path.key(Key::Domain.name());
        let (name, mark) = match fields.get(Key::Domain) {
            Some(field) => (self.text(field, &here)?, field.mark),
            None => ("", fields.mark_or(Key::Domain, self.document.mark(map))),
        };
        if name.is_empty() {
            self.report.error(mark, &here, format!("the domain is missing or empty: {cure}"));
        }
        (!name.is_empty()).then_some((name, mark))
    }

    fn algorithm(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Given<Algorithm>> {
        self.given(fields.get(Key::Algorithm), path, |r, f, p| r.choice(f, p, &ALGORITHMS))
    }

    fn on_unknown(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Given<OnUnknown>> {
        self.given(fields.get(Key::OnUnknown), path, |r, f, p| r.choice(f, p, &ON_UNKNOWN))
    }

    fn atomic(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Given<bool>> {
        self.given(fields.get(Key::Atomic), path, Self::boolean)
    }

    fn on_store_failure(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Given<FailureMode>> {
        self.given(fields.get(Key::OnStoreFailure), path, |r, f, p| r.choice(f, p, &FAILURE_MODES))
    }

    fn given<T>(
        &mut self,
        field: Option<Field<'a>>,
        path: &Path<'_>,
        read: impl Fn(&mut Self, Field<'a>, &Path<'_>) -> Option<T>,
    ) -> Option<Given<T>> {
        let field = field?;
        let value = read(self, field, &path.key(field.name))?;
        Some(Given { value, mark: field.mark, file: self.report.file.clone() })
    }
}
