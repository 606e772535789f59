//! A login from one source (a variable, a URL's user information or its parameters), to be combined with others.

use limiter::domain::Secret;

/// A user and a password; either may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings) struct Login {
    /// Never empty.
    pub(in crate::settings) user: Option<String>,
    pub(in crate::settings) password: Option<Secret>,
}

impl Login {
    /// This login, completed by the other one.
    pub(in crate::settings) fn over(&self, other: &Self) -> Self {
        let (user, password) = (self.user.as_ref(), self.password.as_ref());
        Self { user: user.or(other.user.as_ref()).cloned(), password: password.or(other.password.as_ref()).cloned() }
    }

    /// Whether both have a user, or both have a password, and they differ.
    pub(in crate::settings) fn contradicts(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        differ(self.user.as_ref(), other.user.as_ref()) || differ(self.password.as_ref(), other.password.as_ref())
    }

    /// Whether there is a user without a password.
    pub(in crate::settings) fn lacks_password(&self) -> bool {
        self.user.is_some() && self.password.as_ref().is_none_or(|password| password.expose().is_empty())
    }
}
