//! Who we are to a server, as one place says it; several places may, and then they are laid over each other.

use limiter::domain::Secret;

/// A user and a password; either may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings) struct Login {
    /// Never empty.
    pub(in crate::settings) user: Option<String>,
    pub(in crate::settings) password: Option<Secret>,
}

impl Login {
    /// What this says, and what the other says of the rest.
    pub(in crate::settings) fn over(&self, other: &Self) -> Self {
        let (user, password) = (self.user.as_ref(), self.password.as_ref());
        Self { user: user.or(other.user.as_ref()).cloned(), password: password.or(other.password.as_ref()).cloned() }
    }

    /// Whether both say something, and not the same.
    pub(in crate::settings) fn contradicts(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        differ(self.user.as_ref(), other.user.as_ref()) || differ(self.password.as_ref(), other.password.as_ref())
    }

    /// Whether it lacks the password of the user that it has.
    pub(in crate::settings) fn lacks_password(&self) -> bool {
        self.user.is_some() && self.password.as_ref().is_none_or(|password| password.expose().is_empty())
    }
}
