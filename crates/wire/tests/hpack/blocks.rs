//! Header blocks of a connection; some are damaged.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::sample::select;

/// One representation of a field.
#[derive(Clone, Debug)]
enum Step {
    /// An entry of the tables, modulo their size.
    Indexed(usize),
    /// A literal, with its own name or that of an entry.
    Literal { kind: Kind, name: Option<Text>, index: usize, value: Text },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Inserted,
    NotIndexed,
    NeverIndexed,
}

/// An encoded string, and the length of its plain text.
#[derive(Clone, Debug)]
struct Text {
    encoded: Vec<u8>,
    length: usize,
}

/// A change of one octet of a block.
#[derive(Clone, Debug)]
enum Damage {
    Replaced(usize, u8),
    Inserted(usize, u8),
    Truncated(usize),
}

/// The size of a table, and the blocks.
pub(super) fn connection() -> impl Strategy<Value = (usize, Vec<Vec<u8>>)> {
    let block = (
        prop_oneof![8 => Just(vec![]), 2 => proptest::collection::vec(0..=4200_usize, 1..3)],
        proptest::collection::vec(step(), 0..10),
        prop_oneof![8 => Just(None), 2 => damage().prop_map(Some)],
    );
    let size = prop_oneof![4 => Just(4096), 1 => Just(0), 2 => 30..300_usize];
    (size, proptest::collection::vec(block, 1..10)).prop_map(|(size, blocks)| {
        let mut table = Table { entries: VecDeque::new(), limit: size, max: size };
        let blocks = blocks.into_iter().map(|(updates, steps, damage)| {
            let mut block = Vec::new();
            updates.into_iter().for_each(|update| table.resize(update, &mut block));
            steps.into_iter().for_each(|step| table.put(step, &mut block));
            damaged(block, damage.as_ref())
        });
        (size, blocks.collect())
    })
}

/// An integer with a prefix of this many bits.
pub(super) fn integer(first: u8, prefix: u8, value: usize) -> Vec<u8> {
    let full = (1 << prefix) - 1;
    if value < full {
        return vec![first | value as u8];
    }
    let (mut octets, mut rest) = (vec![first | full as u8], value - full);
    while rest >= 128 {
        octets.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    octets.push(rest as u8);
    octets
}

/// A name or a value.
pub(super) fn word() -> impl Strategy<Value = Vec<u8>> {
    const KNOWN: [&str; 8] =
        [":path", ":authority", "te", "content-type", "application/grpc", "grpc-timeout", "x-request-id", ""];
    prop_oneof![
        4 => select(&KNOWN[..]).prop_map(|word| word.as_bytes().to_vec()),
        4 => "[a-z0-9-]{0,12}".prop_map(String::into_bytes),
        4 => "[ -~]{0,60}".prop_map(String::into_bytes),
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => (0..5000_usize).prop_map(|length| vec![b'x'; length]),
    ]
}

fn text() -> impl Strategy<Value = Text> {
    let plain =
        |word: Vec<u8>| Text { encoded: [integer(0, 7, word.len()), word.clone()].concat(), length: word.len() };
    let huffman = |word: Vec<u8>| {
        let mut code = Vec::new();
        httlib_huffman::encode(&word, &mut code).expect("encoded");
        Text { encoded: [integer(0x80, 7, code.len()), code].concat(), length: word.len() }
    };
    prop_oneof![word().prop_map(plain), word().prop_map(huffman)]
}

fn step() -> impl Strategy<Value = Step> {
    // 61 is the newest entry of the dynamic table
    let index = || prop_oneof![0..61_usize, 61..70_usize, 0..300_usize];
    let kind = select(&[Kind::Inserted, Kind::Inserted, Kind::NotIndexed, Kind::NeverIndexed][..]);
    prop_oneof![
        index().prop_map(Step::Indexed),
        (kind, proptest::option::of(text()), index(), text()).prop_map(|(kind, name, index, value)| Step::Literal {
            kind,
            name,
            index,
            value
        }),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let octet = || prop_oneof![any::<u8>(), select(&[0x00, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xff][..])];
    prop_oneof![
        (any::<usize>(), octet()).prop_map(|(at, octet)| Damage::Replaced(at, octet)),
        (any::<usize>(), octet()).prop_map(|(at, octet)| Damage::Inserted(at, octet)),
        any::<usize>().prop_map(Damage::Truncated),
    ]
}

fn damaged(mut block: Vec<u8>, damage: Option<&Damage>) -> Vec<u8> {
    let length = block.len();
    match damage {
        Some(Damage::Replaced(at, octet)) if length > 0 => block[at % length] = *octet,
        Some(Damage::Inserted(at, octet)) => block.insert(at % (length + 1), *octet),
        Some(Damage::Truncated(at)) => block.truncate(at % (length + 1)),
        _ => {}
    }
    block
}

/// Predicts the decoder's table: the lengths of its names and values, newest first.
struct Table {
    entries: VecDeque<(usize, usize)>,
    limit: usize,
    max: usize,
}

impl Table {
    fn resize(&mut self, limit: usize, block: &mut Vec<u8>) {
        block.extend(integer(0x20, 5, limit));
        self.limit = limit.min(self.max);
        self.evict();
    }

    fn put(&mut self, step: Step, block: &mut Vec<u8>) {
        let modulo = |index: usize| if index < 61 { index } else { 61 + (index - 61) % self.entries.len().max(1) };
        let there = |index: usize| modulo(index) % (61 + self.entries.len());
        match step {
            Step::Indexed(index) => block.extend(integer(0x80, 7, there(index) + 1)),
            Step::Literal { kind, name, index, value } => {
                let (first, prefix) = match kind {
                    Kind::Inserted => (0x40, 6),
                    Kind::NotIndexed => (0x00, 4),
                    Kind::NeverIndexed => (0x10, 4),
                };
                let length = match &name {
                    Some(name) => name.length,
                    // names of the static table do not matter here: they are short
                    None => there(index).checked_sub(61).map_or(10, |at| self.entries[at].0),
                };
                match name {
                    Some(name) => block.extend([vec![first], name.encoded].concat()),
                    None => block.extend(integer(first, prefix, there(index) + 1)),
                }
                block.extend(&value.encoded);
                if kind == Kind::Inserted {
                    self.entries.push_front((length, value.length));
                    self.evict();
                }
            }
        }
    }

    fn evict(&mut self) {
        let size =
            |entries: &VecDeque<(usize, usize)>| entries.iter().map(|(name, value)| name + value + 32).sum::<usize>();
        while size(&self.entries) > self.limit {
            self.entries.pop_back();
        }
    }
}
