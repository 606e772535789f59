//! The text of a NACK: all errors, up to a maximum length.

/// The most bytes of a NACK's text, which is sent as one message and then logged by the server.
const MAX_BYTES: usize = 8 << 10;

/// Bytes reserved for the line that counts the omitted lines.
const RESERVE: usize = 64;

/// The lines of `errors`, truncated at the end of a line, or within the first line if that alone is too long.
pub(super) fn text<'e>(errors: impl IntoIterator<Item = &'e str>) -> String {
    let mut text = String::new();
    let mut omitted = 0;
    for error in errors.into_iter().flat_map(str::lines) {
        let room = MAX_BYTES - RESERVE - text.len();
        if omitted == 0 && error.len() < room {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(error);
        } else if text.is_empty() {
            let fits = |(at, c): &(usize, char)| at + c.len_utf8() + '…'.len_utf8() <= room;
            text.extend(error.char_indices().take_while(fits).map(|(_, c)| c));
            text.push('…');
        } else {
            omitted += 1;
        }
    }
    if omitted > 0 {
        text.push_str(&format!("\nand {omitted} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_complete() {
        assert_eq!(text(["a: b", "c: d\ne: f"]), "a: b\nc: d\ne: f");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let error = "x".repeat(99);
        let long = text(std::iter::repeat_n(error.as_str(), 1000));
        assert!(long.len() <= MAX_BYTES, "{}", long.len());
        let (kept, rest) = long.rsplit_once('\n').expect("lines");
        let kept = kept.lines().count();
        assert_eq!(rest, format!("and {} more", 1000 - kept));
        assert_eq!(kept, (MAX_BYTES - RESERVE) / 100);
    }

    #[test]
    fn one_long_error_is_truncated_between_characters() {
        for error in ["ä".repeat(MAX_BYTES), format!("x{}", "ä".repeat(MAX_BYTES))] {
            let long = text([error.as_str(), "y"]);
            assert!(long.len() <= MAX_BYTES && long.ends_with("…\nand 1 more"), "{}", long.len());
        }
    }
}
