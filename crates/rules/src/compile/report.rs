//! Collects the errors and warnings of one file, in bounded memory.

use std::sync::Arc;

use crate::{Diagnostic, diagnostic::Excerpt, yaml::Mark};

/// This many errors and this many warnings of one file are reported; the others are only counted.
const MAX_REPORTED: usize = 100;
/// The largest number of characters in an excerpt.
const EXCERPT: usize = 120;

/// The path of a value in the tree, as messages show it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(super) fn key<'q>(&'q self, key: &'q str) -> Path<'q> {
        Path::Key(self, key)
    }

    pub(super) fn index(&self, index: usize) -> Path<'_> {
        Path::Index(self, index)
    }

    fn render(&self, into: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(parent, key) => {
                parent.render(into);
                if !into.is_empty() {
                    into.push('.');
                }
                into.extend(key.chars().take(100));
            }
            Self::Index(parent, index) => {
                parent.render(into);
                into.push_str(&format!("[{index}]"));
            }
        }
    }
}

/// A position as a message names it; `file` is `None` for the message's own file. Line 0 means that there is no text.
pub(super) fn location(file: Option<&str>, line: u32) -> String {
    match (file, line) {
        (Some(file), 0) => file.to_owned(),
        (Some(file), line) => format!("{file}:{line}"),
        (None, 0) => "the same list".to_owned(),
        (None, line) => format!("line {line}"),
    }
}

/// The errors and warnings of one file.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) file: Arc<str>,
    errors: Diagnostics,
    warnings: Diagnostics,
}

#[derive(Debug, Default)]
struct Diagnostics {
    list: Vec<Diagnostic>,
    more: usize,
}

impl Report {
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, errors: Diagnostics::default(), warnings: Diagnostics::default() }
    }

    /// Adds an error, so that the rules are rejected.
    pub(super) fn error(&mut self, mark: Mark, path: &Path<'_>, message: impl Into<String>) {
        self.errors.add(&self.file, Some(mark), path, message.into());
    }

    /// Adds an error of the file as a whole.
    pub(super) fn error_anywhere(&mut self, message: impl Into<String>) {
        self.errors.add(&self.file, None, &Path::Root, message.into());
    }

    /// Adds a warning: something that is accepted but is probably a mistake.
    pub(super) fn warn(&mut self, mark: Mark, path: &Path<'_>, message: impl Into<String>) {
        self.warnings.add(&self.file, Some(mark), path, message.into());
    }

    /// Drops the errors so far, because a later one makes them meaningless.
    pub(super) fn forget_errors(&mut self) {
        self.errors = Diagnostics::default();
    }

    /// Returns the errors and the warnings, sorted by line, with excerpts from the file.
    pub(super) fn finish(self, text: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (self.errors.finish(&self.file, text, "errors"), self.warnings.finish(&self.file, text, "warnings"))
    }
}

impl Diagnostics {
    fn add(&mut self, file: &Arc<str>, mark: Option<Mark>, path: &Path<'_>, message: String) {
        if self.list.len() >= MAX_REPORTED {
            self.more += 1;
            return;
        }
        let mut rendered = String::new();
        path.render(&mut rendered);
        let (line, column) = mark.map_or((0, 0), |mark| (mark.line, mark.column));
        self.list.push(Diagnostic { file: file.clone(), line, column, path: rendered, message, excerpt: None });
    }

    fn finish(mut self, file: &Arc<str>, text: &str, what: &str) -> Vec<Diagnostic> {
        self.list.sort_by_key(|one| (one.line, one.column));
        let mut lines = Lines { rest: text.strip_prefix('\u{feff}').unwrap_or(text), number: 0, current: "" };
        for one in &mut self.list {
            one.excerpt = lines.line(one.line).map(|line| excerpt(line, one.column));
        }
        if self.more > 0 {
            let message = format!("and {} more {what}", self.more);
            let (line, column, path) = (0, 0, String::new());
            self.list.push(Diagnostic { file: file.clone(), line, column, path, message, excerpt: None });
        }
        self.list
    }
}

/// The lines of a file, read once from the start.
struct Lines<'t> {
    rest: &'t str,
    number: u32,
    current: &'t str,
}

impl<'t> Lines<'t> {
    fn line(&mut self, wanted: u32) -> Option<&'t str> {
        if wanted == 0 {
            return None;
        }
        while self.number < wanted {
            let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
            self.current = &self.rest[..end];
            let behind = &self.rest[end..];
            self.rest = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix(['\n', '\r'])).unwrap_or("");
            self.number += 1;
        }
        Some(self.current)
    }
}

fn excerpt(line: &str, column: u32) -> Excerpt {
    let before = column.saturating_sub(1) as usize;
    let skip = before.saturating_sub(EXCERPT * 2 / 3);
    let text: String = line.chars().skip(skip).take(EXCERPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Excerpt { text: text.trim_end().to_owned(), caret: before - skip }
}
