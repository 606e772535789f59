//! The fields of a certificate that webpki does not expose: version, validity, extensions, and the bytes that the
//! issuer signed.
//!
//! The `der` crate decodes the elements strictly; this module only adds the order of the fields.

use der::{Decode as _, ErrorKind, Reader as _, Result, SliceReader, Tag, TagNumber, asn1::BitStringRef};
use rustls::pki_types::CertificateDer;

use super::{element::content, extensions::Extensions, validity::Validity};

/// The version of X.509. Version 1 has no extensions: no subject alternative names, and no restriction of what the key
/// may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V3,
}

/// A certificate, borrowed from its encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    pub(super) version: Version,
    /// What the issuer signed: the encoded `tbsCertificate`.
    pub(super) signed: &'a [u8],
    /// The algorithm identifier of that signature, without its outer tag and length.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) key: PublicKey<'a>,
    pub(super) validity: Validity,
    pub(super) extensions: Extensions<'a>,
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublicKey<'a> {
    /// The whole `SubjectPublicKeyInfo`.
    pub(super) encoded: &'a [u8],
    /// Its algorithm identifier, without the outer tag and length.
    pub(super) algorithm: &'a [u8],
    pub(super) bits: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Decodes a certificate of version 1 or 3.
    pub(super) fn read(encoded: &'a CertificateDer<'_>) -> Result<Self> {
        let mut whole = SliceReader::new(encoded)?;
        let certificate = whole.sequence(|certificate| {
            let signed = certificate.tlv_bytes()?;
            let algorithm = content(certificate, Tag::Sequence)?;
            let signature = octets(certificate)?;
            SliceReader::new(signed)?.sequence(|fields| Self::fields(fields, [signed, algorithm, signature]))
        })?;
        whole.finish()?;
        Ok(certificate)
    }

    /// The validity of a certificate; `None` if it is malformed.
    pub(super) fn validity_of(encoded: &CertificateDer<'_>) -> Option<Validity> {
        Certificate::read(encoded).ok().map(|certificate| certificate.validity)
    }

    fn fields(fields: &mut SliceReader<'a>, [signed, algorithm, signature]: [&'a [u8]; 3]) -> Result<Self> {
        let version = version(fields)?;
        content(fields, Tag::Integer)?; // the serial number, which is not needed
        if content(fields, Tag::Sequence)? != algorithm {
            return Err(Tag::Sequence.value_error().into());
        }
        let issuer = content(fields, Tag::Sequence)?;
        let validity = Validity::read(content(fields, Tag::Sequence)?)?;
        let subject = content(fields, Tag::Sequence)?;
        let key = PublicKey::read(fields.tlv_bytes()?)?;
        let extensions = match version {
            Version::V3 if !fields.is_finished() => {
                const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
                Extensions::read(content(fields, EXTENSIONS)?)?
            }
            Version::V1 | Version::V3 => Extensions::default(),
        };
        Ok(Self { version, signed, algorithm, signature, issuer, subject, key, validity, extensions })
    }
}

impl<'a> PublicKey<'a> {
    fn read(encoded: &'a [u8]) -> Result<Self> {
        SliceReader::new(encoded)?.sequence(|fields| {
            let algorithm = content(fields, Tag::Sequence)?;
            Ok(Self { encoded, algorithm, bits: octets(fields)? })
        })
    }
}

fn version(fields: &mut SliceReader<'_>) -> Result<Version> {
    const VERSION: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    if Tag::peek(fields)? != VERSION {
        return Ok(Version::V1);
    }
    match u8::from_der(content(fields, VERSION)?)? {
        2 => Ok(Version::V3),
        _ => Err(ErrorKind::Value { tag: Tag::Integer }.into()),
    }
}

/// Reads the next element, which must be a bit string of whole octets, and returns its content.
fn octets<'a>(reader: &mut SliceReader<'a>) -> Result<&'a [u8]> {
    BitStringRef::decode(reader)?.as_bytes().ok_or_else(|| Tag::BitString.value_error().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const SEQUENCE: u8 = 0x30;
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    const VERSION: u8 = 0xa0;

    /// Encodes an element of DER.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(content.len()).expect("at most 64 KiB").to_be_bytes();
        let length = match (high, low) {
            (0, 0..=0x7f) => vec![low],
            (0, _) => vec![0x81, low],
            _ => vec![0x82, high, low],
        };
        [&[tag], &length[..], content].concat()
    }

    fn time(text: &str) -> Vec<u8> {
        element(if text.len() == 13 { UTC_TIME } else { GENERALIZED_TIME }, text.as_bytes())
    }

    fn certificate(version: &[u8], not_before: &str, not_after: &str) -> CertificateDer<'static> {
        let validity = element(SEQUENCE, &[time(not_before), time(not_after)].concat());
        let (algorithm, bits) = (element(SEQUENCE, &[6, 1, 1]), element(BIT_STRING, &[0, 7]));
        let key = element(SEQUENCE, &[&algorithm[..], &bits].concat());
        let (serial, name) = (element(INTEGER, &[1]), element(SEQUENCE, &[9; 300]));
        let fields = [version, &serial, &algorithm, &name, &validity, &name, &key].concat();
        element(SEQUENCE, &[&element(SEQUENCE, &fields)[..], &algorithm, &bits].concat()).into()
    }

    fn of(not_before: &str, not_after: &str) -> Option<[String; 2]> {
        let validity =
            Certificate::validity_of(&certificate(&element(VERSION, &element(INTEGER, &[2])), not_before, not_after))?;
        Some([validity.not_before, validity.not_after].map(|time| humantime::format_rfc3339(time).to_string()))
    }

    #[test]
    fn utc_time_and_generalized_time_are_read() {
        let expected = Some(["2026-02-28T23:59:59Z".to_owned(), "2050-01-01T00:00:00Z".to_owned()]);
        assert_eq!(of("260228235959Z", "20500101000000Z"), expected);
        // RFC 5280, 4.1.2.5: 9999-12-31 means that there is no expiry
        let expected = Some(["1970-01-01T00:00:00Z".to_owned(), "9999-12-31T23:59:59Z".to_owned()]);
        assert_eq!(of("500101000000Z", "99991231235959Z"), expected);
        let first_version = certificate(&[], "700101000000Z", "491231235959Z");
        let years = Certificate::validity_of(&first_version).expect("a validity").length().as_secs() / (365 * 86_400);
        assert_eq!(years, 80);
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let good = certificate(&[], "260101000000Z", "270101000000Z");
        assert_eq!(Certificate::read(&good).map(|read| read.version), Ok(Version::V1));
        let mut longer = good.to_vec();
        longer.push(0);
        assert!(Certificate::read(&longer.into()).is_err(), "after the certificate");
        // an additional element inside the outer sequence
        let inner = &good[4..];
        let grown = element(SEQUENCE, &[inner, &[5, 0]].concat());
        assert!(Certificate::read(&grown.into()).is_err(), "after the signature");
    }

    #[test]
    fn malformed_times_are_an_error() {
        for bad in ["260230000000Z", "26022823595Z", "260228235959+0100", "2602282359é9Z", "2026-02-28T23Z", ""] {
            assert_eq!(of("260101000000Z", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at: usize, changed: u8) {
            let _ = Certificate::validity_of(&bytes.into());
            let mut certificate = certificate(&[], "260101000000Z", "270101000000Z").to_vec();
            let at = at % certificate.len();
            certificate[at] = changed;
            let _ = Certificate::validity_of(&certificate.into());
        }
    }
}
