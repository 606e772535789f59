//! Reads typed values from the YAML tree, and reports values of other types.

use super::{
    keys::{self, Key, MapKind},
    report::{Path, Report},
};
use limiter::domain::likely;

use crate::yaml::{Document, Kind, Mark, NodeId, Notice, Scalar, Typed, cure_of_blanks, remark_on_blanks};

const WHOLE_NUMBER: &str = "a whole number without quotes, from 0 to 4294967295";

/// One file while it is read.
#[derive(Debug)]
pub(super) struct Reader<'a, 'r> {
    pub(super) document: &'a Document,
    pub(super) report: &'r mut Report,
    /// The index of the file in the compilation.
    pub(super) file: u32,
}

/// A key of a map, with its value (aliases are followed).
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// The position of the key.
    pub(super) key_mark: Mark,
    /// The position of the value.
    pub(super) mark: Mark,
    pub(super) value: NodeId,
    null: bool,
}

/// The known fields of a map, by key.
#[derive(Debug)]
pub(super) struct Fields<'a>([Option<Field<'a>>; Key::COUNT]);

impl<'a> Fields<'a> {
    /// Returns a field; `None` if it is absent or null, which mean the same.
    pub(super) fn get(&self, key: Key) -> Option<Field<'a>> {
        self.0[key as usize].filter(|field| !field.null)
    }

    /// The position to report for a missing field: that of its key if it is null, else that of the map.
    pub(super) fn mark_or(&self, key: Key, map: Mark) -> Mark {
        self.0[key as usize].map_or(map, |field| field.key_mark)
    }
}

