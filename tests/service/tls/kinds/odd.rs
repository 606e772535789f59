//! Certificates that webpki judges.

use super::{
    forge::{
        CLIENT_AUTH, DIGITAL_SIGNATURE, SERVER_AUTH, Spec, ca, der, extension, key_usage, names, not_ca, permitted,
        purposes,
    },
    shown::{NAME, Shown, VERSIONS, as_server},
    table::{EXPIRED, KEYS, NAMELESS, UNKNOWN, Verdict, YES, assert_all, below, issued, kind, middle, root},
};

#[tokio::test]
async fn oddities_of_issued_certificates() {
    let (root_key, middle_key) = (&KEYS.root, &KEYS.middle);
    let authority = root(&[ca(None)]);
    let one =
        |what: &'static str, spec: Spec, verdicts| kind(what, &[&spec.signed_by(root_key)], &[&authority], verdicts);
    let named = |what: &'static str, all: &[&str], verdict: Verdict| {
        let spec = Spec::new("root", "peer", &KEYS.peer, &[names(all)]);
        kind(what, &[&spec.signed_by(root_key)], &[&authority], [verdict, YES, YES, verdict])
    };
    let other_name = Some("not valid for name");
    let [not_before, not_after] = issued(&[]).times;
    let leaf = below(&[not_ca()]);
    let under = |what: &'static str, extensions: &[Vec<u8>], verdicts| {
        kind(what, &[&leaf, &middle(extensions).signed_by(root_key)], &[&authority], verdicts)
    };
    let without_seconds = der(0x17, &[b"2611290101Z"]);
    let with_zone = der(0x17, &[b"491231235959+0100"]);
    let generalized = der(0x18, &[b"20491231235959Z"]);
    let long_serial = [&[1][..], &[7; 24]].concat();
    assert_all(vec![
        named("a wildcard", &["*.test.example"], YES),
        named("half a wildcard", &["p*.test.example"], other_name),
        named("a wildcard of another level", &["*.example"], other_name),
        named("in capitals", &["PEER.Test.EXAMPLE"], YES),
        named("the second name", &["127.0.0.1", NAME], YES),
        named("a URI", &["spiffe://peer.test.example/x"], other_name),
        named("a domain above", &["test.example"], other_name),
        one("no name but a common name", Spec::new("root", NAME, &KEYS.peer, &[]), [NAMELESS, YES, YES, NAMELESS]),
        one("a serial of 25 bytes", issued(&[]).serial(&long_serial), [YES; 4]),
        one("a serial of zero", issued(&[]).serial(&[0]), [YES; 4]),
        // Go refuses to read it since 1.23
        one("a negative serial", issued(&[]).serial(&[0x80]), [YES; 4]),
        one("a generalized time before 2050", issued(&[]).times(not_before.clone(), generalized), [YES; 4]),
        // Go reads both
        one("a time without seconds", issued(&[]).times(without_seconds, not_after), [Some("BadEncoding"); 4]),
        one("a time with a zone", issued(&[]).times(not_before, with_zone), [Some("BadEncoding"); 4]),
        one("names twice", issued(&[names(&["other.example"])]), [Some("ExtensionValueInvalid"); 4]),
        one(
            "an unknown critical extension",
            issued(&[extension(&[99], true, &[5, 0])]),
            [Some("UnsupportedCriticalExtension"); 4],
        ),
        // Go knows it
        one(
            "critical certificate policies",
            issued(&[extension(&[32], true, &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 32, 0])]),
            [Some("UnsupportedCriticalExtension"); 4],
        ),
        one("an unknown extension", issued(&[extension(&[99], false, &[5, 0])]), [YES; 4]),
        one(
            "two signature algorithms",
            Spec { inner_algorithm: Some(der(0x30, &[&[6, 1, 1]])), ..issued(&[]) },
            [Some("SignatureAlgorithmMismatch"); 4],
        ),
        one("expired", issued(&[]).expired(), [EXPIRED; 4]),
        kind("a missing authority", &[&leaf], &[&authority], [UNKNOWN; 4]),
        kind(
            "in another order",
            &[&leaf, &authority, &middle(&[ca(None)]).signed_by(root_key)],
            &[&authority],
            [YES; 4],
        ),
        under("below a path length of 0", &[ca(Some(0))], [YES; 4]),
        under("below names that are permitted", &[ca(None), permitted("example")], [YES; 4]),
        under("below names that are not", &[ca(None), permitted("other")], [Some("NameConstraintViolation"); 4]),
        under("below CA:FALSE", &[not_ca()], [Some("EndEntityUsedAsCa"); 4]),
        // Go rejects it: webpki takes CA:TRUE as permission
        under("below a key usage without certificates", &[ca(None), key_usage(DIGITAL_SIGNATURE)], [YES; 4]),
        kind(
            "below two, with a path length of 0",
            &[&leaf, &middle(&[ca(None)]).signed_by(root_key)],
            &[&root(&[ca(Some(0))])],
            [YES; 4],
        ),
        kind(
            "below a trusted one for clients",
            &[&issued(&[]).signed_by(root_key)],
            &[&root(&[ca(None), purposes(&[CLIENT_AUTH])])],
            [UNKNOWN, UNKNOWN, YES, YES],
        ),
        kind(
            "below a trusted one for servers",
            &[&issued(&[]).signed_by(root_key)],
            &[&root(&[ca(None), purposes(&[SERVER_AUTH])])],
            [YES, YES, UNKNOWN, UNKNOWN],
        ),
        // Go rejects it
        kind(
            "below a trusted one with an unknown critical extension",
            &[&issued(&[]).signed_by(root_key)],
            &[&root(&[ca(None), extension(&[99], true, &[5, 0])])],
            [YES; 4],
        ),
        one("critical CRL distribution points", issued(&[not_ca(), extension(&[31], true, &[0x30, 0])]), [YES; 4]),
        one("the same of an authority", issued(&[ca(None), extension(&[31], true, &[0x30, 0])]), [YES; 4]),
        kind(
            "an authority below a path length of 300",
            &[&issued(&[ca(None)]).signed_by(root_key)],
            &[&root(&[extension(&[19], true, &[0x30, 7, 1, 1, 0xff, 2, 2, 1, 44])])],
            [YES; 4],
        ),
        // Go reads these
        under(
            "below policy constraints",
            &[ca(None), extension(&[36], true, &[0x30, 3, 0x80, 1, 0])],
            [Some("UnsupportedCriticalExtension"); 4],
        ),
        one("no purpose at all", issued(&[purposes(&[])]), [Some("EmptyEku"); 4]),
        kind(
            "below a trusted one that is no authority",
            &[&leaf],
            &[&middle(&[not_ca()]).signed_by(middle_key)],
            [UNKNOWN; 4],
        ),
    ])
    .await;
}

