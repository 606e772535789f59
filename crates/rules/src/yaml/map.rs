//! The entries of a map: merge keys are applied, and the last of several equal keys wins.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Document, Kind, MAX_DEPTH, Mark, NodeId, Scalar};

/// One key of a map, and its value, which may be an alias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'d> {
    pub(crate) key: Scalar<'d>,
    pub(crate) mark: Mark,
    pub(crate) value: NodeId,
    merged: bool,
}

/// Something to report about the keys of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The key is written again at `again`, and the last one wins.
    Duplicate { key: String, first: Mark, again: Mark },
    /// A `<<` below the key replaces it.
    Overridden { key: String, first: Mark, by: Mark },
    /// `<<` with a value other than a map or a list of maps.
    BadMerge(Mark),
    /// A key that is a list or a map.
    KeyNotScalar(Mark),
    /// Maps merge each other through `<<` more than [`MAX_DEPTH`] levels deep.
    TooDeep(Mark),
}

/// The pairs in the order of their first appearance.
pub(crate) type Pairs<'d> = SmallVec<[Pair<'d>; 8]>;

/// From this number of keys on, they are looked up by hash.
const MANY: usize = 24;

struct Entries<'d, 'n> {
    document: &'d Document,
    pairs: Pairs<'d>,
    by_key: HashMap<&'d str, usize>,
    notices: &'n mut Vec<Notice>,
}

impl Document {
    /// Returns the entries of a map (not of an alias). As in the reference, a later entry replaces an earlier one,
    /// whether it is written there or merged in; in a list of merged maps the first wins.
    pub(crate) fn pairs<'d>(&'d self, map: NodeId, notices: &mut Vec<Notice>) -> Pairs<'d> {
        let mut entries = Entries { document: self, pairs: Pairs::new(), by_key: HashMap::new(), notices };
        entries.add_map(map, None, 0);
        entries.pairs
    }
}

impl<'d> Entries<'d, '_> {
    fn add_map(&mut self, map: NodeId, merge: Option<Mark>, depth: usize) {
        let document = self.document;
        let mut children = document.children(map);
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let mark = document.mark(key);
            match document.kind(document.follow(key)) {
                Kind::Scalar(Scalar { text: "<<", plain: true }) => self.merge(value, merge.unwrap_or(mark), depth),
                Kind::Scalar(scalar) => self.add(Pair { key: scalar, mark, value, merged: merge.is_some() }, merge),
                Kind::List | Kind::Map => self.notices.push(Notice::KeyNotScalar(mark)),
            }
        }
    }

    fn merge(&mut self, value: NodeId, at: Mark, depth: usize) {
        if depth >= MAX_DEPTH {
            self.notices.push(Notice::TooDeep(at));
            return;
        }
        let target = self.document.follow(value);
        match self.document.kind(target) {
            Kind::Map => self.add_map(target, Some(at), depth + 1),
            Kind::List => {
                // the first of the list wins, so it is added last
                let maps: Vec<_> = self.document.children(target).collect();
                for map in maps.into_iter().rev() {
                    let target = self.document.follow(map);
                    match self.document.kind(target) {
                        Kind::Map => self.add_map(target, Some(at), depth + 1),
                        _ => self.notices.push(Notice::BadMerge(self.document.mark(map))),
                    }
                }
            }
            Kind::Scalar(_) => self.notices.push(Notice::BadMerge(self.document.mark(value))),
        }
    }

    fn add(&mut self, pair: Pair<'d>, merge: Option<Mark>) {
        let found = if self.pairs.len() < MANY {
            self.pairs.iter().position(|old| old.key.text == pair.key.text)
        } else {
            if self.by_key.is_empty() {
                self.by_key.extend(self.pairs.iter().enumerate().map(|(at, pair)| (pair.key.text, at)));
            }
            self.by_key.get(pair.key.text).copied()
        };
        let Some(at) = found else {
            if !self.by_key.is_empty() {
                self.by_key.insert(pair.key.text, self.pairs.len());
            }
            self.pairs.push(pair);
            return;
        };
        let old = std::mem::replace(&mut self.pairs[at], pair);
        let key = || pair.key.text.to_owned();
        match merge {
            _ if old.merged => {}
            None => self.notices.push(Notice::Duplicate { key: key(), first: old.mark, again: pair.mark }),
            Some(by) => self.notices.push(Notice::Overridden { key: key(), first: old.mark, by }),
        }
    }
}
