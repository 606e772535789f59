use proptest::prelude::*;

use super::{parted::Parted, scan::Scan, *};

/// The same by definition: `*` matches any number of bytes.
fn naive(pattern: &[u8], value: &[u8]) -> bool {
    // for each prefix of the value, whether the bytes of the pattern so far match it
    let mut matched: Vec<bool> = (0..=value.len()).map(|length| length == 0).collect();
    for byte in pattern {
        let before = matched.clone();
        for length in 0..=value.len() {
            matched[length] = match (byte, length) {
                (b'*', 0) => before[0],
                (b'*', _) => before[length] || matched[length - 1],
                (_, 0) => false,
                (byte, _) => before[length - 1] && value[length - 1] == *byte,
            };
        }
    }
    matched[value.len()]
}

fn globs(patterns: &[impl AsRef<str>]) -> (Globs, Hasher) {
    let hasher = Hasher::default();
    let patterns = (0..).zip(patterns).map(|(at, pattern)| (at, pattern.as_ref().into())).collect();
    (Globs::new(patterns, &hasher), hasher)
}

/// Matches all the patterns that have parts in one pass; returns the first that the value matches, and the steps.
fn scanned(patterns: &[(NodeIndex, Box<str>)], value: &[u8]) -> (Option<u32>, usize) {
    let parted = Parted::new(patterns);
    let mut racers: Vec<_> =
        parted.patterns().iter().copied().filter(|pattern| pattern.has_ends(patterns, value)).collect();
    racers.sort_unstable_by_key(|pattern| pattern.prefix);
    Scan::new(&parted, &racers, value).run_counted()
}

#[test]
fn runs_may_be_empty_and_do_not_overlap() {
    assert!(matches("*", b""));
    assert!(matches("a*b*c", b"abc"));
    assert!(!matches("ab*ba", b"aba"));
    assert!(matches("**", b"x"));
    assert!(!matches("*.example.com", b"example.com"));
}

#[test]
fn a_hostile_pattern_is_no_slower_than_its_length() {
    // exponential or even cubic matching would not return in time
    let pattern = "a*".repeat(20_000) + "b";
    assert!(!matches(&pattern, &[b'a'; 200_000]));
}

#[test]
fn the_first_in_file_order_wins_whenever_its_last_part_comes() {
    let patterns: Vec<String> = (0..60).map(|at| format!("*{}*z*", ["ab", "b", "bb"][at % 3])).collect();
    let (globs, hasher) = globs(&patterns);
    assert_eq!(globs.find(&hasher, b"bz"), Some(1));
    assert_eq!(globs.find(&hasher, b"bzab"), Some(1));
    assert_eq!(globs.find(&hasher, b"bbzabz"), Some(0));
    assert_eq!(globs.find(&hasher, b"zab"), None);
}

#[test]
fn parts_lie_between_prefix_and_suffix() {
    // each pattern's part overlaps the prefix or the suffix of the others
    let lengths = || (0..6usize).flat_map(|prefix| (0..6usize).map(move |suffix| (prefix, suffix)));
    let patterns: Vec<String> =
        lengths().map(|(prefix, suffix)| format!("{}*aaaa*{}", "a".repeat(prefix), "a".repeat(suffix))).rev().collect();
    let (globs, hasher) = globs(&patterns);
    for length in 0..20 {
        let sum = length as isize - 4;
        let wanted = lengths().rev().position(|(prefix, suffix)| prefix as isize + suffix as isize <= sum);
        assert_eq!(globs.find(&hasher, "a".repeat(length).as_bytes()), wanted.map(|at| at as u32), "{length}");
    }
}

/// Ten thousand patterns, none of which is dropped before the end of the value, and of whose parts a hundred end at
/// each byte.
#[test]
fn the_work_is_bounded_by_the_size_of_value_and_patterns() {
    let value = [b"b".repeat(10), b"a".repeat(20_000)].concat();
    let a = |length: usize| "a".repeat(length);
    let kinds: [fn(usize) -> String; 4] = [
        |at| format!("*{}*b{}*", "a".repeat(at % 100 + 1), "a".repeat(at / 100)),
        |at| format!("*{}*b*", vec!["a".repeat(at % 100 + 1); at / 100 + 1].join("*")),
        |at| format!("*{}*{}*b*", "a".repeat(at % 100 + 1), "a".repeat(at / 100 + 1)),
        |at| format!("{}*{}*b*", "b".repeat(at % 10), "a".repeat(at / 10 + 1)),
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let patterns: Vec<(NodeIndex, Box<str>)> = (0..10_000).map(|at| (at, kind(at as usize).into())).collect();
        let bytes: usize = patterns.iter().map(|(_, pattern)| pattern.len()).sum();
        let (found, steps) = scanned(&patterns, &value);
        assert_eq!(found, None, "kind {number}");
        assert!(steps <= value.len() + 2 * bytes, "kind {number}: {steps} steps for {bytes} bytes of patterns");
    }
    let nested: Vec<_> = (0..1_000).map(|at| (at, format!("*{}*b*", a(at as usize + 1)).into())).collect();
    let (_, steps) = scanned(&nested, &value);
    assert!(steps <= 2 * nested.len(), "each part is handled once, not at each byte: {steps} steps");
}

/// Values over an alphabet with which parts overlap, are suffixes of each other, and split UTF-8 characters.
fn values() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::sample::select(b"aaabbb\xc3\xa9\xff".to_vec()), 0..40)
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    let pattern = prop_oneof![
        "[ab]{0,3}(\\*[ab]{0,3}){1,4}",
        "\\*[ab]{1,4}\\*[ab]{1,4}\\*",
        "[ab]?(\\*a{1,4}){1,3}\\*",
        "[abé]{0,2}\\*[ab*é]{0,5}",
    ];
    proptest::collection::vec(pattern, 1..100)
}

proptest! {
    #[test]
    fn agrees_with_the_definition(pattern in "[ab*é]{0,4}\\*[ab*é]{0,4}", value in values()) {
        prop_assert_eq!(matches(&pattern, &value), naive(pattern.as_bytes(), &value));
    }

    #[test]
    fn among_many_the_first_by_the_definition_is_found(
        patterns in patterns(),
        values in proptest::collection::vec(values(), 1..4),
    ) {
        let (globs, hasher) = globs(&patterns);
        for value in values {
            let is_match = |pattern: &String| naive(pattern.as_bytes(), &value);
            let wanted = patterns.iter().position(is_match).map(|at| at as u32);
            prop_assert_eq!(globs.find(&hasher, &value), wanted, "{:?}", value);
            // the linear search
            let one_by_one = globs.patterns.iter().find(|(_, pattern)| matches(pattern, &value));
            prop_assert_eq!(one_by_one.map(|(at, _)| *at), wanted, "{:?}", value);
            let with_parts = |pattern: &&(NodeIndex, Box<str>)| pattern.1.split('*').filter(|part| !part.is_empty()).count()
                > usize::from(!pattern.1.starts_with('*')) + usize::from(!pattern.1.ends_with('*'));
            let parted = globs.patterns.iter().filter(with_parts);
            let wanted = parted.clone().find(|(_, pattern)| naive(pattern.as_bytes(), &value)).map(|(at, _)| *at);
            prop_assert_eq!(scanned(&globs.patterns, &value).0, wanted, "{:?}", value);
        }
    }
}
