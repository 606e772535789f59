//! The text of a refusal: every fault, as long as there is room.

/// A NACK's text has at most this many bytes: it travels as one message and ends in a log.
const MAX_BYTES: usize = 8 << 10;

/// Room for the line that counts what was left out.
const RESERVE: usize = 64;

/// The lines of `faults`, cut between lines, and within the first if that alone is too long.
pub(super) fn text<'f>(faults: impl IntoIterator<Item = &'f str>) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for fault in faults.into_iter().flat_map(str::lines) {
        let room = MAX_BYTES - RESERVE - text.len();
        if left_out == 0 && fault.len() < room {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(fault);
        } else if text.is_empty() {
            let fits = |(at, c): &(usize, char)| at + c.len_utf8() + '…'.len_utf8() <= room;
            text.extend(fault.char_indices().take_while(fits).map(|(_, c)| c));
            text.push('…');
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        text.push_str(&format!("\nand {left_out} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_whole() {
        assert_eq!(text(["a: b", "c: d\ne: f"]), "a: b\nc: d\ne: f");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let fault = "x".repeat(99);
        let long = text(std::iter::repeat_n(fault.as_str(), 1000));
        assert!(long.len() <= MAX_BYTES, "{}", long.len());
        let (kept, rest) = long.rsplit_once('\n').expect("lines");
        let kept = kept.lines().count();
        assert_eq!(rest, format!("and {} more", 1000 - kept));
        assert_eq!(kept, (MAX_BYTES - RESERVE) / 100);
    }

    #[test]
    fn one_long_fault_is_cut_between_characters() {
        for fault in ["ä".repeat(MAX_BYTES), format!("x{}", "ä".repeat(MAX_BYTES))] {
            let long = text([fault.as_str(), "y"]);
            assert!(long.len() <= MAX_BYTES && long.ends_with("…\nand 1 more"), "{}", long.len());
        }
    }
}
