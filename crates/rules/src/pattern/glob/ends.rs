//! Finds the few patterns of many that a value can match, by their prefixes and suffixes.

use std::hash::{BuildHasher, Hasher as _};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::split;
use crate::node_index::{Hasher, NodeIndex};

/// Patterns by the texts before their first `*` and after their last one.
#[derive(Debug)]
pub(super) struct Ends {
    prefixes: Lengths,
    suffixes: Lengths,
    /// The combinations of prefix and suffix length that occur, as indices of these lists.
    pairs: Box<[(u32, u32)]>,
    groups: Box<[Group]>,
    index: HashTable<u32>,
}

/// Patterns with equal prefixes and equal suffixes.
#[derive(Debug)]
pub(super) struct Group {
    hash: u64,
    prefix: Box<[u8]>,
    suffix: Box<[u8]>,
    /// The first pattern with nothing but `*` in between.
    pub(super) bare: Option<u32>,
    /// The other patterns, in file order.
    pub(super) parted: Vec<u32>,
}

/// The lengths that occur, sorted and distinct.
#[derive(Debug)]
struct Lengths(Box<[usize]>);

impl Ends {
    pub(super) fn new(patterns: &[(NodeIndex, Box<str>)], hasher: &Hasher) -> Self {
        let split: Vec<_> = patterns.iter().map(|(_, pattern)| split(pattern)).collect();
        let prefixes = Lengths::new(split.iter().map(|(prefix, ..)| prefix.len()));
        let suffixes = Lengths::new(split.iter().map(|(.., suffix)| suffix.len()));
        let (mut pairs, mut groups, mut index) = (Vec::new(), Vec::<Group>::new(), HashTable::new());
        for (at, (prefix, middle, suffix)) in (0..).zip(split) {
            let (prefix, suffix) = (prefix.as_bytes(), suffix.as_bytes());
            let places = (prefixes.place(prefix.len()), suffixes.place(suffix.len()));
            pairs.push(places);
            let of_prefix = prefixes.hash_prefixes(hasher, prefix)[places.0 as usize];
            let of_suffix = suffixes.hash_suffixes(hasher, suffix)[places.1 as usize];
            let hash = pair(of_prefix, of_suffix);
            let is_it = |group: &u32| {
                let group = &groups[*group as usize];
                *group.prefix == *prefix && *group.suffix == *suffix
            };
            let group = index.find(hash, is_it).copied().unwrap_or_else(|| {
                let new = groups.len() as u32;
                let (prefix, suffix) = (prefix.into(), suffix.into());
                groups.push(Group { hash, prefix, suffix, bare: None, parted: Vec::new() });
                index.insert_unique(hash, new, |group| groups[*group as usize].hash);
                new
            });
            let group = &mut groups[group as usize];
            if middle.is_some_and(|middle| middle.bytes().any(|byte| byte != b'*')) {
                group.parted.push(at);
            } else {
                group.bare = group.bare.or(Some(at));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        groups.iter_mut().for_each(|group| group.parted.shrink_to_fit());
        let (pairs, groups) = (pairs.into_boxed_slice(), groups.into_boxed_slice());
        Self { prefixes, suffixes, pairs, groups, index }
    }

    /// The number of patterns with literal parts between prefix and suffix.
    pub(super) fn parted(&self) -> usize {
        self.groups.iter().map(|group| group.parted.len()).sum()
    }

    /// Calls `with` for each group whose prefix and suffix the value has, without overlap.
    #[inline]
    pub(super) fn for_each<'a>(&'a self, hasher: &Hasher, value: &[u8], mut with: impl FnMut(&'a Group)) {
        let prefixes = self.prefixes.hash_prefixes(hasher, value);
        let suffixes = self.suffixes.hash_suffixes(hasher, value);
        for (prefix, suffix) in &self.pairs {
            let (Some(of_prefix), Some(of_suffix)) = (prefixes.get(*prefix as usize), suffixes.get(*suffix as usize))
            else {
                continue;
            };
            let (prefix, suffix) = (self.prefixes.0[*prefix as usize], self.suffixes.0[*suffix as usize]);
            if prefix + suffix > value.len() {
                continue;
            }
            let (prefix, suffix) = (&value[..prefix], &value[value.len() - suffix..]);
            let is_it = |group: &u32| {
                let group = &self.groups[*group as usize];
                *group.prefix == *prefix && *group.suffix == *suffix
            };
            if let Some(group) = self.index.find(pair(*of_prefix, *of_suffix), is_it) {
                with(&self.groups[*group as usize]);
            }
        }
    }
}

impl Lengths {
    fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let mut lengths: Vec<usize> = lengths.collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self(lengths.into_boxed_slice())
    }

    fn place(&self, length: usize) -> u32 {
        self.0.partition_point(|other| *other < length) as u32
    }

    /// The hash of each prefix of `text` with one of these lengths; 0 for length 0. Each byte is hashed once.
    fn hash_prefixes(&self, hasher: &Hasher, text: &[u8]) -> SmallVec<[u64; 8]> {
        self.hash(hasher, text.len(), |from, to| &text[from..to])
    }

    /// The same for suffixes.
    fn hash_suffixes(&self, hasher: &Hasher, text: &[u8]) -> SmallVec<[u64; 8]> {
        self.hash(hasher, text.len(), |from, to| &text[text.len() - to..text.len() - from])
    }

    #[inline]
    fn hash<'a>(&self, hasher: &Hasher, most: usize, piece: impl Fn(usize, usize) -> &'a [u8]) -> SmallVec<[u64; 8]> {
        let mut hashes = SmallVec::new();
        let mut lengths = &*self.0;
        if let [0, others @ ..] = lengths {
            hashes.push(0);
            lengths = others;
        }
        if lengths.is_empty() {
            return hashes;
        }
        let (mut state, mut done) = (hasher.build_hasher(), 0);
        for length in lengths {
            if *length > most {
                break;
            }
            state.write(piece(done, *length));
            done = *length;
            hashes.push(state.clone().finish());
        }
        hashes
    }
}

/// Combines two hashes, which are well mixed already.
fn pair(prefix: u64, suffix: u64) -> u64 {
    prefix ^ suffix.rotate_left(32)
}
