//! `REDIS_AUTH` and its kin.

use super::login::Login;
use super::values::UNREPLACED;
use crate::settings::parse::{HIDDEN, Value};
use limiter::domain::Secret;

/// `password`, `user:password` or `user:`; is never printed. Taken as it is written, as in the reference.
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
        let is_variable = |(from, to): (&str, char)| password.starts_with(from) && password.ends_with(to);
        if text.ends_with(['\n', '\r']) {
            Some(
                "ends with a newline, which is sent as part of the password: make the secret without one, \
                 by printf or echo -n in place of echo",
            )
        } else if text.trim() != text || password.trim_start() != password {
            Some("has a space at an end, which is sent as part of the password: take it away")
        } else if is_quoted(text) || is_quoted(password) {
            Some("stands in quotes, which are sent as part of the password: take them away")
        } else if [("$(", ')'), ("${", '}')].into_iter().any(is_variable) {
            Some(UNREPLACED)
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
