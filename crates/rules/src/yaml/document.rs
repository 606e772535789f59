//! The tree of one YAML document.
//!
//! The items are in document order in one array, each container with the index after its last descendant, so a file
//! with a million rules needs three allocations. Aliases stay references: following one charges the size of its target
//! to a budget, which grows with the file.

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use saphyr_parser::{Event, Parser, Span};

use super::{Scalar, blanks, tag};

/// The largest nesting depth of lists and maps, and likewise of merge keys and aliases.
pub(crate) const MAX_DEPTH: usize = 200;

/// A position in a file; both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Mark {
    /// The start of the file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
    /// For a document that is not text.
    pub(crate) const NOWHERE: Self = Self { line: 0, column: 0 };
}

/// A node of one [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// The kind of a node, after following aliases.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'d> {
    Scalar(Scalar<'d>),
    List,
    Map,
}

/// The text is not YAML, or exceeds a limit of this parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) mark: Mark,
    pub(crate) message: String,
}

impl SyntaxError {
    /// The same error at its cause, if that is a character that only looks like indentation.
    fn at_its_origin(self, text: &str) -> Self {
        let tabs = self.message.contains("tab");
        let Some((line, column, remark)) = blanks::origin(text, self.mark.line as usize, tabs) else { return self };
        let mark = Mark { line: number(line), column: number(column) };
        Self { mark, message: format!("{remark} ({})", self.message) }
    }
}

/// How the parser's message about a tab begins.
const TAB_BEHIND_COLON: &str = "':' must be followed by a valid YAML whitespace";

#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Scalar { start: u32, len: u32, plain: bool },
    List { end: u32, text_bytes: u32 },
    Map { end: u32, text_bytes: u32 },
    Alias { target: u32 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) mark: Mark,
    pub(super) content: Content,
}

/// The first document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    items: Vec<Item>,
    text: String,
    alias_budget: AtomicU64,
    exhausted_at: OnceLock<Mark>,
    second_document: Option<Mark>,
}

impl Document {
    /// Reads the first document of `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check_characters(text)?;
        Self::read(text).or_else(|fault| {
            let spaced = if fault.message.starts_with(TAB_BEHIND_COLON) { blanks::spaced(text) } else { None };
            let read = spaced.map_or(Err(fault), |spaced| Self::read(&spaced));
            read.map_err(|fault| fault.at_its_origin(text))
        })
    }

    fn read(text: &str) -> Result<Self, SyntaxError> {
        let mut builder = Builder::default();
        let parser = Parser::new_from_str(text);
        let mut ended = false;
        let mut second_document = None;
        for event in parser {
            let (event, span) = event.map_err(|error| {
                let is_alias = text.chars().nth(error.marker().index()) == Some('*');
                let cure = if is_alias { ": put a text that begins with `*` in quotes" } else { "" };
                SyntaxError { mark: mark(*error.marker()), message: format!("{}{cure}", error.info()) }
            })?;
            match event {
                Event::DocumentStart(_) if ended => {
                    second_document = Some(mark(span.start));
                    break;
                }
                Event::DocumentEnd => ended = true,
                Event::StreamEnd => break,
                other => builder.take(other, span)?,
            }
        }
        let Builder { items, text, .. } = builder;
        Ok(Self { second_document, ..Self::new(items, text) })
    }

    /// A document with these items.
    pub(super) fn new(items: Vec<Item>, text: String) -> Self {
        let alias_budget = AtomicU64::new(10 * items.len() as u64 + 100_000);
        Self { items, text, alias_budget, exhausted_at: OnceLock::new(), second_document: None }
    }

    /// The root node; `None` if the file contains only comments.
    pub(crate) fn root(&self) -> Option<NodeId> {
        (!self.items.is_empty()).then_some(NodeId(0))
    }

    /// The start of a second document, which is ignored.
    pub(crate) fn second_document(&self) -> Option<Mark> {
        self.second_document
    }

    /// The alias that exceeded the budget, if one did. From then on every container appears empty, so that any walk
    /// ends soon.
    pub(crate) fn exhausted(&self) -> Option<Mark> {
        self.exhausted_at.get().copied()
    }

    /// The position of the node; for an alias that of the alias.
    pub(crate) fn mark(&self, id: NodeId) -> Mark {
        self.items[id.0 as usize].mark
    }

    /// Returns the target of an alias, or the node itself. Charges the size of the target to the budget.
    pub(crate) fn follow(&self, id: NodeId) -> NodeId {
        let Content::Alias { target } = self.items[id.0 as usize].content else { return id };
        let cost = match self.items[target as usize].content {
            Content::Scalar { len, .. } => 1 + u64::from(len) / 32,
            Content::List { end, text_bytes } | Content::Map { end, text_bytes } => {
                u64::from(end - target) + u64::from(text_bytes) / 32
            }
            Content::Alias { .. } => 1,
        };
        let charged = self.alias_budget.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(cost));
        if charged.is_err() {
            self.exhausted_at.get_or_init(|| self.mark(id));
        }
        NodeId(target)
    }

    /// The kind of the node. Does not charge the budget: call it with a result of [`Document::follow`].
    pub(crate) fn kind(&self, id: NodeId) -> Kind<'_> {
        match self.items[id.0 as usize].content {
            Content::Scalar { start, len, plain } => {
                Kind::Scalar(Scalar { text: &self.text[start as usize..(start + len) as usize], plain })
            }
            Content::List { .. } => Kind::List,
            Content::Map { .. } => Kind::Map,
            Content::Alias { target } => self.kind(NodeId(target)),
        }
    }

    /// The elements of a list, or the keys and values of a map in turn. Empty for a scalar.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = match self.items[id.0 as usize].content {
            Content::List { end, .. } | Content::Map { end, .. } => end,
            Content::Scalar { .. } | Content::Alias { .. } => id.0,
        };
        let mut next = id.0 + 1;
        std::iter::from_fn(move || {
            if next >= end || self.exhausted_at.get().is_some() {
                return None;
            }
            let child = next;
            next = match self.items[child as usize].content {
                Content::List { end, .. } | Content::Map { end, .. } => end,
                Content::Scalar { .. } | Content::Alias { .. } => child + 1,
            };
            Some(NodeId(child))
        })
    }
}

