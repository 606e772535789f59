//! Redacts error texts of a peer: some repeat the arguments of a command, such as a password, whole or truncated.

/// Replaces a password.
const HIDDEN: &str = "(hidden)";
/// After this, Redis repeats the arguments of an unknown command: passwords, or keys with what clients sent.
const ARGUMENTS: &str = ", with args beginning with";
/// From this length on, a text that equals the beginning of the password is taken for a truncated password, not for a
/// coincidence.
const LEAST: usize = 8;
/// From this length on, a part of a password is also searched for by itself, because the characters around it may be
/// escaped.
const LEAST_PART: usize = 4;
/// Redis' own login errors. They repeat no arguments, so a word in them that equals the password is no leak.
const OWN: [&str; 6] = [
    "WRONGPASS invalid username-password pair or user is disabled.",
    "WRONGPASS invalid username-password pair",
    "NOAUTH Authentication required.",
    "ERR invalid password",
    "ERR Client sent AUTH, but no password is set",
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration \
     is correct?",
];
/// Error codes that other code depends on; they are kept even if they equal the password.
const CODES: [&str; 9] =
    ["ERR", "WRONGPASS", "NOAUTH", "NOPERM", "LOADING", "BUSY", "MASTERDOWN", "MISCONF", "CLUSTERDOWN"];

/// Removes the arguments that an error repeats.
pub(super) fn without_arguments(text: Box<str>) -> Box<str> {
    match text.split_once(ARGUMENTS) {
        Some((words, _)) => words.into(),
        None => text,
    }
}

/// Redacts the error with which AUTH was answered: replaces the password, and text that equals its beginning or a part
/// of it. Only for AUTH: in other errors, whose text matters, a word may equal the password by coincidence.
pub(super) fn without_password(text: &str, password: &str) -> Box<str> {
    let needles = needles(password);
    if OWN.contains(&text.trim_end()) {
        return text.into();
    }
    let code = text.split(' ').next().filter(|code| CODES.contains(code)).unwrap_or_default();
    let mut shown = code.to_owned();
    let mut at = code.len();
    while let Some(next) = text[at..].chars().next() {
        let found = needles.iter().filter_map(|needle| match_at(text, at, needle)).max();
        match found {
            Some(len) => {
                if !shown.ends_with(HIDDEN) {
                    shown.push_str(HIDDEN);
                }
                at += len;
            }
            None => {
                shown.push(next);
                at += next.len_utf8();
            }
        }
    }
    shown.into()
}

/// The texts to redact: the password, as it is and with blanks for control characters, which an error cannot contain;
/// and its runs of letters and digits, which quoting does not change.
fn needles(password: &str) -> Vec<String> {
    let blank = password.replace(|c: char| c.is_control(), " ");
    let parts = password.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() >= LEAST_PART);
    let all = [password, &blank, blank.trim()].into_iter().chain(parts);
    all.filter(|needle| !needle.is_empty()).map(str::to_owned).collect()
}

/// The number of bytes from `at` on that equal the needle, or enough of its beginning.
fn match_at(text: &str, at: usize, needle: &str) -> Option<usize> {
    let alike = text[at..].chars().zip(needle.chars()).take_while(|(a, b)| a.eq_ignore_ascii_case(b));
    let len: usize = alike.map(|(c, _)| c.len_utf8()).sum();
    if len < needle.len() {
        return (len >= LEAST).then_some(len);
    }
    // a short needle occurs in many words, so it must stand alone
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands_alone = !is_part(text[..at].chars().next_back()) && !is_part(text[at + len..].chars().next());
    (len >= LEAST_PART || stands_alone).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, password: &str) -> String {
        without_password(&without_arguments(text.into()), password).into()
    }

    #[test]
    fn a_password_that_comes_back_is_hidden_in_every_form() {
        let long = "k9Zq".repeat(50);
        for (text, password, wanted) in [
            ("ERR unknown command 'AUTH', with args beginning with: 'u' 's3cr' ", "s3cr", "ERR unknown command 'AUTH'"),
            ("ERR unknown command `AUTH`, with args beginning with: `s3cr`, ", "s3cr", "ERR unknown command `AUTH`"),
            ("ERR no user u with s3cr", "s3cr", "ERR no user u with (hidden)"),
            ("ERR no user u with S3CR", "s3cr", "ERR no user u with (hidden)"),
            ("s3cr? s3crs3cr", "s3cr", "(hidden)? (hidden)"),
            (&format!("ERR no '{}'", &long[..128]), &long, "ERR no '(hidden)'"),
            (&format!("ERR no '{}...", &long[..9]), &long, "ERR no '(hidden)..."),
            (r#"ERR no "hunt\"er2\\three""#, r#"hunt"er2\three"#, r#"ERR no "(hidden)\"er2\\(hidden)""#),
            ("ERR no hunter2 .", "hunter2\n", "ERR no (hidden)."),
            ("ERR no a", "a", "ERR no (hidden)"),
            ("ERR has any", "a", "ERR has any"),
            ("ERR no gr\u{fc}\u{df}e", "gr\u{fc}\u{df}e", "ERR no (hidden)"),
            ("ERR", "ERR", "ERR"),
        ] {
            assert_eq!(shown(text, password), wanted, "{text} {password}");
        }
    }

    #[test]
    fn errors_without_the_password_are_unchanged() {
        for (text, password) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "password"),
            ("NOAUTH Authentication required.", "Authentication"),
            ("NOPERM this user has no permissions to run the 'ping' command", "hunter2"),
            ("LOADING Redis has no data yet", "LOADING"),
            ("ERR hunter", "hunter2"),
            ("ERR anything", ""),
        ] {
            assert_eq!(shown(text, password), text);
        }
        let unknown = "ERR unknown command 'EVALSHA', with args beginning with: '80a6' '1' '{d|k=geheim}f1' ";
        assert_eq!(&*without_arguments(unknown.into()), "ERR unknown command 'EVALSHA'");
    }
}
