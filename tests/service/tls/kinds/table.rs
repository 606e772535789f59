//! Presents each kind in both directions and compares the verdicts. Go 1.26's crypto/x509 was asked about each; the
//! rows state where it differs.

use std::sync::LazyLock;

use rustls::pki_types::CertificateDer;

use super::{
    forge::{Key, P256, Spec, names},
    shown::{Listener, NAME, Shown, VERSIONS, as_server},
};

/// The keys of an authority, of an intermediate below it, and of a peer.
pub struct Keys {
    pub root: Key,
    pub middle: Key,
    pub peer: Key,
}

pub static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys { root: Key::new(P256), middle: Key::new(P256), peer: Key::new(P256) });

/// `None`: trusted; otherwise a part of the error.
pub type Verdict = Option<&'static str>;

pub const YES: Verdict = None;
pub const UNKNOWN: Verdict = Some("UnknownIssuer");
pub const EXPIRED: Verdict = Some("certificate expired");
pub const NOT_YET: Verdict = Some("certificate not valid yet");
pub const NAMELESS: Verdict = Some("is not valid for any names");
pub const NO_AUTHORITY: Verdict = Some("may not issue certificates");
pub const NO_SIGNATURES: Verdict = Some("does not allow digital signatures");
pub const PURPOSE: Verdict = Some("extended key usage");
pub const VERSION: Verdict = Some("UnsupportedCertVersion");

pub struct Kind {
    pub kind: &'static str,
    pub shown: Vec<CertificateDer<'static>>,
    pub key: Key,
    pub trusted: Vec<CertificateDer<'static>>,
    /// As a server for its name, as a server whose name is not verified, as a client, as a client for its name.
    pub verdicts: [Verdict; 4],
}

pub fn kind(
    kind: &'static str,
    shown: &[&CertificateDer<'static>],
    trusted: &[&CertificateDer<'static>],
    verdicts: [Verdict; 4],
) -> Kind {
    let owned = |all: &[&CertificateDer<'static>]| all.iter().copied().cloned().collect();
    Kind { kind, shown: owned(shown), key: KEYS.peer.clone(), trusted: owned(trusted), verdicts }
}

/// The peer's, issued by the authority.
pub fn issued(extensions: &[Vec<u8>]) -> Spec {
    Spec::new("root", "peer", &KEYS.peer, &[&[names(&[NAME])], extensions].concat())
}

/// The peer's, issued by itself.
pub fn selfsigned(extensions: &[Vec<u8>]) -> Spec {
    Spec { issuer: "peer", ..issued(extensions) }
}

pub fn root(extensions: &[Vec<u8>]) -> CertificateDer<'static> {
    Spec::new("root", "root", &KEYS.root, extensions).signed_by(&KEYS.root)
}

pub fn middle(extensions: &[Vec<u8>]) -> Spec {
    Spec::new("root", "middle", &KEYS.middle, extensions)
}

/// The peer's, issued by the intermediate.
pub fn below(extensions: &[Vec<u8>]) -> CertificateDer<'static> {
    Spec { issuer: "middle", ..issued(extensions) }.signed_by(&KEYS.middle)
}

pub async fn assert_all(kinds: Vec<Kind>) {
    let mut wrong = Vec::new();
    for Kind { kind, shown, key, trusted, verdicts } in kinds {
        let shown = Shown::new(&shown, &key);
        for version in VERSIONS {
            let mut outcomes = Vec::new();
            for verify in [true, false] {
                outcomes.push(as_server(&shown, &trusted, verify, version, NAME).await);
            }
            for name in [None, Some(NAME)] {
                outcomes.push(match Listener::new(&trusted, name) {
                    Ok(listener) => listener.shown(&shown, version).await,
                    Err(error) => Err(error),
                });
            }
            for (place, (outcome, expected)) in outcomes.iter().zip(verdicts).enumerate() {
                let as_expected = match (outcome, expected) {
                    (Ok(()), None) => true,
                    (Err(error), Some(expected)) => error.contains(expected),
                    _ => false,
                };
                if !as_expected {
                    let place = ["server", "server of any name", "client", "client of a name"][place];
                    wrong.push(format!("{kind}, {place}, {:?}: {outcome:?}, not {expected:?}", version.version));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
