//! Peers that present what others are trusted for.

use super::{
    forge::{Key, P256, Spec, ca, der, extension, names, not_ca},
    shown::{Listener, NAME, Shown, VERSIONS, as_server},
};

/// The errors of our client and of our listener, which must both reject the peer.
async fn refusals(
    shown: &std::sync::Arc<Shown>,
    trusted: &[rustls::pki_types::CertificateDer<'static>],
) -> Vec<String> {
    let mut refusals = Vec::new();
    for version in VERSIONS {
        for verify in [true, false] {
            refusals.push(as_server(shown, trusted, verify, version, NAME).await.expect_err("as a server"));
        }
        let listener = Listener::new(trusted, None).expect("a listener");
        refusals.push(listener.shown(shown, version).await.expect_err("as a client"));
    }
    refusals
}

#[tokio::test]
async fn a_trusted_certificate_without_its_key() {
    let (owner, thief) = (Key::new(P256), Key::new(P256));
    let selfsigned = Spec::new("peer", "peer", &owner, &[ca(None), names(&[NAME])]).signed_by(&owner);
    let no_authority = Spec::new("peer", "peer", &owner, &[not_ca(), names(&[NAME])]).signed_by(&owner);
    let v1 = Spec::v1("peer", "peer", &owner).signed_by(&owner);
    let ed25519 = Key::new(super::forge::ED25519);
    for (kind, certificate) in [("CA:TRUE", selfsigned), ("CA:FALSE", no_authority), ("v1", v1)] {
        let trusted = [certificate.clone()];
        for refusal in refusals(&Shown::new(&trusted, &thief), &trusted).await {
            // a v1 certificate has no name, which is noticed first
            assert!(refusal.contains("BadSignature") || refusal.contains("any names"), "{kind}: {refusal}");
        }
        // a key of another kind: even its signature scheme does not fit the certificate's key
        refusals(&Shown::new(&trusted, &ed25519), &trusted).await;
    }
}

#[tokio::test]
async fn a_certificate_that_only_looks_like_the_trusted_one() {
    let (owner, thief) = (Key::new(P256), Key::new(P256));
    let trusted = [Spec::new("peer", "peer", &owner, &[ca(None), names(&[NAME])]).signed_by(&owner)];
    let copy = Spec::new("peer", "peer", &thief, &[ca(None), names(&[NAME])]).signed_by(&thief);
    let v1 = Spec::v1("peer", "peer", &thief).signed_by(&thief);
    let cousin = Spec::new("peer", "peer", &thief, &[not_ca(), names(&[NAME])]).signed_by(&thief);
    for certificate in [copy, v1, cousin] {
        refusals(&Shown::new(std::slice::from_ref(&certificate), &thief), &trusted).await;
        // with the trusted one beside it
        refusals(&Shown::new(&[certificate, trusted[0].clone()], &thief), &trusted).await;
    }
}

/// The owner of a certificate that is trusted for itself issues one.
#[tokio::test]
async fn a_trusted_certificate_that_is_no_authority_cannot_issue() {
    let (owner, other) = (Key::new(P256), Key::new(P256));
    for constraints in [vec![not_ca()], Vec::new()] {
        let trusted = [constraints, vec![names(&["other.example"])]].concat();
        let trusted = [Spec::new("peer", "peer", &owner, &trusted).signed_by(&owner)];
        for extensions in [&[not_ca(), names(&[NAME])][..], &[ca(None), names(&[NAME])], &[names(&[NAME])]] {
            let issued = Spec::new("peer", "minted", &other, extensions).signed_by(&owner);
            refusals(&Shown::new(&[issued], &other), &trusted).await;
        }
        let v1 = Spec::v1("peer", "minted", &other).signed_by(&owner);
        refusals(&Shown::new(&[v1], &other), &trusted).await;
    }
}

/// webpki may read what we cannot, and would treat it as an authority.
#[tokio::test]
async fn a_trusted_certificate_that_cannot_be_read_cannot_issue() {
    let (owner, other) = (Key::new(P256), Key::new(P256));
    let own = [not_ca(), names(&["other.example"])];
    let [_, not_after] = Spec::new("peer", "peer", &owner, &own).times;
    let many: Vec<_> = (0..70).map(|number| extension(&[100, number], false, &[5, 0])).collect();
    let odd = [
        Spec::new("peer", "peer", &owner, &own).times(der(0x17, &[b"2611280101Z"]), not_after),
        Spec::new("peer", "peer", &owner, &own).times(der(0x17, &[b"2111280101Z"]), der(0x17, &[b"2211280101Z"])),
        Spec::new("peer", "peer", &owner, &[&own[..], &many].concat()),
    ];
    // beside a readable one, without which the file is rejected
    let beside = Spec::new("beside", "beside", &other, &[ca(None)]).signed_by(&other);
    for trusted in odd {
        let trusted = [trusted.signed_by(&owner), beside.clone()];
        let minted = Spec::new("peer", "minted", &other, &[not_ca(), names(&[NAME])]).signed_by(&owner);
        for refusal in refusals(&Shown::new(&[minted], &other), &trusted).await {
            assert!(refusal.contains("UnknownIssuer"), "{refusal}");
        }
    }
}

/// Their subjects do not fit into the message that requests a certificate.
#[tokio::test]
async fn more_trusted_clients_than_can_be_named() {
    let key = Key::new(P256);
    let name = |number: usize| -> &'static str { format!("{number:0>120}").leak() };
    let trusted: Vec<_> = (0..600)
        .map(|number| Spec::new(name(number), name(number), &key, &[not_ca(), names(&[NAME])]).signed_by(&key))
        .collect();
    let listener = Listener::new(&trusted, None).expect("a listener");
    for version in VERSIONS {
        listener.shown(&Shown::new(&trusted[..1], &key), version).await.expect("it is trusted");
    }
}

#[tokio::test]
async fn many_certificates_of_one_name_take_bounded_work() {
    let (root, other, peer) = (Key::new(P256), Key::new(P256), Key::new(P256));
    let trusted = [Spec::new("root", "root", &root, &[ca(None)]).signed_by(&root)];
    let leaf = Spec::new("a", "peer", &peer, &[not_ca(), names(&[NAME])]).signed_by(&other);
    let steps = (1..=200).map(|serial| Spec::new("a", "a", &other, &[ca(None)]).serial(&[serial]).signed_by(&other));
    let chain: Vec<_> = std::iter::once(leaf).chain(steps).collect();
    for refusal in refusals(&Shown::new(&chain, &peer), &trusted).await {
        assert!(!refusal.contains("Maximum"), "{refusal}");
    }
}

#[tokio::test]
async fn more_authorities_than_are_tried() {
    let (root, middle, peer) = (Key::new(P256), Key::new(P256), Key::new(P256));
    let trusted = [Spec::new("root", "root", &root, &[ca(None)]).signed_by(&root)];
    let leaf = Spec::new("middle", "peer", &peer, &[ca(None), names(&[NAME])]).signed_by(&peer);
    let decoy = Spec::new("middle", "middle", &middle, &[ca(None)]).signed_by(&middle);
    let chain = [vec![leaf], vec![decoy; 50]].concat();
    for refusal in refusals(&Shown::new(&chain, &peer), &trusted).await {
        assert!(refusal.contains("more than 32 signatures"), "{refusal}");
    }
    // a chain that goes on and on is given up at the seventh step
    let subjects = ["peer", "a", "b", "c", "d", "e", "f", "g", "root"];
    let steps = subjects.windows(2).map(|pair| {
        let (issuer, key) = if pair[1] == "root" { (&root, &peer) } else { (&peer, &peer) };
        Spec::new(pair[1], pair[0], key, &[ca(None), names(&[NAME])]).signed_by(issuer)
    });
    let ladder: Vec<_> = steps.collect();
    for refusal in refusals(&Shown::new(&ladder, &peer), &trusted).await {
        assert!(refusal.contains("UnknownIssuer"), "{refusal}");
    }
}