impl<'a> Reader<'a, '_> {
    /// Reads the fields of a map. Reports unknown, misplaced and duplicate keys.
    pub(super) fn fields(&mut self, map: NodeId, map_kind: MapKind, path: &Path<'_>) -> Fields<'a> {
        let document = self.document;
        let mut fields = Fields([None; Key::COUNT]);
        let mut notices = Vec::new();
        for pair in document.pairs(map, &mut notices) {
            let name = pair.key.text;
            match self.known_key(pair.key, pair.mark, map_kind, path) {
                Some(key) if key.belongs_in(map_kind) => {
                    let value = document.follow(pair.value);
                    let null = matches!(document.kind(value), Kind::Scalar(scalar) if scalar.is_null());
                    let mark = document.mark(pair.value);
                    if null && let Some(cure) = key.cure_if_empty() {
                        let message = format!("{name} is empty: nothing is limited here; {cure}, or leave it out");
                        self.report.warn(pair.mark, &path.key(name), message);
                    }
                    fields.0[key as usize] = Some(Field { name, key_mark: pair.mark, mark, value, null });
                }
                Some(_) => self.ignored(pair.value, &path.key(name), 0),
                None => {}
            }
        }
        self.notices(notices, path);
        fields
    }

    /// Returns the key with this name. Reports an unknown name, and a key that does not belong in this map.
    fn known_key(&mut self, key: Scalar<'a>, mark: Mark, map_kind: MapKind, path: &Path<'_>) -> Option<Key> {
        let name = key.text;
        let here = path.key(name);
        if key.typed() != Typed::Text {
            self.report.error(
                mark,
                &here,
                format!("the key {} is not text; accepted: {}", shown(key), keys::accepted(map_kind)),
            );
            return None;
        }
        let Some(known) = Key::from_name(name) else {
            let here_first = Key::ALL.iter().filter(|key| key.belongs_in(map_kind));
            let likely = likely(name, here_first.map(|key| key.name()))
                .or_else(|| likely(name, Key::ALL.iter().map(|key| key.name())));
            if name == "apiVersion" && matches!(map_kind, MapKind::Root | MapKind::DefaultsRoot) {
                let message = "this is a Kubernetes manifest: give the file that is in its `data`, as a mounted ConfigMap \
                               has it; `tollgate validate` reads manifests too";
                self.report.error(mark, &here, message);
                return None;
            }
            let accepted = format!("accepted in {}: {}", map_kind.name(), keys::accepted(map_kind));
            if let Some(cure) = cure_of_blanks(name) {
                self.report.error(mark, &here, format!("unknown key `{}`: {cure}", clip(name)));
                return None;
            }
            self.report.error(mark, &here, suggestion(&format!("unknown key `{}`", clip(name)), likely, &accepted));
            return None;
        };
        if !known.belongs_in(map_kind) {
            // mention only maps of the same kind of file
            let alike = |other: &&MapKind| other.is_of_defaults_file() == map_kind.is_of_defaults_file();
            let belongs: Vec<_> = known.map_kinds().iter().filter(alike).map(|map_kind| map_kind.name()).collect();
            let belongs = match belongs.as_slice() {
                [] if map_kind.is_of_defaults_file() => "a file of rules".to_owned(),
                [] => "a file of defaults".to_owned(),
                map_kinds => map_kinds.join(" or "),
            };
            let message = format!("`{name}` has no meaning in {}; it belongs in {belongs}", map_kind.name());
            if !known.is_of_reference() || map_kind.is_of_defaults_file() {
                // no file for the reference contains it, so rejecting it breaks no existing setup
                self.report.error(mark, &here, message);
                return None;
            }
            self.report.warn(mark, &here, format!("{message}: ignored"));
        }
        Some(known)
    }

    /// Validates an ignored part as the reference does: only known keys, and lists only of maps.
    pub(super) fn ignored(&mut self, value: NodeId, path: &Path<'_>, depth: usize) {
        let document = self.document;
        if depth > crate::yaml::MAX_DEPTH {
            return;
        }
        let target = document.follow(value);
        match document.kind(target) {
            Kind::Scalar(_) => {}
            Kind::List => {
                for (at, element) in document.children(target).enumerate() {
                    let here = path.index(at);
                    match document.kind(element) {
                        Kind::Map => self.ignored(element, &here, depth + 1),
                        _ => drop(self.wrong_type::<()>(element, &here, "a map")),
                    }
                }
            }
            Kind::Map => {
                let mut notices = Vec::new();
                for pair in document.pairs(target, &mut notices) {
                    let here = path.key(pair.key.text);
                    if pair.key.typed() != Typed::Text || Key::from_name(pair.key.text).is_none() {
                        self.report.error(pair.mark, &here, format!("unknown key {}", shown(pair.key)));
                    } else if pair.key.text != Key::Metadata.name() {
                        self.ignored(pair.value, &here, depth + 1);
                    }
                }
                self.notices(notices, path);
            }
        }
    }

    /// Reports duplicate keys, invalid merges, and keys that are not text.
    pub(super) fn notices(&mut self, notices: Vec<Notice>, path: &Path<'_>) {
        for notice in notices {
            match notice {
                Notice::Duplicate { key, first, again } => self.report.warn(
                    again,
                    &path.key(&key),
                    format!(
                        "`{}` is written twice, in line {} and in line {}: the last one counts",
                        clip(&key),
                        first.line,
                        again.line
                    ),
                ),
                Notice::Overridden { key, first, by } => self.report.warn(
                    by,
                    &path.key(&key),
                    format!("`<<` replaces the `{}` of line {} above it: write `<<` first", clip(&key), first.line),
                ),
                Notice::BadMerge(mark) => {
                    self.report.error(mark, &path.key("<<"), "`<<` takes a map or a list of maps");
                }
                Notice::KeyNotScalar(mark) => self.report.error(mark, path, "a key must be text, not a list or a map"),
                Notice::TooDeep(mark) => self.report.error(mark, &path.key("<<"), "maps merge one another too deeply"),
            }
        }
    }

    /// Iterates over a list of maps: index, position and node of each (aliases are followed). Reports anything but a
    /// list.
    pub(super) fn maps(
        &mut self,
        field: Field<'a>,
        path: &Path<'_>,
    ) -> impl Iterator<Item = (usize, Mark, NodeId)> + use<'a> {
        let document = self.document;
        if !matches!(document.kind(field.value), Kind::List) {
            self.wrong_type::<()>(field.value, path, "a list");
        }
        let elements = matches!(document.kind(field.value), Kind::List).then(|| document.children(field.value));
        elements
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(at, element)| (at, document.mark(element), document.follow(element)))
    }

    /// Whether the node is a map; reports it otherwise.
    pub(super) fn is_map(&mut self, node: NodeId, path: &Path<'_>) -> bool {
        let is_map = matches!(self.document.kind(node), Kind::Map);
        if !is_map {
            self.wrong_type::<()>(node, path, "a map");
        }
        is_map
    }

    /// Reads text as written: numbers and booleans keep their spelling.
    pub(super) fn text(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<&'a str> {
        match self.document.kind(field.value) {
            Kind::Scalar(scalar) => Some(scalar.text),
            _ => self.wrong_type(field.value, path, "text"),
        }
    }

    /// Reads a list of texts, each with its position. `None` if it is not a list, is empty, or has an element that is
    /// not text; this is reported.
    pub(super) fn texts(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Vec<(Mark, &'a str)>> {
        let document = self.document;
        if !self.is_list(field) {
            return self.wrong_type(field.value, path, "a list of texts");
        }
        let mut texts = Vec::new();
        let mut sound = true;
        for (at, element) in document.children(field.value).enumerate() {
            match document.kind(document.follow(element)) {
                Kind::Scalar(scalar) if !scalar.is_null() => texts.push((document.mark(element), scalar.text)),
                _ => {
                    self.wrong_type::<()>(element, &path.index(at), "text");
                    sound = false;
                }
            }
        }
        if sound && texts.is_empty() && document.exhausted().is_none() {
            self.report.error(
                field.mark,
                path,
                format!("{} is empty: write at least one, or leave it out", field.name),
            );
        }
        (sound && !texts.is_empty()).then_some(texts)
    }

    /// Whether a field holds a list.
    pub(super) fn is_list(&self, field: Field<'_>) -> bool {
        matches!(self.document.kind(field.value), Kind::List)
    }

    /// Reads a boolean of YAML 1.1, unquoted.
    pub(super) fn boolean(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<bool> {
        match self.typed(field) {
            Some(Typed::Bool(value)) => Some(value),
            _ => self.wrong_type(field.value, path, "a boolean without quotes: true, yes, on, y, false, no, off or n"),
        }
    }

    /// Reads a whole number from 0 to 2^32 − 1, unquoted.
    pub(super) fn number(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<u32> {
        let number = match self.typed(field) {
            Some(Typed::Int(value)) => u32::try_from(value).ok(),
            // some templates, for example Helm's, write large numbers in exponent form
            Some(Typed::Float(value)) if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) => {
                let wanted = format!("{WHOLE_NUMBER}, such as {value}");
                return self.wrong_type(field.value, path, &wanted);
            }
            _ => None,
        };
        number.or_else(|| self.wrong_type(field.value, path, WHOLE_NUMBER))
    }

    /// Reads a whole number from 1 to 2^32 − 1, unquoted.
    pub(super) fn positive(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<u32> {
        let number = self.number(field, path)?;
        if number == 0 {
            self.report.error(field.mark, path, format!("{} must be at least 1", field.name));
        }
        (number > 0).then_some(number)
    }

    fn typed(&self, field: Field<'a>) -> Option<Typed> {
        match self.document.kind(field.value) {
            Kind::Scalar(scalar) => Some(scalar.typed()),
            Kind::List | Kind::Map => None,
        }
    }

    /// Reads one of several names.
    pub(super) fn choice<T: Copy>(
        &mut self,
        field: Field<'a>,
        path: &Path<'_>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(field, path)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        self.invalid(field, text, path, choices.iter().map(|(name, _)| *name), "");
        None
    }

    /// Reports a text that is not one of the accepted ones.
    pub(super) fn invalid(
        &mut self,
        field: Field<'a>,
        text: &str,
        path: &Path<'_>,
        names: impl IntoIterator<Item = &'static str>,
        remark: &str,
    ) {
        let names: Vec<_> = names.into_iter().collect();
        let likely = likely(text, names.iter().copied());
        let blanks = blanks(text);
        let problem = format!("invalid {} `{}`{blanks}", field.name, clip(text));
        let accepted = format!("accepted: {}{remark}", names.join(", "));
        self.report.error(field.mark, path, suggestion(&problem, likely, &accepted));
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong_type<T>(&mut self, value: NodeId, path: &Path<'_>, wanted: &str) -> Option<T> {
        let mark = self.document.mark(value);
        let found = match self.document.kind(value) {
            Kind::List => "a list".to_owned(),
            Kind::Map => "a map".to_owned(),
            Kind::Scalar(scalar) => shown(scalar) + &blanks(scalar.text),
        };
        self.report.error(mark, path, format!("expected {wanted}; found {found}"));
        None
    }
}

fn suggestion(problem: &str, likely: Option<&str>, accepted: &str) -> String {
    match likely {
        Some(likely) => format!("{problem}; did you mean `{likely}`? {accepted}"),
        None => format!("{problem}; {accepted}"),
    }
}

/// A remark if the text begins or ends with a blank that YAML does not treat as one.
fn blanks(text: &str) -> String {
    remark_on_blanks(text).map(|remark| format!(": {remark}")).unwrap_or_default()
}

/// A scalar as a message shows it.
fn shown(scalar: Scalar<'_>) -> String {
    match scalar.typed() {
        Typed::Null if scalar.text.is_empty() => "nothing".to_owned(),
        Typed::Null => "null".to_owned(),
        Typed::Text if !scalar.plain => format!("the text \"{}\"", clip(scalar.text)),
        _ => format!("`{}`", clip(scalar.text)),
    }
}

/// A text, shortened for a message.
pub(super) fn clip(text: &str) -> String {
    const MAX: usize = 60;
    let mut clipped: String = text.chars().take(MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        clipped.push('…');
    }
    clipped
}
