//! Errors and warnings of rule files.

use std::{fmt, sync::Arc};

/// One error or warning.
///
/// `{}` prints one line, `file:line:column: path: message`; `{:#}` adds the line of the file with a caret below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name of the [`RuleFile`](super::RuleFile) or [`RuleResource`](super::RuleResource).
    pub file: Arc<str>,
    /// From 1; 0 for the file as a whole.
    pub line: u32,
    /// In characters, from 1; 0 if `line` is 0.
    pub column: u32,
    /// Such as `descriptors[2].rate_limit.unit`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what is accepted.
    pub message: String,
    /// The relevant part of the line.
    pub excerpt: Option<Excerpt>,
}

/// A part of one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// A part of the line, with at most 120 characters.
    pub text: String,
    /// How many characters of `text` are before the error.
    pub caret: usize,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)?;
        match &self.excerpt {
            Some(excerpt) if f.alternate() => {
                let gutter = self.line.to_string();
                let caret = "^".to_owned();
                let (blank, before) = (" ".repeat(gutter.len()), " ".repeat(excerpt.caret));
                write!(f, "\n {gutter} | {}\n {blank} | {before}{caret}", excerpt.text)
            }
            _ => Ok(()),
        }
    }
}

/// The errors for which rules were rejected, with the warnings. `{}` prints one line for each, `{:#}` adds excerpts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileErrors {
    /// At least one, sorted by file and line; at most 100 for each file, then one that counts the rest.
    pub errors: Vec<Diagnostic>,
    /// The warnings, sorted likewise.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            if f.alternate() { write!(f, "{separator}{error:#}")? } else { write!(f, "{separator}{error}")? }
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}
