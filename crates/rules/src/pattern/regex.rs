//! Regular expressions over whole values, as automata: matching takes one step for each byte of the value, whatever the
//! expression. An expression whose automaton would be too large is rejected when it is compiled.
//!
//! The syntax is RE2's, as in Envoy: no look-around and no back-references. Expressions match bytes, with the ASCII
//! meaning of `\d`, `\w`, `\s`, `\b` and `(?i)`; a character beyond ASCII matches its own bytes and cannot be in a
//! class. So `.` matches any byte except a line feed, and `[^/]` any byte except a slash, whether or not it is part of
//! a UTF-8 character. `(?u:.)` matches a whole character, and no invalid byte.

use std::fmt;

use regex_automata::{
    Anchored, Input,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
};
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, Look},
};

/// The longest expression, in bytes.
pub(crate) const MAX_LENGTH: usize = 1024;

/// The memory limit of one automaton, and of each step in building it.
const MAX_BYTES: usize = 256 << 10;

/// The largest nesting depth of groups and classes.
const MAX_NESTING: u32 = 50;

/// The memory limit of all automata of one load together, which also bounds the time to build them.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(64 << 20)
    }
}

/// Why an expression is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegexError {
    #[error("the regex has {0} bytes; at most {MAX_LENGTH} are accepted: split it into several descriptors")]
    TooLong(usize),
    #[error("the regex is wrong at character {at}: {problem}")]
    Syntax { at: usize, problem: String },
    #[error("the regex needs an automaton of more than {} KiB: repeat less, or split it", MAX_BYTES >> 10)]
    TooLarge,
    #[error(
        "the regex has a Unicode word boundary, which no automaton over bytes can tell: write `\\b` without `(?u)`, for ASCII"
    )]
    UnicodeBoundary,
    #[error("the regex cannot be made an automaton: {0}")]
    Unsupported(String),
    #[error("the regexes of all files need automata of more than 64 MiB together: this one is too much")]
    TooMany,
}

/// A compiled expression.
pub(crate) struct Automaton(Box<dense::DFA<Vec<u32>>>);

impl Automaton {
    /// Compiles an expression that must match whole values.
    pub(crate) fn new(regex: &str, budget: &mut Budget) -> Result<Self, RegexError> {
        if regex.len() > MAX_LENGTH {
            return Err(RegexError::TooLong(regex.len()));
        }
        let mut parser = ParserBuilder::new().unicode(false).utf8(false).nest_limit(MAX_NESTING).build();
        let hir = parser.parse(regex).map_err(|error| syntax(regex, &error))?;
        if hir.properties().look_set().contains_word_unicode() {
            return Err(RegexError::UnicodeBoundary);
        }
        // anchors go around the parsed expression, not its text, which may contain `|`, flags or a comment
        let whole = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
        budget.0 = budget.0.checked_sub(MAX_BYTES).ok_or(RegexError::TooMany)?;
        let automaton = compile(&whole)?;
        budget.0 += MAX_BYTES.saturating_sub(automaton.memory_usage());
        Ok(Self(Box::new(automaton)))
    }

    /// Whether the expression matches all of `value`.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let input = Input::new(value).anchored(Anchored::Yes);
        self.0.try_search_fwd(&input).expect("it has an anchored start and no quit bytes").is_some()
    }
}

fn compile(hir: &Hir) -> Result<dense::DFA<Vec<u32>>, RegexError> {
    let limited = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(MAX_BYTES))
        .which_captures(thompson::WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(limited).build_from_hir(hir).map_err(|error| {
        if error.size_limit().is_some() { RegexError::TooLarge } else { RegexError::Unsupported(error.to_string()) }
    })?;
    let limited = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(MAX_BYTES))
        .determinize_size_limit(Some(MAX_BYTES));
    dense::Builder::new().configure(limited).build_from_nfa(&nfa).map_err(|error| {
        if error.is_size_limit_exceeded() { RegexError::TooLarge } else { RegexError::Unsupported(error.to_string()) }
    })
}

fn syntax(regex: &str, error: &regex_syntax::Error) -> RegexError {
    let (offset, problem) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        other => (0, other.to_string()),
    };
    let before = regex.get(..offset).unwrap_or_default();
    RegexError::Syntax { at: before.chars().count() + 1, problem }
}

