//! Certificates that webpki cannot judge, issued by trusted authorities.

use rustls::pki_types::CertificateDer;

use super::{
    forge::{
        ANY_PURPOSE, CLIENT_AUTH, DIGITAL_SIGNATURE, ED25519, KEY_CERT_SIGN, Key, P384, P521, RSA_2048, SERVER_AUTH,
        Spec, ca, extension, key_usage, names, not_ca, permitted, purposes,
    },
    shown::NAME,
    table::{
        EXPIRED, KEYS, Kind, NAMELESS, NO_AUTHORITY, NO_SIGNATURES, PURPOSE, UNKNOWN, VERSION, Verdict, YES,
        assert_all, below, issued, kind, middle, root, selfsigned,
    },
};

#[tokio::test]
async fn certificates_that_call_themselves_authorities() {
    let (root_key, middle_key) = (&KEYS.root, &KEYS.middle);
    let authority = root(&[ca(None)]);
    let leaf = issued(&[ca(None)]).signed_by(root_key);
    let deep = below(&[ca(None)]);
    let good_middle = middle(&[ca(None)]).signed_by(root_key);
    let through = |middle: &CertificateDer<'static>| [deep.clone(), middle.clone()];
    let with_usage = middle(&[ca(None), key_usage(KEY_CERT_SIGN)]).signed_by(root_key);
    let shortest = root(&[ca(Some(0))]);
    let refused = |kind_: &'static str, middle: Spec, verdict: Verdict| {
        let [leaf, middle] = through(&middle.signed_by(root_key));
        kind(kind_, &[&leaf, &middle], &[&authority], [verdict; 4])
    };
    let not_for = |what: &'static [u8], verdicts| {
        let [leaf, middle] = through(&middle(&[ca(None), purposes(&[what])]).signed_by(root_key));
        kind("the authority's purposes", &[&leaf, &middle], &[&authority], verdicts)
    };
    let mut forged = issued(&[ca(None)]).signed_by(root_key).to_vec();
    *forged.last_mut().expect("a signature") ^= 1;
    let no_constraints = Spec { issuer: "middle", ..middle(&[]) }.signed_by(middle_key);
    assert_all(vec![
        kind("openssl req -x509 -CA", &[&leaf], &[&authority], [YES; 4]),
        kind("below another", &through(&good_middle).iter().collect::<Vec<_>>(), &[&authority], [YES; 4]),
        kind("below one with a key usage", &through(&with_usage).iter().collect::<Vec<_>>(), &[&authority], [YES; 4]),
        kind("in another order", &[&deep, &authority, &leaf, &good_middle], &[&authority], [YES; 4]),
        kind("below one that is trusted", &[&deep], &[&good_middle], [YES; 4]),
        kind("right below a path length of 0", &[&leaf], &[&shortest], [YES; 4]),
        kind(
            "X.509 v1 as the authority",
            &[&leaf],
            &[&Spec::v1("root", "root", root_key).signed_by(root_key)],
            [YES; 4],
        ),
        kind("the authority does not come", &[&deep], &[&authority], [UNKNOWN; 4]),
        kind("nobody trusts it", &[&selfsigned(&[ca(None)]).signed_by(&KEYS.peer)], &[&authority], [UNKNOWN; 4]),
        kind(
            "not signed by it",
            &[&issued(&[ca(None)]).signed_by(middle_key)],
            &[&authority],
            [Some("BadSignature"); 4],
        ),
        kind("one bit of its signature", &[&forged.into()], &[&authority], [Some("BadSignature"); 4]),
        kind("expired", &[&issued(&[ca(None)]).expired().signed_by(root_key)], &[&authority], [EXPIRED; 4]),
        kind(
            "by an expired authority",
            &[&leaf],
            &[&Spec::new("root", "root", root_key, &[ca(None)]).expired().signed_by(root_key)],
            [EXPIRED; 4],
        ),
        kind(
            "below a path length of 0",
            &through(&good_middle).iter().collect::<Vec<_>>(),
            &[&shortest],
            [Some("fewer authorities"); 4],
        ),
        kind("by itself once more", &[&deep, &no_constraints], &[&authority], [NO_AUTHORITY; 4]),
        refused("below CA:FALSE", middle(&[not_ca()]), NO_AUTHORITY),
        refused("below no basic constraints", middle(&[]), NO_AUTHORITY),
        refused("below X.509 v1", Spec::v1("root", "middle", middle_key), UNKNOWN),
        refused(
            "below a key usage without certificates",
            middle(&[ca(None), key_usage(DIGITAL_SIGNATURE)]),
            NO_AUTHORITY,
        ),
        refused("below an unknown critical extension", middle(&[ca(None), extension(&[99], true, &[5, 0])]), UNKNOWN),
        refused("below an expired one", middle(&[ca(None)]).expired(), EXPIRED),
        // Go checks names against them
        refused("below name constraints", middle(&[ca(None), permitted("example")]), Some("has name constraints")),
        kind(
            "directly below name constraints",
            &[&leaf],
            &[&root(&[ca(None), permitted("other")])],
            [Some("has name constraints"); 4],
        ),
        not_for(SERVER_AUTH, [YES, YES, PURPOSE, PURPOSE]),
        not_for(CLIENT_AUTH, [PURPOSE, PURPOSE, YES, YES]),
        kind(
            "the leaf's own purposes",
            &[&issued(&[ca(None), purposes(&[SERVER_AUTH])]).signed_by(root_key)],
            &[&authority],
            [YES, YES, PURPOSE, PURPOSE],
        ),
        kind(
            "the leaf's own key usage",
            &[&issued(&[ca(None), key_usage(KEY_CERT_SIGN)]).signed_by(root_key)],
            &[&authority],
            [NO_SIGNATURES; 4],
        ),
    ])
    .await;
}

