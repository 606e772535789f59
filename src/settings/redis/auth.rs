//! `REDIS_AUTH`, and the variables for other logins.

use super::login::Login;
use super::values::PLACEHOLDER;
use crate::settings::parse::{HIDDEN, Value};
use limiter::domain::Secret;

/// `password`, `user:password` or `user:`, not decoded, as in the reference. It is never printed.
#[derive(Clone, Debug, Default)]
pub(in crate::settings) struct Auth(pub(in crate::settings) Login);

impl Value for Auth {
    const ACCEPTED: &'static str = "`password` or `user:password`";

    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':').unwrap_or(("", text));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Self(Login { user: some(user), password: some(password).map(Secret::new) }))
    }

    fn hint(text: &str) -> Option<&'static str> {
        let password = text.split_once(':').map_or(text, |(_, password)| password);
        let is_quoted = |text: &str| {
            text.len() > 1 && ['"', '\''].into_iter().any(|quote| text.starts_with(quote) && text.ends_with(quote))
        };
        let is_placeholder = |(open, close): (&str, char)| password.starts_with(open) && password.ends_with(close);
        if text.ends_with(['\n', '\r']) {
            Some(
                "ends with a newline, which is sent as part of the password: create the secret without one, \
                 with printf or echo -n instead of echo",
            )
        } else if text.trim() != text || password.trim_start() != password {
            Some("has a space at its start or end, which is sent as part of the password: remove it")
        } else if is_quoted(text) || is_quoted(password) {
            Some("is in quotes, which are sent as part of the password: remove them")
        } else if [("$(", ')'), ("${", '}')].into_iter().any(is_placeholder) {
            Some(PLACEHOLDER)
        } else if text == ":" {
            Some("has neither a user nor a password: nothing is sent")
        } else {
            None
        }
    }

    fn show(_: &str) -> String {
        HIDDEN.to_owned()
    }

    fn is_off(&self) -> bool {
        self.0 == Login::default()
    }
}
