//! The forms of PEM files.

use std::fs;

use rustls::version::TLS13;
use tls::{ClientFiles, Identity, client_config};

use super::{
    forge::{Key, P256, RSA_2048, Spec, ca, names, openssl, pem},
    shown::{NAME, Shown, as_server},
};

/// Whether our client can use these files: certificates to trust, a chain and its key.
fn usable(trusted: &str, chain: &str, key: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for (name, content) in [("ca", trusted), ("crt", chain), ("key", key)] {
        fs::write(path(name), content).expect("a file");
    }
    let identity = Some(Identity { certificate: path("crt"), key: path("key") });
    let files = ClientFiles { ca: Some(path("ca")), identity, verify_hostname: true };
    client_config(&files).map(drop).map_err(|error| error.to_string())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("PEM")
}

#[test]
fn files_as_tools_write_them() {
    let (key, rsa) = (Key::new(P256), Key::new(RSA_2048));
    let certificate = pem(&[Spec::new("own", "own", &key, &[names(&[NAME])]).signed_by(&key)]);
    let of_rsa = pem(&[Spec::new("own", "own", &rsa, &[names(&[NAME])]).signed_by(&rsa)]);
    let explained = text(openssl("x509 -text", certificate.as_bytes()));
    assert!(explained.starts_with("Certificate:"), "{explained}");
    let sec1 = text(openssl("ec", key.pem.as_bytes()));
    assert!(sec1.contains("BEGIN EC PRIVATE KEY"), "{sec1}");
    let parameters = text(openssl("ecparam -name prime256v1", b""));
    let pkcs1 = text(openssl("rsa -traditional", rsa.pem.as_bytes()));
    assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"), "{pkcs1}");
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let unended = certificate.trim_end();
    for (form, chain, key) in [
        ("plain", &certificate[..], &key.pem[..]),
        ("with text before", &explained, &key.pem),
        ("CRLF", &crlf(&certificate), &crlf(&key.pem)),
        ("without an end of line", unended, key.pem.trim_end()),
        ("SEC1", &certificate, &sec1),
        ("parameters before the key", &certificate, &format!("{parameters}{sec1}")),
        ("PKCS#1", &of_rsa, &pkcs1),
        ("PKCS#1 in CRLF", &of_rsa, &crlf(&pkcs1)),
        ("one file", &format!("{}{certificate}", key.pem), &format!("{}{certificate}", key.pem)),
        ("bag attributes", &format!("Bag Attributes\n    localKeyID: 01\nsubject=CN = x\n{certificate}"), &key.pem),
    ] {
        assert_eq!(usable(chain, chain, key), Ok(()), "{form}");
    }
    for (form, trusted, key, expected) in [
        ("another label", certificate.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), &key.pem, "it has none"),
        (
            "encrypted",
            certificate.clone(),
            &text(openssl("pkcs8 -topk8 -passout pass:x", key.pem.as_bytes())),
            "encrypted",
        ),
        ("half of the file", certificate[..certificate.len() / 2].to_owned(), &key.pem, "in the middle of a section"),
    ] {
        let refusal = usable(&trusted, &certificate, key).expect_err(form);
        assert!(refusal.contains(expected), "{form}: {refusal}");
    }
}

/// Like Go: a bundle may contain an unreadable one.
#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_left_out_of_a_bundle() {
    let key = Key::new(P256);
    let good = Spec::new("peer", "peer", &key, &[ca(None), names(&[NAME])]).signed_by(&key);
    let bad = Spec { version: Some(1), ..Spec::v1("odd", "odd", &key) }.signed_by(&key);
    let shown = Shown::new(std::slice::from_ref(&good), &key);
    assert_eq!(as_server(&shown, &[bad.clone(), good.clone()], true, &TLS13, NAME).await, Ok(()));
    assert_eq!(as_server(&shown, &[good.clone(), bad.clone()], true, &TLS13, NAME).await, Ok(()));
    let refusal = as_server(&shown, &[bad], true, &TLS13, NAME).await.expect_err("nothing remains");
    assert!(refusal.starts_with("cannot read the authorities from "), "{refusal}");
    assert!(refusal.ends_with("make it a PEM file that this process may read"), "{refusal}");
}