#[tokio::test]
async fn certificates_without_extensions_or_for_any_purpose() {
    let (root_key, middle_key, peer) = (&KEYS.root, &KEYS.middle, &KEYS.peer);
    let authority = root(&[ca(None)]);
    let v1_authority = Spec::v1("root", "root", root_key).signed_by(root_key);
    let v1 = Spec::v1("root", NAME, peer).signed_by(root_key);
    let [v1_deep, good_middle] =
        [Spec::v1("middle", NAME, peer).signed_by(middle_key), middle(&[ca(None)]).signed_by(root_key)];
    let ordinary = issued(&[not_ca()]).signed_by(root_key);
    let any = issued(&[not_ca(), purposes(&[ANY_PURPOSE])]).signed_by(root_key);
    let any_deep = below(&[not_ca(), purposes(&[SERVER_AUTH, CLIENT_AUTH])]);
    let any_middle = middle(&[ca(None), purposes(&[ANY_PURPOSE])]).signed_by(root_key);
    assert_all(vec![
        kind("v1", &[&v1], &[&authority], [NAMELESS, YES, YES, NAMELESS]),
        kind("v1 below another", &[&v1_deep, &good_middle], &[&authority], [NAMELESS, YES, YES, NAMELESS]),
        kind("v1 of v1", &[&v1], &[&v1_authority], [NAMELESS, YES, YES, NAMELESS]),
        kind("of v1", &[&ordinary], &[&v1_authority], [YES; 4]),
        kind("v1 of a stranger", &[&Spec::v1("other", NAME, peer).signed_by(middle_key)], &[&authority], [UNKNOWN; 4]),
        kind(
            "v1 not signed",
            &[&Spec::v1("root", NAME, peer).signed_by(middle_key)],
            &[&authority],
            [Some("BadSignature"); 4],
        ),
        kind("v1 expired", &[&Spec::v1("root", NAME, peer).expired().signed_by(root_key)], &[&authority], [EXPIRED; 4]),
        kind(
            "v1 with extensions",
            &[&Spec { version: None, ..issued(&[]) }.signed_by(root_key)],
            &[&authority],
            [VERSION; 4],
        ),
        kind(
            "v2",
            &[&Spec { version: Some(1), ..Spec::v1("root", NAME, peer) }.signed_by(root_key)],
            &[&authority],
            [VERSION; 4],
        ),
        kind("any purpose", &[&any], &[&authority], [YES; 4]),
        kind("any purpose above", &[&any_deep, &any_middle], &[&authority], [YES; 4]),
        kind(
            "no purpose",
            &[&issued(&[purposes(&[SERVER_AUTH])]).signed_by(root_key)],
            &[&authority],
            [YES, YES, PURPOSE, PURPOSE],
        ),
        kind(
            "another purpose",
            &[&issued(&[purposes(&[&[6, 3, 0x55, 4, 3]])]).signed_by(root_key)],
            &[&authority],
            [PURPOSE; 4],
        ),
    ])
    .await;
}

#[tokio::test]
async fn keys_of_every_kind() {
    let mut kinds = Vec::new();
    for (name, algorithm) in [("P-384", P384), ("P-521", P521), ("Ed25519", ED25519), ("RSA 2048", RSA_2048)] {
        let key = Key::new(algorithm);
        let root = Spec::new("root", "root", &key, &[ca(None)]).signed_by(&key);
        let leaf = Spec::new("root", "peer", &key, &[not_ca(), names(&[NAME])]).signed_by(&key);
        let with_ca = Spec::new("root", "root", &key, &[ca(None), names(&[NAME])]).signed_by(&key);
        let v1 = Spec::v1("root", "peer", &key).signed_by(&key);
        for (shown, trusted, verdicts) in
            [(&leaf, &root, [YES; 4]), (&with_ca, &with_ca, [YES; 4]), (&v1, &root, [NAMELESS, YES, YES, NAMELESS])]
        {
            kinds.push(Kind { key: key.clone(), ..kind(name, &[shown], &[trusted], verdicts) });
        }
    }
    assert_all(kinds).await;
}
