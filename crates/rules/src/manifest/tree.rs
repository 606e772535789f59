//! Parses the documents of a file to trees, to look into manifests. Anchors, aliases and tags are ignored.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// The largest nesting depth of lists and maps.
const MAX_DEPTH: usize = 200;

/// A node of a document.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Scalar {
        text: String,
        /// The line of its start, from 1.
        line: usize,
        /// Whether it is a block that begins with `|`.
        literal: bool,
    },
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Returns the value of a key in a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.pairs().iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Returns the scalar value of a key in a map.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Scalar { text, .. } => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The keys and values of a map.
    pub(super) fn pairs(&self) -> &[(String, Self)] {
        match self {
            Self::Map(pairs) => pairs,
            Self::Scalar { .. } | Self::List(_) => &[],
        }
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Scalar { .. } | Self::Map(_) => &[],
        }
    }

    fn scalar(text: String, line: usize, literal: bool) -> Self {
        Self::Scalar { text, line, literal }
    }
}

/// A list or map that is being read; the key is the one whose value comes next.
enum Open {
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>, Option<String>),
}

/// Parses all documents; `None` if the text is not YAML.
pub(super) fn documents(text: &str) -> Option<Vec<Tree>> {
    let (mut documents, mut open) = (Vec::new(), Vec::<Open>::new());
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let done = match event {
            Event::Scalar(text, style, _, _) => {
                Tree::scalar(text.into_owned(), span.start.line(), style == ScalarStyle::Literal)
            }
            Event::Alias(_) => Tree::scalar(String::new(), span.start.line(), false),
            Event::SequenceStart(..) if open.len() < MAX_DEPTH => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) if open.len() < MAX_DEPTH => {
                open.push(Open::Map(Vec::new(), None));
                continue;
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => return None,
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(items) => Tree::List(items),
                Open::Map(pairs, _) => Tree::Map(pairs),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Map(pairs, key)) => match (key.take(), done) {
                (Some(key), value) => pairs.push((key, value)),
                (None, Tree::Scalar { text, .. }) => *key = Some(text),
                // a key that is not text is none of those looked up
                (None, Tree::List(_) | Tree::Map(_)) => *key = Some(String::new()),
            },
        }
    }
    Some(documents)
}