#[tokio::test]
async fn names_of_servers() {
    let authority = [root(&[ca(None)])];
    let refused = Some("not valid for name");
    for (host, all, expected) in [
        ("redis.internal.example", &["*.internal.example"][..], None),
        ("redis.internal.example.", &["redis.internal.example"], None),
        ("a.redis.internal.example", &["*.internal.example"], refused),
        ("internal.example", &["*.internal.example"], refused),
        // Go accepts it
        ("redis.internal", &["*.internal"], refused),
        ("redis_1.internal.example", &["redis_1.internal.example"], None),
        ("127.0.0.1", &["127.0.0.1"], None),
        ("127.0.0.1", &["redis.internal.example", "127.0.0.1"], None),
        ("127.0.0.2", &["127.0.0.1"], refused),
        ("127.0.0.1", &["*.0.0.1"], refused),
    ] {
        let spec = Spec::new("root", "peer", &KEYS.peer, &[names(all)]);
        let shown = Shown::new(&[spec.signed_by(&KEYS.root)], &KEYS.peer);
        for version in VERSIONS {
            let outcome = as_server(&shown, &authority, true, version, host).await;
            match expected {
                None => assert_eq!(outcome, Ok(()), "{host}, {all:?}"),
                Some(expected) => assert!(outcome.expect_err(host).contains(expected), "{host}, {all:?}"),
            }
            assert_eq!(as_server(&shown, &authority, false, version, host).await, Ok(()), "{host}, unverified");
        }
    }
}
