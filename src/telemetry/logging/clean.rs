//! Sanitising log lines, much of whose text comes from clients, Redis and rule files.

use std::borrow::Cow;

/// The mark at the end of a truncated line.
pub(super) const CUT: &str = "… (cut)";

/// The line, truncated to `max` bytes, with a newline at its end and without control characters, which some terminals
/// interpret. Lines within it are indented, so that no foreign text passes for a line of ours. With `is_coloured`,
/// escape characters are kept: they are the subscriber's own.
pub(super) fn clean(line: &[u8], max: usize, is_coloured: bool) -> Box<[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // the rest is cut off anyway
    let text = String::from_utf8_lossy(&line[..line.len().min(max)]);
    let mut text = escaped(&text, is_coloured);
    if text.len() + 1 > max {
        let mut end = max - CUT.len() - 1;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.to_mut();
        text.truncate(end);
        text.push_str(CUT);
    }
    let mut line = text.into_owned().into_bytes();
    line.push(b'\n');
    line.into()
}

/// The text with its control characters escaped, neither truncated nor ended by a newline.
pub(super) fn escaped(text: &str, is_coloured: bool) -> Cow<'_, str> {
    let is_bad = |char: char| is_control(char) && char != '\t' && !(is_coloured && char == '\u{1b}');
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' => clean.push_str("\n  "),
            // escaped as in JSON, whose own escaping leaves C1 control characters
            char if is_bad(char) => clean.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => clean.push(char),
        }
    }
    Cow::Owned(clean)
}

/// Whether a terminal or viewer may act on the character instead of showing it: control characters, line separators,
/// and what changes the direction of writing (<https://trojansource.codes>).
fn is_control(char: char) -> bool {
    let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
    char.is_control() || marks.contains(&char) || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> String {
        String::from_utf8(clean(text.as_bytes(), 100, false).into()).expect("UTF-8")
    }

    #[test]
    fn a_line_has_no_control_characters() {
        assert_eq!(cleaned("plain ä €\t.\n"), "plain ä €\t.\n");
        assert_eq!(cleaned("no newline"), "no newline\n");
        assert_eq!(
            cleaned("a\u{9b}31mb\u{85}c\u{1b}[2Jd\u{7f}\r\n"),
            "a\\u009b31mb\\u0085c\\u001b[2Jd\\u007f\\u000d\n"
        );
        assert_eq!(cleaned("a\u{202e}b\u{2066}c\u{2028}d"), "a\\u202eb\\u2066c\\u2028d\n");
        let coloured = clean("\u{1b}[33m WARN\u{1b}[0m a\u{9b}b\n".as_bytes(), 100, true);
        assert_eq!(&*coloured, "\u{1b}[33m WARN\u{1b}[0m a\\u009bb\n".as_bytes());
    }

    #[test]
    fn no_text_passes_for_another_line() {
        assert_eq!(cleaned("forged\n2026 INFO all is well\n"), "forged\n  2026 INFO all is well\n");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        for length in [99, 100, 101, 200] {
            for char in ['x', 'ä', '€'] {
                let line = cleaned(&char.to_string().repeat(length));
                assert!(line.len() <= 100 && line.ends_with('\n'), "{length} {char}");
                assert_eq!(line.ends_with("… (cut)\n"), length * char.len_utf8() >= 100, "{length} {char}");
            }
        }
    }
}
