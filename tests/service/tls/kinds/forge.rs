//! Certificates of any shape, encoded by hand and signed by rustls: openssl refuses to write most invalid ones.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    SignatureScheme,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::SigningKey,
};

pub const DAY: Duration = Duration::from_secs(86_400);

/// A key pair, and how its owner signs certificates.
#[derive(Clone)]
pub struct Key {
    pub pem: String,
    pub signing: Option<Arc<dyn SigningKey>>,
    pub spki: Vec<u8>,
    /// The encoded algorithm of its signatures.
    algorithm: Vec<u8>,
    scheme: SignatureScheme,
}

/// Kinds of keys, in the notation of `openssl genpkey -algorithm`.
pub const P256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
pub const P384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";
pub const P521: &str = "EC -pkeyopt ec_paramgen_curve:P-521";
pub const ED25519: &str = "ED25519";
pub const RSA_2048: &str = "RSA -pkeyopt rsa_keygen_bits:2048";
pub const RSA_1024: &str = "RSA -pkeyopt rsa_keygen_bits:1024";

impl Key {
    pub fn new(kind: &str) -> Self {
        let (scheme, identifier): (_, &[u8]) = match kind {
            P256 => (SignatureScheme::ECDSA_NISTP256_SHA256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]),
            P384 => (SignatureScheme::ECDSA_NISTP384_SHA384, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]),
            P521 => (SignatureScheme::ECDSA_NISTP521_SHA512, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]),
            ED25519 => (SignatureScheme::ED25519, &[0x2b, 0x65, 0x70]),
            _ => (SignatureScheme::RSA_PKCS1_SHA256, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]),
        };
        let null: &[u8] = if kind.starts_with("RSA") { &[5, 0] } else { &[] };
        let algorithm = der(0x30, &[&der(6, &[identifier]), null]);
        let pem = String::from_utf8(openssl(&format!("genpkey -algorithm {kind}"), b"")).expect("PEM");
        let spki = openssl("pkey -pubout -outform DER", pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let signing = aws_lc_rs::default_provider().key_provider.load_private_key(key).ok();
        Self { pem, signing, spki, algorithm, scheme }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let key = self.signing.as_ref().expect("a key that can sign");
        key.choose_scheme(&[self.scheme]).expect("its scheme").sign(message).expect("signed")
    }
}

/// Runs openssl with this input.
pub fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl");
    child.stdin.take().expect("piped").write_all(input).expect("taken");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An element of DER.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len()).expect("a short one").to_be_bytes();
    match content.len() {
        0..=0x7f => [&[tag, length[3]], &content[..]].concat(),
        0x80..=0xff => [&[tag, 0x81, length[3]], &content[..]].concat(),
        _ => [&[tag, 0x82, length[2], length[3]], &content[..]].concat(),
    }
}

fn name(common: &str) -> Vec<u8> {
    let part = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[common.as_bytes()])]);
    der(0x30, &[&der(0x31, &[&part])])
}

/// A UTCTime, which RFC 5280 requires for years until 2049.
pub fn utc(time: SystemTime) -> Vec<u8> {
    let text = humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':', 'T'], "");
    der(0x17, &[&text.as_bytes()[2..]])
}

/// An extension: the end of its identifier after id-ce (2.5.29), and its value.
pub fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    der(0x30, &[&der(6, &[&[0x55, 0x1d], identifier]), critical, &der(4, &[value])])
}

pub fn names(all: &[&str]) -> Vec<u8> {
    let all: Vec<_> = all.iter().map(|one| general_name(one)).collect();
    extension(&[17], false, &der(0x30, &[&all.concat()]))
}

fn general_name(text: &str) -> Vec<u8> {
    match text.parse::<std::net::Ipv4Addr>() {
        Ok(address) => der(0x87, &[&address.octets()]),
        Err(_) if text.contains("://") => der(0x86, &[text.as_bytes()]),
        Err(_) => der(0x82, &[text.as_bytes()]),
    }
}

/// `basicConstraints=critical,CA:TRUE`, with or without a path length.
pub fn ca(path_length: Option<u8>) -> Vec<u8> {
    let path_length = path_length.map_or_else(Vec::new, |length| vec![2, 1, length]);
    extension(&[19], true, &der(0x30, &[&[1, 1, 0xff], &path_length]))
}

