//! The extensions that decide what a certificate may be used for.

use der::{Decode as _, Reader as _, Result, SliceReader, Tag, asn1::BitStringRef};

use super::element::content;

/// Object identifiers of id-ce (2.5.29), without tag and length; they differ in the last octet.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

const ANY_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];

/// The most extensions of one certificate. The bound is needed because the search for duplicates is quadratic.
const MAX_EXTENSIONS: usize = 64;

/// Numbers of bits in the key usage.
const DIGITAL_SIGNATURE: usize = 0;
const KEY_CERT_SIGN: usize = 5;

/// What a peer uses its certificate for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Server,
    Client,
}

impl Purpose {
    /// The name of the purpose in error messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server authentication",
            Self::Client => "client authentication",
        }
    }

    /// The object identifier of id-kp (1.3.6.1.5.5.7.3), without tag and length.
    const fn identifier(self) -> &'static [u8] {
        match self {
            Self::Server => &[0x2b, 6, 1, 5, 5, 7, 3, 1],
            Self::Client => &[0x2b, 6, 1, 5, 5, 7, 3, 2],
        }
    }
}

/// The extension `basicConstraints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) is_ca: bool,
    /// The most intermediate authorities between this one and the end entity; `None`: no limit.
    pub(super) path_length: Option<u64>,
}

/// The extensions of a certificate that this crate evaluates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions<'a> {
    pub(super) basic_constraints: Option<BasicConstraints>,
    key_usage: Option<BitStringRef<'a>>,
    /// The sequence of purposes, without the outer tag and length.
    extended_key_usage: Option<&'a [u8]>,
    pub(super) has_name_constraints: bool,
    /// Whether any extension that this crate does not know is critical.
    pub(super) has_unknown_critical: bool,
}

impl<'a> Extensions<'a> {
    /// Reads the content of the field `extensions`. A duplicate is an error, and so are more than [`MAX_EXTENSIONS`].
    pub(super) fn read(field: &'a [u8]) -> Result<Self> {
        let mut extensions = Self::default();
        let mut seen = Vec::new();
        let mut field = SliceReader::new(field)?;
        field.sequence(|all| {
            while !all.is_finished() {
                all.sequence(|one| {
                    let identifier = content(one, Tag::ObjectIdentifier)?;
                    let critical = Tag::peek(one)? == Tag::Boolean && bool::decode(one)?;
                    if seen.len() == MAX_EXTENSIONS || seen.contains(&identifier) {
                        return Err(Tag::Sequence.value_error().into());
                    }
                    seen.push(identifier);
                    extensions.add(identifier, critical, content(one, Tag::OctetString)?)
                })?;
            }
            Ok::<_, der::Error>(())
        })?;
        field.finish()?;
        Ok(extensions)
    }

    fn add(&mut self, identifier: &[u8], critical: bool, value: &'a [u8]) -> Result<()> {
        let mut value = SliceReader::new(value)?;
        match identifier {
            BASIC_CONSTRAINTS => self.basic_constraints = Some(basic_constraints(&mut value)?),
            KEY_USAGE => self.key_usage = Some(BitStringRef::decode(&mut value)?),
            EXTENDED_KEY_USAGE => self.extended_key_usage = Some(content(&mut value, Tag::Sequence)?),
            NAME_CONSTRAINTS => {
                self.has_name_constraints = true;
                return Ok(());
            }
            // known, and so not unsupported if critical: webpki checks the names, and revocation is not checked
            SUBJECT_ALT_NAME | CRL_DISTRIBUTION_POINTS => return Ok(()),
            _ => {
                self.has_unknown_critical |= critical;
                return Ok(());
            }
        }
        value.finish()
    }

    /// Whether the certificate is an authority's (CA:TRUE).
    pub(super) fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.is_ca)
    }

    /// Whether the key may sign certificates: the key usage allows it, or there is none.
    pub(super) fn may_sign_certificates(&self) -> bool {
        self.may(KEY_CERT_SIGN)
    }

    /// Whether the key may sign handshakes: the key usage allows it, or there is none.
    pub(super) fn may_sign_handshakes(&self) -> bool {
        self.may(DIGITAL_SIGNATURE)
    }

    fn may(&self, usage: usize) -> bool {
        self.key_usage.is_none_or(|bits| bits.get(usage).unwrap_or(false))
    }

    /// Whether the certificate may be used for this purpose: its extended key usage names it or allows any purpose, or
    /// there is none.
    pub(super) fn allows(&self, purpose: Purpose) -> Result<bool> {
        let Some(purposes) = self.extended_key_usage else { return Ok(true) };
        let mut purposes = SliceReader::new(purposes)?;
        let mut allowed = false;
        while !purposes.is_finished() {
            let one = content(&mut purposes, Tag::ObjectIdentifier)?;
            allowed |= one == purpose.identifier() || one == ANY_EXTENDED_KEY_USAGE;
        }
        Ok(allowed)
    }
}

fn basic_constraints(value: &mut SliceReader<'_>) -> Result<BasicConstraints> {
    value.sequence(|fields| {
        let is_ca = !fields.is_finished() && Tag::peek(fields)? == Tag::Boolean && bool::decode(fields)?;
        let path_length = if fields.is_finished() { None } else { Some(u64::decode(fields)?) };
        Ok(BasicConstraints { is_ca, path_length })
    })
}
