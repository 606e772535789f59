//! Compared with Go's decoder, in a process of its own: tests/independent/hpack.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use wire::hpack::{HpackError, put_field};

use super::blocks::{self, word};
use super::{Pair, Tally, compare};

struct Go {
    process: Child,
    input: ChildStdin,
    output: io::BufReader<ChildStdout>,
}

impl Go {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/bin/hpack");
        assert!(program.exists(), "{} is missing: `bash tests/run.sh` builds it", program.display());
        let mut process =
            Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = process.stdin.take().expect("a pipe");
        let output = io::BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, input, output }
    }

    fn renew(&mut self, size: usize) {
        let record = [&[0][..], &(size as u32).to_be_bytes()].concat();
        self.input.write_all(&record).expect("written");
    }

    fn decode(&mut self, block: &[u8]) -> Option<Vec<Pair>> {
        let record = [&[1][..], &(block.len() as u32).to_be_bytes(), block].concat();
        self.input.write_all(&record).expect("written");
        let fields = self.number();
        (fields != u32::MAX).then(|| (0..fields).map(|_| (self.text(), self.text())).collect())
    }

    fn number(&mut self) -> u32 {
        let mut number = [0; 4];
        self.output.read_exact(&mut number).expect("an answer");
        u32::from_be_bytes(number)
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = vec![0; self.number() as usize];
        self.output.read_exact(&mut text).expect("an answer");
        text
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

/// Where Go differs:
/// - Its integers may have nine octets after the prefix; RFC 7541, section 5.1, leaves the limit open.
/// - It accepts size updates anywhere while its table is empty, against RFC 7541, section 4.2.
/// - It rejects the second one at the start of a block while its table is not empty, although section 4.2 requires two
///   if the size was reduced and then raised between two blocks.
fn differs(block: &[u8], ours: &Result<Vec<Pair>, HpackError>) -> bool {
    match ours {
        Ok(_) => starts_with_two_updates(block),
        Err(error) => matches!(error, HpackError::Integer | HpackError::MisplacedSizeUpdate),
    }
}

fn starts_with_two_updates(block: &[u8]) -> bool {
    let is_update = |octet: Option<&u8>| matches!(octet, Some(0x20..0x40));
    let more = block.iter().skip(1).take_while(|octet| **octet >= 0x80).count();
    let second = if block.first() == Some(&0x3f) { 2 + more } else { 1 };
    is_update(block.first()) && is_update(block.get(second))
}

#[test]
fn blocks_are_decoded_as_in_go() {
    let (go, counted) = (RefCell::new(Go::start()), RefCell::new(Tally::default()));
    let cases = ProptestConfig::default().cases.max(4000);
    proptest!(ProptestConfig::with_cases(cases), |(connection in blocks::connection())| {
        let mut go = go.borrow_mut();
        go.renew(connection.0);
        compare(&connection, |block| go.decode(block), differs, &mut counted.borrow_mut());
    });
    let tally = counted.into_inner();
    assert!(tally.same > u64::from(cases), "{tally:?}");
    eprintln!("hpack: as Go: {tally:?}");
}

#[test]
fn random_octets_are_decoded_as_in_go() {
    let (go, counted) = (RefCell::new(Go::start()), RefCell::new(Tally::default()));
    let octet = prop_oneof![any::<u8>(), 0x00..0x08_u8, 0x80..0x84_u8];
    let blocks = proptest::collection::vec(proptest::collection::vec(octet, 0..12), 1..6);
    let cases = ProptestConfig::default().cases.max(4000);
    proptest!(ProptestConfig::with_cases(cases), |(blocks in blocks)| {
        let mut go = go.borrow_mut();
        go.renew(4096);
        compare(&(4096, blocks), |block| go.decode(block), differs, &mut counted.borrow_mut());
    });
    eprintln!("hpack: random octets as Go: {:?}", counted.into_inner());
}

#[test]
fn go_decodes_what_we_encode() {
    let go = RefCell::new(Go::start());
    let cases = ProptestConfig::default().cases.max(1000);
    let fields = proptest::collection::vec((word(), word()), 0..20);
    proptest!(ProptestConfig::with_cases(cases), |(fields in fields)| {
        let (mut go, mut block) = (go.borrow_mut(), Vec::new());
        go.renew(4096);
        for (name, value) in &fields {
            put_field(name, value, &mut block);
        }
        prop_assert_eq!(go.decode(&block), Some(fields));
    });
}
