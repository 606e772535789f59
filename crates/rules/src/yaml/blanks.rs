//! Characters that look like indentation but are not. They appear when rules are copied from a web page or a chat. To
//! YAML they are text, so a parser reports another position, or an unknown name that looks correct.

/// Whether a character looks like a space or is invisible, but is no white space to YAML.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200d}' | '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}')
}

/// Finds the first such character in what looks like a line's indentation, including list markers.
fn in_indentation(line: &str) -> Option<(usize, char)> {
    let mut before = line.chars().take_while(|c| matches!(c, ' ' | '\t' | '-') || is_odd(*c)).enumerate();
    before.find(|(_, c)| is_odd(*c))
}

/// The remedy for a name that begins with such a character, possibly after a list marker.
pub(crate) fn cure(name: &str) -> Option<String> {
    in_indentation(name).map(|(_, c)| no_indentation(c))
}

fn no_indentation(c: char) -> String {
    format!("{} is no indentation to YAML: put ordinary spaces in its place", called(c))
}

/// The remedy for a value that begins or ends with such a character.
pub(crate) fn remark(text: &str) -> Option<String> {
    let c = [text.chars().next(), text.chars().next_back()].into_iter().flatten().find(|c| is_odd(*c))?;
    Some(format!("{} is no blank to YAML: put an ordinary space in its place", called(c)))
}

fn called(c: char) -> String {
    let name = if c == '\u{a0}' { " (a no-break space)" } else { "" };
    format!("U+{:04X}{name}", u32::from(c))
}

/// Returns the probable cause of an error that was found in line `found`, as line, column and remark: such a character,
/// or a tab if `tabs` is set. Lines and columns count from 1.
pub(super) fn origin(text: &str, found: usize, tabs: bool) -> Option<(usize, usize, String)> {
    let line = |number: usize| text.lines().nth(number.checked_sub(1)?);
    // a plain scalar that ends at a tab is reported where it begins; an unterminated one, where the next begins
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

/// Finds such a character in place of the space after a key's colon.
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

/// Replaces tabs between a plain key and its value by spaces, without moving anything: the parser does not accept tabs
/// in all places where YAML does. Text after a quote or in a comment stays as it is. `None` if there is nothing to
/// replace.
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
    fn a_character_is_found_where_it_replaces_indentation() {
        assert_eq!(in_indentation("  \u{a0}key: v"), Some((2, '\u{a0}')));
        assert_eq!(in_indentation("  -\u{2003}key: v"), Some((3, '\u{2003}')));
        assert_eq!(in_indentation("  key:\u{a0}v"), None);
        assert_eq!(after_colon("  key:\u{a0}v"), Some((6, '\u{a0}')));
        assert_eq!(after_colon("  key: v # a:\u{a0}b"), None);
        assert!(cure("- key").is_none() && cure("\u{200b}key").is_some());
    }

    #[test]
    fn only_tabs_after_a_plain_key_become_spaces() {
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