pub fn not_ca() -> Vec<u8> {
    extension(&[19], false, &[0x30, 0])
}

/// The bits of `keyUsage`: the first is digitalSignature, the sixth keyCertSign.
pub fn key_usage(bits: u8) -> Vec<u8> {
    extension(&[15], true, &[3, 2, u8::try_from(bits.trailing_zeros()).expect("few"), bits])
}

pub const DIGITAL_SIGNATURE: u8 = 0x80;
pub const KEY_CERT_SIGN: u8 = 0x04;

pub const SERVER_AUTH: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
pub const CLIENT_AUTH: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2];
pub const ANY_PURPOSE: &[u8] = &[6, 4, 0x55, 0x1d, 37, 0];

pub fn purposes(all: &[&[u8]]) -> Vec<u8> {
    extension(&[37], false, &der(0x30, all))
}

/// Name constraints that permit only these DNS names.
pub fn permitted(name: &str) -> Vec<u8> {
    extension(&[30], true, &der(0x30, &[&der(0xa0, &[&der(0x30, &[&der(0x82, &[name.as_bytes()])])])]))
}

/// The contents of a certificate.
#[derive(Clone)]
pub struct Spec {
    pub issuer: &'static str,
    pub subject: &'static str,
    pub key: Key,
    /// The version as it is encoded: 2 is v3; `None`: v1.
    pub version: Option<u8>,
    pub serial: Vec<u8>,
    pub times: [Vec<u8>; 2],
    pub extensions: Vec<Vec<u8>>,
    /// The algorithm in the signed part, if it differs.
    pub inner_algorithm: Option<Vec<u8>>,
}

impl Spec {
    /// v3, valid from yesterday until tomorrow.
    pub fn new(issuer: &'static str, subject: &'static str, key: &Key, extensions: &[Vec<u8>]) -> Self {
        let now = SystemTime::now();
        Self {
            issuer,
            subject,
            key: key.clone(),
            version: Some(2),
            serial: vec![7],
            times: [utc(now - DAY), utc(now + DAY)],
            extensions: extensions.to_vec(),
            inner_algorithm: None,
        }
    }

    pub fn v1(issuer: &'static str, subject: &'static str, key: &Key) -> Self {
        Self { version: None, ..Self::new(issuer, subject, key, &[]) }
    }

    pub fn serial(self, serial: &[u8]) -> Self {
        Self { serial: serial.to_vec(), ..self }
    }

    pub fn times(self, not_before: Vec<u8>, not_after: Vec<u8>) -> Self {
        Self { times: [not_before, not_after], ..self }
    }

    pub fn expired(self) -> Self {
        let now = SystemTime::now();
        self.times(utc(now - DAY * 9), utc(now - DAY * 2))
    }

    pub fn not_yet(self) -> Self {
        let now = SystemTime::now();
        self.times(utc(now + DAY * 2), utc(now + DAY * 9))
    }

    pub fn signed_by(&self, issuer: &Key) -> CertificateDer<'static> {
        let version = self.version.map_or_else(Vec::new, |version| der(0xa0, &[&[2, 1, version]]));
        let extensions = match &self.extensions[..] {
            [] => Vec::new(),
            all => der(0xa3, &[&der(0x30, &[&all.concat()])]),
        };
        let signed = der(
            0x30,
            &[
                &version,
                &der(2, &[&self.serial]),
                self.inner_algorithm.as_ref().unwrap_or(&issuer.algorithm),
                &name(self.issuer),
                &der(0x30, &[&self.times.concat()]),
                &name(self.subject),
                &self.key.spki,
                &extensions,
            ],
        );
        let signature = issuer.sign(&signed);
        der(0x30, &[&signed, &issuer.algorithm, &der(3, &[&[0], &signature])]).into()
    }
}

pub fn pem(certificates: &[CertificateDer<'static>]) -> String {
    let one = |encoded: &CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(encoded))
    };
    certificates.iter().map(one).collect()
}

/// In lines as in PEM. openssl would refuse some of these certificates.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |part: &[u8]| -> [char; 4] {
        let padded = [part, &[0, 0]].concat();
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        std::array::from_fn(|at| match at > part.len() {
            true => '=',
            false => char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]),
        })
    };
    let lines = bytes.chunks(48).map(|line| line.chunks(3).flat_map(group).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}
