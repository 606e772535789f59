//! Certificates that are trusted themselves.

use super::{
    forge::{
        CLIENT_AUTH, DIGITAL_SIGNATURE, KEY_CERT_SIGN, SERVER_AUTH, Spec, ca, extension, key_usage, names, not_ca,
        purposes,
    },
    shown::NAME,
    table::{
        EXPIRED, KEYS, NAMELESS, NO_AUTHORITY, NO_SIGNATURES, NOT_YET, PURPOSE, YES, assert_all, issued, kind, root,
        selfsigned,
    },
};

#[tokio::test]
async fn trusted_by_itself() {
    let (peer, other) = (&KEYS.peer, &KEYS.root);
    let with_ca = selfsigned(&[ca(None)]).signed_by(peer);
    let without = selfsigned(&[]).signed_by(peer);
    let no_authority = selfsigned(&[not_ca()]).signed_by(peer);
    let of_other = issued(&[not_ca()]).signed_by(other);
    let expired = selfsigned(&[ca(None)]).expired().signed_by(peer);
    let not_yet = selfsigned(&[ca(None)]).not_yet().signed_by(peer);
    let expired_no_authority = selfsigned(&[not_ca()]).expired().signed_by(peer);
    let elsewhere = Spec::new("peer", "peer", peer, &[ca(None), names(&["other.example"])]).signed_by(peer);
    let common_name = Spec::new(NAME, NAME, peer, &[ca(None)]).signed_by(peer);
    let v1 = Spec::v1("peer", NAME, peer).signed_by(other);
    let v1_selfsigned = Spec::v1(NAME, NAME, peer).signed_by(peer);
    let for_signing = selfsigned(&[ca(None), key_usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN)]).signed_by(peer);
    let for_issuing = selfsigned(&[ca(None), key_usage(KEY_CERT_SIGN)]).signed_by(peer);
    let of_servers = selfsigned(&[ca(None), purposes(&[SERVER_AUTH])]).signed_by(peer);
    let of_clients = selfsigned(&[not_ca(), purposes(&[CLIENT_AUTH])]).signed_by(peer);
    let critical = selfsigned(&[ca(None), extension(&[99], true, &[5, 0])]).signed_by(peer);
    let same_but_serial = selfsigned(&[ca(None)]).serial(&[8]).signed_by(peer);
    assert_all(vec![
        kind("openssl req -x509", &[&with_ca], &[&with_ca], [YES; 4]),
        kind("no basic constraints", &[&without], &[&without], [YES; 4]),
        kind("CA:FALSE", &[&no_authority], &[&no_authority], [YES; 4]),
        kind("issued by a stranger", &[&of_other], &[&of_other], [YES; 4]),
        kind("among others", &[&with_ca], &[&root(&[ca(None)]), &with_ca], [YES; 4]),
        kind("expired", &[&expired], &[&expired], [EXPIRED; 4]),
        kind("not yet valid", &[&not_yet], &[&not_yet], [NOT_YET; 4]),
        kind("expired, CA:FALSE", &[&expired_no_authority], &[&expired_no_authority], [EXPIRED; 4]),
        kind(
            "of another name",
            &[&elsewhere],
            &[&elsewhere],
            [Some("not valid for name"), YES, YES, Some("not valid for name")],
        ),
        kind("a common name alone", &[&common_name], &[&common_name], [NAMELESS, YES, YES, NAMELESS]),
        kind("X.509 v1", &[&v1], &[&v1], [NAMELESS, YES, YES, NAMELESS]),
        kind("X.509 v1, of itself", &[&v1_selfsigned], &[&v1_selfsigned], [NAMELESS, YES, YES, NAMELESS]),
        kind("for signatures and certificates", &[&for_signing], &[&for_signing], [YES; 4]),
        // Go does not check a peer's key usage
        kind("for certificates alone", &[&for_issuing], &[&for_issuing], [NO_SIGNATURES; 4]),
        kind("for servers", &[&of_servers], &[&of_servers], [YES, YES, PURPOSE, PURPOSE]),
        kind("for clients", &[&of_clients], &[&of_clients], [PURPOSE, PURPOSE, YES, YES]),
        kind("an unknown critical extension", &[&critical], &[&critical], [Some("UnsupportedCriticalExtension"); 4]),
        kind("another of the same key and names", &[&same_but_serial], &[&with_ca], [YES; 4]),
        kind("another of the same key and names, CA:FALSE", &[&same_but_serial], &[&no_authority], [NO_AUTHORITY; 4]),
    ])
    .await;
}
