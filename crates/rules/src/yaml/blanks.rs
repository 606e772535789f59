//! Characters that look like indentation and are none: they get in when rules are copied from a web page or a chat. To
//! YAML they are text, so that a parser reports another place, or an unknown name that looks correct.

/// Whether a character looks like a space, or is invisible, and is no blank to YAML.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200d}' | '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}')
}

/// The first of them in what looks like a line's indentation, the mark of a list among it.
fn in_indentation(line: &str) -> Option<(usize, char)> {
    let mut before = line.chars().take_while(|c| matches!(c, ' ' | '\t' | '-') || is_odd(*c)).enumerate();
    before.find(|(_, c)| is_odd(*c))
}

/// What to say of a name that such a blank begins, or stands in behind the mark of a list.
pub(crate) fn cure(name: &str) -> Option<String> {
    in_indentation(name).map(|(_, c)| no_indentation(c))
}

fn no_indentation(c: char) -> String {
    format!("{} is no indentation to YAML: put ordinary spaces in its place", called(c))
}

/// What to say of a value that such a blank begins or ends.
pub(crate) fn remark(text: &str) -> Option<String> {
    let c = [text.chars().next(), text.chars().next_back()].into_iter().flatten().find(|c| is_odd(*c))?;
    Some(format!("{} is no blank to YAML: put an ordinary space in its place", called(c)))
}

fn called(c: char) -> String {
    let name = if c == '\u{a0}' { " (a no-break space)" } else { "" };
    format!("U+{:04X}{name}", u32::from(c))
}

/// Where a fault that was found in line `found` comes from, as line, column and remark, if it comes from such a blank, or
/// from a tab where `tabs` may be to blame. All count from 1.
pub(super) fn origin(text: &str, found: usize, tabs: bool) -> Option<(usize, usize, String)> {
    let line = |number: usize| text.lines().nth(number.checked_sub(1)?);
    // a plain scalar that a tab ends is reported where it begins, and one that nothing ends where the next one stands
    let tab = |number: usize| {
        let indentation = line(number)?.chars().take_while(|c| matches!(c, ' ' | '\t'));
        let at = indentation.enumerate().find(|(_, c)| *c == '\t')?.0;
        Some((number, at + 1, "a tab is no indentation to YAML: put spaces in its place".to_owned()))
    };
    let odd = |number: usize| {
        let line = line(number)?;
        let (at, c) = in_indentation(line).or_else(|| after_colon(line))?;
        Some((number, at + 1, no_indentation(c)))
    };
    let tab = tabs.then(|| tab(found).or_else(|| tab(found + 1))).flatten();
    tab.or_else(|| odd(found)).or_else(|| odd(found.checked_sub(1)?)).or_else(|| odd(found + 1))
}

/// Such a blank in place of the one that a key's colon needs.
fn after_colon(line: &str) -> Option<(usize, char)> {
    let mut before = ' ';
    for (at, c) in line.chars().enumerate() {
        if c == '#' && before == ' ' {
            return None;
        }
        if before == ':' && is_odd(c) {
            return Some((at, c));
        }
        before = c;
    }
    None
}

/// The text with spaces for the tabs between a plain key and its value, which the parser does not take everywhere where
/// YAML does; nothing moves. What stands behind a quote or in a comment stays as it is. `None` if there are none.
pub(super) fn spaced(text: &str) -> Option<String> {
    let mut changed = false;
    let (mut kept, mut before, mut behind_colon) = (false, '\n', false);
    let spaced = text.chars().map(|c| {
        let blank = matches!(before, ' ' | '\t' | '\n');
        kept = c != '\n' && (kept || matches!(c, '"' | '\'') || (c == '#' && blank));
        behind_colon = match c {
            ':' => before.is_ascii_alphanumeric() || matches!(before, '_' | '<'),
            '\t' => behind_colon,
            _ => false,
        };
        before = c;
        if c == '\t' && behind_colon && !kept {
            changed = true;
            return ' ';
        }
        c
    });
    let spaced = spaced.collect();
    changed.then_some(spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_is_found_where_it_stands_for_indentation() {
        assert_eq!(in_indentation("  \u{a0}key: v"), Some((2, '\u{a0}')));
        assert_eq!(in_indentation("  -\u{2003}key: v"), Some((3, '\u{2003}')));
        assert_eq!(in_indentation("  key:\u{a0}v"), None);
        assert_eq!(after_colon("  key:\u{a0}v"), Some((6, '\u{a0}')));
        assert_eq!(after_colon("  key: v # a:\u{a0}b"), None);
        assert!(cure("- key").is_none() && cure("\u{200b}key").is_some());
    }

    #[test]
    fn only_tabs_behind_a_plain_key_become_spaces() {
        for (text, wanted) in [
            ("a:\t\tb\n  - key_1:\tv\tw\n", "a:  b\n  - key_1: v\tw\n"),
            ("{a:\tb, <<:\tc}\n", "{a: b, <<: c}\n"),
            ("\"q:\tr\": s\n# c:\td\na:\tb # e:\tf\n", "\"q:\tr\": s\n# c:\td\na: b # e:\tf\n"),
        ] {
            assert_eq!(spaced(text).as_deref(), Some(wanted));
        }
        assert_eq!(spaced("a: b\n"), None);
    }
}
