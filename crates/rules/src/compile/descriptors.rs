//! Reads `descriptors`, level by level, into a domain that is being built.

use super::{
    builder::{Duplicate, NewNode},
    file_compiler::FileCompiler,
    keys::{Key, MapKind},
    limit::RuleOptions,
    matcher::Matcher,
    reader::{Field, Fields, clip},
    report::{Path, location},
};
use crate::{
    Policy, Rule, RuleId, ValueKind,
    node_index::{NodeIndex, ROOT},
    tree::{Extras, NodeFlags},
    yaml::{MAX_DEPTH, Mark, NodeId},
};

impl<'a> FileCompiler<'a, '_> {
    /// Reads a list of descriptors below `parent`. Continues after an error, to report all of them.
    pub(super) fn descriptors(&mut self, field: Field<'a>, parent: NodeIndex, path: &Path<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            let message = format!("descriptors are nested more than {MAX_DEPTH} levels deep");
            self.reader.report.error(field.mark, path, message);
            return;
        }
        for (at, mark, element) in self.reader.maps(field, path) {
            let path = path.index(at);
            if self.reader.is_map(element, &path) {
                self.descriptor(element, mark, parent, &path, depth);
            }
        }
    }

    fn descriptor(&mut self, map: NodeId, mark: Mark, parent: NodeIndex, path: &Path<'_>, depth: usize) {
        let fields = self.reader.fields(map, MapKind::Descriptor, path);
        let key = self.key(&fields, mark, path);
        let matcher = self.matcher(&fields, path);
        let flags = self.flags(&fields, matcher.as_ref(), path);
        let shadow = self.flag(&fields, Key::ShadowMode, path);
        let quota = self.flag(&fields, Key::QuotaMode, path);
        let metadata = fields.get(Key::Metadata).and_then(|field| self.reader.metadata(field, &path.key(field.name)));
        let (policy, rule_options) = self.policy(&fields, path);

        // without a key there is no node: the descriptors below get an orphan as their parent, and are read only for
        // their errors
        let node = key.zip(matcher).and_then(|(key, matcher)| {
            let new = NewNode { parent, key, matcher, flags, file: self.reader.file, line: mark.line };
            self.add(new, mark, path)
        });
        if let (Some(node), Some(policy)) = (node, policy) {
            let RuleOptions { name, replaces, on_store_failure } = rule_options;
            let extras = Extras { name, replaces: replaces.into_boxed_slice(), metadata };
            let rare = extras.name.is_some() || !extras.replaces.is_empty() || extras.metadata.is_some();
            let rule = Rule {
                id: RuleId(0),
                node,
                policy,
                shadow,
                quota,
                varying_metric: false,
                on_store_failure: on_store_failure.or(self.settings.rule_on_store_failure()),
                extras: rare.then(|| Box::new(extras)),
            };
            self.builder.rule(node, rule);
        }
        if let Some(field) = fields.get(Key::Descriptors) {
            let parent = node.unwrap_or_else(|| self.builder.orphan());
            self.descriptors(field, parent, &path.key(field.name), depth + 1);
        }
    }

    fn key(&mut self, fields: &Fields<'a>, mark: Mark, path: &Path<'_>) -> Option<&'a str> {
        let here = path.key(Key::Key.name());
        let (key, mark) = match fields.get(Key::Key) {
            Some(field) => (self.reader.text(field, &here)?, field.mark),
            None => ("", fields.mark_or(Key::Key, mark)),
        };
        if key.is_empty() {
            self.reader.report.error(mark, &here, "the key is missing or empty: every descriptor needs one");
            return None;
        }
        if key.contains('*') {
            let message = format!("the `*` of `{}` is taken literally: only values are patterns", clip(key));
            self.reader.report.warn(mark, &here, message);
        }
        Some(key)
    }

    fn flag(&mut self, fields: &Fields<'a>, key: Key, path: &Path<'_>) -> bool {
        fields.get(key).and_then(|field| self.reader.boolean(field, &path.key(field.name))).unwrap_or(false)
    }

    fn flags(&mut self, fields: &Fields<'a>, matcher: Option<&Matcher<'_>>, path: &Path<'_>) -> NodeFlags {
        let kind = matcher.map_or(ValueKind::Any, Matcher::kind);
        let share_threshold = self.flag(fields, Key::ShareThreshold, path);
        if share_threshold
            && matcher.is_some_and(|matcher| matches!(matcher.kind(), ValueKind::Any | ValueKind::Exact))
            && let Some(field) = fields.get(Key::ShareThreshold)
        {
            let message = "share_threshold is for a value with a `*`, values, cidr or regex, whose matches share one \
                           counter: leave it out";
            self.reader.report.error(field.key_mark, &path.key(field.name), message);
        }
        NodeFlags {
            kind,
            has_patterns: false,
            share_threshold,
            detailed_metric: self.flag(fields, Key::DetailedMetric, path),
            value_to_metric: self.flag(fields, Key::ValueToMetric, path),
        }
    }

    fn policy(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> (Option<Policy>, RuleOptions) {
        let (one, several) = (fields.get(Key::RateLimit), fields.get(Key::RateLimits));
        if one.is_some()
            && let Some(field) = several
        {
            let message = "rate_limit and rate_limits together: put all limits into rate_limits";
            self.reader.report.error(field.key_mark, &path.key(field.name), message);
        }
        if let Some(field) = several {
            if let Some(field) = one {
                self.rate_limit(field, &path.key(field.name));
            }
            let rule_options = self.rule_options(fields, path);
            return (self.rate_limits(field, &path.key(field.name)), rule_options);
        }
        self.only_beside_rate_limits(fields, path);
        one.map_or_else(Default::default, |field| self.rate_limit(field, &path.key(field.name)))
    }

    /// Reports keys that belong inside `rate_limit` and are allowed beside it only with `rate_limits`.
    fn only_beside_rate_limits(&mut self, fields: &Fields<'a>, path: &Path<'_>) {
        for key in [Key::Name, Key::Replaces, Key::OnStoreFailure] {
            let Some(field) = fields.get(key) else { continue };
            let (name, here) = (field.name, path.key(field.name));
            let message = format!("`{name}` belongs in rate_limit; beside it only where there are rate_limits");
            if key.is_of_reference() {
                self.reader.ignored(field.value, &here, 0);
                self.reader.report.warn(field.key_mark, &here, format!("{message}: ignored"));
            } else {
                self.reader.report.error(field.key_mark, &here, message);
            }
        }
    }

    fn add(&mut self, new: NewNode<'_>, mark: Mark, path: &Path<'_>) -> Option<NodeIndex> {
        let key = new.key;
        match self.builder.node(new) {
            Ok(node) => Some(node),
            Err(Duplicate { matches, file: there, line }) => {
                let what = format!("key `{}` and {matches}", clip(key));
                let file = self.files.get(there as usize).filter(|_| there != self.reader.file);
                let location = location(file.map(|file| &**file), line);
                let message = format!("a sibling with {what} is already in {location}: leave one out");
                self.reader.report.error(mark, path, message);
                None
            }
        }
    }
}

/// Reads all descriptors of a file.
pub(super) fn read<'a>(compiler: &mut FileCompiler<'a, '_>, descriptors: Option<Field<'a>>) {
    let root = Path::Root;
    if let Some(given) = &compiler.settings.defaults.algorithm {
        let defaults = root.key(Key::Defaults.name());
        compiler.check_algorithm(given.value, given.mark, &defaults.key(Key::Algorithm.name()));
    }
    if let Some(field) = descriptors {
        compiler.descriptors(field, ROOT, &root.key(field.name), 1);
    }
}