impl fmt::Debug for Automaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Automaton({} bytes)", self.0.memory_usage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Automaton {
        Automaton::new(text, &mut Budget::default()).unwrap_or_else(|error| unreachable!("{text}: {error}"))
    }

    fn error(text: &str) -> String {
        Automaton::new(text, &mut Budget::default()).expect_err(text).to_string()
    }

    #[test]
    fn the_whole_value_must_match() {
        for (text, matching, other) in [
            ("a|ab", "ab", "abc"),
            ("/v[0-9]+/.*", "/v12/x", "/x/v12/x"),
            (r"\d{3}", "404", "4040"),
            ("(?i)get", "GeT", "gets"),
            ("(?x) a b # comment", "ab", "a b"),
            ("(?m)^a$", "a", "a\nb"),
            ("", "", "a"),
            (".*", "", "\n"),
            ("(?s)a.*", "a\n", "\n"),
            ("[^/]*ö", "äö", "ä/ö"),
            (r"\bx\b", "x", "xx"),
            (r"a\*", "a*", "aa"),
        ] {
            assert!(regex(text).matches(matching.as_bytes()), "{text} on {matching:?}");
            assert!(!regex(text).matches(other.as_bytes()), "{text} on {other:?}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_matches_only_itself() {
        for (text, matching, other) in [
            ("caf.", &b"caf\xe9"[..], &b"caf\xc3\xa9"[..]),
            ("caf..", b"caf\xc3\xa9", b"caf\xe9"),
            ("[^/]+", b"\xff\xc3\xa9", b"\xff/"),
            (r"\W", b"\xff", b"x"),
            (r"\xe9", b"\xe9", "\u{e9}".as_bytes()),
            ("(?u:caf.)", b"caf\xc3\xa9", b"caf\xe9"),
            ("\u{e9}", b"\xc3\xa9", b"\xe9"),
        ] {
            assert!(regex(text).matches(matching), "{text} on {matching:?}");
            assert!(!regex(text).matches(other), "{text} on {other:?}");
        }
    }

    #[test]
    fn errors_name_the_position() {
        assert_eq!(error("a(b"), "the regex is wrong at character 2: unclosed group");
        assert!(error("ö[b-a]").starts_with("the regex is wrong at character 3: invalid character class range"));
        assert!(error("[ö]").starts_with("the regex is wrong at character 2: "));
        assert!(error(r"\pL").starts_with("the regex is wrong at character 1: "));
        assert!(error("a(?=b)").contains("look-around"));
        assert!(error(r"(a)\1").contains("backreferences"));
        assert!(error("*a").contains("repetition operator missing expression"));
        assert!(error(&"x".repeat(MAX_LENGTH + 1)).starts_with("the regex has 1025 bytes; at most 1024"));
    }

    #[test]
    fn an_automaton_that_would_be_too_large_is_rejected() {
        for text in [
            "((a{1000}){1000}){1000}",
            "(a|b)*a(a|b){20}",
            "(.{1,200}){1,200}",
            &format!("{}a{}", "(".repeat(60), ")".repeat(60)),
        ] {
            let message = error(text);
            assert!(
                message.contains("automaton of more than 256 KiB") || message.contains("nest"),
                "{text}: {message}"
            );
        }
        let mut budget = Budget(2 * MAX_BYTES);
        let too_large = "(a|b)*a(a|b){20}";
        for wanted in [RegexError::TooLarge, RegexError::TooLarge, RegexError::TooMany] {
            assert_eq!(Automaton::new(too_large, &mut budget).expect_err("rejected"), wanted);
        }
    }

    #[test]
    fn a_unicode_word_boundary_is_rejected_with_the_reason() {
        for text in [r"(?u)\bx\b", r"x(?u:\B)", r"(?u)\b{start}x", r"(?u)(a|b\b)"] {
            let message = error(text);
            assert!(
                message.contains("Unicode word boundary") && message.contains("without `(?u)`"),
                "{text}: {message}"
            );
        }
    }

    /// These make a backtracking matcher hang.
    #[test]
    fn a_long_value_takes_one_step_a_byte() {
        let long = "a".repeat(1 << 20);
        for text in ["(a+)+b", "(a|aa)+b", "(a*)*b", "(.*a){12}b", "(?:a?){50}a{50}"] {
            assert!(!regex(text).matches(long.as_bytes()), "{text}");
        }
    }
}