fn mark(marker: saphyr_parser::Marker) -> Mark {
    Mark { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Rejects control characters, which YAML forbids; the parser would treat a NUL as the end of the file.
fn check_characters(text: &str) -> Result<(), SyntaxError> {
    // offsets into the text are kept in 32 bits
    if u32::try_from(text.len()).is_err() {
        return Err(SyntaxError { mark: Mark::START, message: "a file of 4 GiB or more: split it".to_owned() });
    }
    let forbidden = |c: char| (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) || c == '\u{ffff}';
    let Some((at, found)) = text.char_indices().find(|(_, c)| forbidden(*c)) else { return Ok(()) };
    let before = text[..at].replace("\r\n", "\n");
    let line = before.matches(['\n', '\r']).count() + 1;
    let column = before.rsplit(['\n', '\r']).next().unwrap_or_default().chars().count() + 1;
    let mark = Mark { line: number(line), column: number(column) };
    Err(SyntaxError { mark, message: format!("the control character U+{:04X} is not allowed in YAML", found as u32) })
}

#[derive(Default)]
struct Builder {
    items: Vec<Item>,
    text: String,
    open: Vec<u32>,
    anchors: HashMap<usize, u32>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let mark = mark(span.start);
        let here = self.offset(self.items.len(), mark)?;
        match event {
            Event::Alias(anchor) => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    return error(mark, "an alias of an anchor that does not exist");
                };
                if self.open.contains(&target) {
                    return error(mark, "the alias stands inside its own anchor");
                }
                self.items.push(Item { mark, content: Content::Alias { target } });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let resolved = tag::resolve(text, style, tag.as_deref());
                let (text, plain) = resolved.map_err(|message| SyntaxError { mark, message })?;
                let start = self.offset(self.text.len(), mark)?;
                let len = self.offset(text.len(), mark)?;
                self.text.push_str(&text);
                self.anchor(anchor, here);
                self.items.push(Item { mark, content: Content::Scalar { start, len, plain } });
            }
            Event::SequenceStart(anchor, _) => {
                let text_bytes = self.offset(self.text.len(), mark)?;
                self.open(anchor, here, Item { mark, content: Content::List { end: 0, text_bytes } })?;
            }
            Event::MappingStart(anchor, _) => {
                let text_bytes = self.offset(self.text.len(), mark)?;
                self.open(anchor, here, Item { mark, content: Content::Map { end: 0, text_bytes } })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let text_end = self.offset(self.text.len(), mark)?;
                let opened = self.open.pop().and_then(|at| self.items.get_mut(at as usize));
                if let Some(Content::List { end, text_bytes } | Content::Map { end, text_bytes }) =
                    opened.map(|item| &mut item.content)
                {
                    *end = here;
                    *text_bytes = text_end - *text_bytes;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, here: u32, item: Item) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return error(item.mark, &format!("nested more than {MAX_DEPTH} levels deep"));
        }
        self.anchor(anchor, here);
        self.open.push(here);
        self.items.push(item);
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, here: u32) {
        if anchor != 0 {
            self.anchors.insert(anchor, here);
        }
    }

    fn offset(&self, number: usize, mark: Mark) -> Result<u32, SyntaxError> {
        u32::try_from(number).or_else(|_| error(mark, "the file is too large: split it"))
    }
}

fn error<T>(mark: Mark, message: &str) -> Result<T, SyntaxError> {
    Err(SyntaxError { mark, message: message.to_owned() })
}
