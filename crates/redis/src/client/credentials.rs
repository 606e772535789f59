//! The user and password to log in with, read when they are needed.

use limiter::domain::Secret;

use crate::Credentials;

/// A user and a password to log in with; without a password there is no login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    /// The ACL user; `None`: the default one.
    pub(super) user: Option<String>,
    /// The password.
    pub(super) password: Option<Secret>,
}

/// The login of these credentials. A file is read at each call. The error names the file and the reason, never its
/// content.
pub(super) async fn login(credentials: &Credentials) -> Result<Login, Box<str>> {
    match credentials {
        Credentials::None => Ok(Login::default()),
        Credentials::Fixed { user, password } => Ok(Login { user: user.clone(), password: Some(password.clone()) }),
        Credentials::File(path) => match tokio::fs::read_to_string(path).await {
            Ok(text) => parse(&text).ok_or_else(|| {
                format!("the password file {} is empty; write the password to it", path.display()).into()
            }),
            Err(error) => Err(format!(
                "cannot read the password file {}: {error}; make it a text file that this process may read",
                path.display()
            )
            .into()),
        },
    }
}

fn parse(text: &str) -> Option<Login> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => ((!user.is_empty()).then(|| user.to_owned()), password),
        None => (None, text),
    };
    (!password.is_empty()).then(|| Login { user, password: Some(Secret::new(password.to_owned())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<String>, String)> {
        parse(text).map(|login| (login.user, login.password.expect("always one").expose().to_owned()))
    }

    #[test]
    fn a_password_may_have_a_user_before_it_and_a_newline_after_it() {
        assert_eq!(parts("geheim"), Some((None, "geheim".to_owned())));
        assert_eq!(parts("geheim\n"), Some((None, "geheim".to_owned())));
        assert_eq!(parts("bob:geheim\r\n"), Some((Some("bob".to_owned()), "geheim".to_owned())));
        assert_eq!(parts("bob:ge:heim "), Some((Some("bob".to_owned()), "ge:heim ".to_owned())));
        assert_eq!(parts(":geheim"), Some((None, "geheim".to_owned())));
    }

    #[test]
    fn without_a_password_there_is_no_login() {
        for text in ["", "\n", "bob:", "bob:\n"] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
