//! What is measured beside each other: builds of the service, and the plain commands of a service without a script.

use std::{collections::BTreeSet, ffi::OsString, path::PathBuf, str::FromStr};

/// A fleet of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    Service(Service),
    /// The commands of envoyproxy/ratelimit, from clients that do nothing else.
    Clients,
    /// The same from processes of a service: the bare server. They leave Redis colder caches.
    BareService,
}

impl Contender {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Service(service) => &service.name,
            Self::Clients => CLIENTS,
            Self::BareService => BARE_SERVICE,
        }
    }
}

/// The names of the plain commands.
pub(super) const CLIENTS: &str = "INCRBY + EXPIRE of clients";
pub(super) const BARE_SERVICE: &str = "INCRBY + EXPIRE of a bare service";

/// A build of the service, and its settings. Written `NAME=PATH`, or with settings `NAME=PATH,VARIABLE=VALUE,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) env: Vec<(String, OsString)>,
}

impl Service {
    pub(super) fn new(name: &str, program: PathBuf) -> Self {
        Self { name: name.to_owned(), program, env: Vec::new() }
    }
}

impl FromStr for Service {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "write NAME=PATH or NAME=PATH,VARIABLE=VALUE, such as old=/usr/bin/tollgate,WORKERS=1";
        let mut pairs = text.split(',').map(|part| part.split_once('=').filter(|(name, _)| !name.is_empty()));
        let (name, program) = pairs.next().flatten().ok_or(FORM)?;
        if program.is_empty() {
            return Err(FORM);
        }
        let env = pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.into())));
        let env = env.collect::<Option<_>>().ok_or(FORM)?;
        Ok(Self { name: name.to_owned(), program: program.into(), env })
    }
}

/// A name that two contenders have.
pub(super) fn duplicate(contenders: &[Contender]) -> Option<&str> {
    let mut names = BTreeSet::new();
    contenders.iter().map(Contender::name).find(|name| !names.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_parsed() {
        let plain = Service::new("old", "/a/tollgate".into());
        assert_eq!("old=/a/tollgate".parse(), Ok(plain.clone()));
        let env = vec![("WORKERS".to_owned(), "1".into()), ("REDIS_AUTH".to_owned(), "a=b".into())];
        assert_eq!("old=/a/tollgate,WORKERS=1,REDIS_AUTH=a=b".parse(), Ok(Service { env, ..plain }));
        for text in ["", "old", "old=", "=/a", "old=/a,WORKERS", "old=/a,=1"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_unique() {
        let named = |name: &str| Contender::Service(Service::new(name, "/a".into()));
        assert_eq!(duplicate(&[named("now"), named("old"), Contender::Clients]), None);
        assert_eq!(duplicate(&[named("now"), named("now")]), Some("now"));
        assert_eq!(duplicate(&[named(CLIENTS), Contender::Clients]), Some(CLIENTS));
    }
}
