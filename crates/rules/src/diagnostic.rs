//! Faults of a rule file, as text.

use std::{fmt, sync::Arc};

/// One fault, or one warning.
///
/// `{}` prints one line, `file:line:column: path: message`; `{:#}` adds the line of the file with a caret below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name of the [`RuleFile`](super::RuleFile) or [`RuleResource`](super::RuleResource).
    pub file: Arc<str>,
    /// From 1; 0 for a fault of the file as a whole.
    pub line: u32,
    /// In characters, from 1; 0 together with `line`.
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
    /// The text.
    pub text: String,
    /// How many characters of it stand before the fault.
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

/// Why rules were rejected, with warnings. `{}` prints a line for each, `{:#}` with excerpts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileErrors {
    /// At least one, by file and then by line; at most 100 for each file and a last one that counts the rest.
    pub errors: Vec<Diagnostic>,
    /// The warnings.
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
