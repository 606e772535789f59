//! Fields, and the kinds of fields that a server needs to recognise.

/// A decoded field, borrowed from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The kind; equal to [`Header::of`] the name.
    pub header: Header,
    /// The name; not validated.
    pub name: &'a [u8],
    /// The value; not validated, see [`is_valid_value`].
    pub value: &'a [u8],
}

/// The kind of a field, by its name. Table entries store it, so an indexed field needs no comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `:method`
    Method,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`
    Path,
    /// `:protocol` (RFC 8441)
    Protocol,
    /// Any other name that begins with a colon.
    OtherPseudo,
    /// `content-type`
    ContentType,
    /// `content-length`
    ContentLength,
    /// `te`
    Te,
    /// `grpc-timeout`
    GrpcTimeout,
    /// `grpc-encoding`
    GrpcEncoding,
    /// A connection-specific field of HTTP/1, which makes a message malformed (RFC 9113, section 8.2.2).
    ConnectionSpecific,
    /// A name that makes a message malformed: empty, or with octets that RFC 9113, section 8.2.1, forbids.
    Invalid,
    /// Any other name.
    Other,
}

impl Header {
    /// The kind of a name.
    #[must_use]
    pub const fn of(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            [b':', ..] => Self::OtherPseudo,
            b"content-type" => Self::ContentType,
            b"content-length" => Self::ContentLength,
            b"te" => Self::Te,
            b"grpc-timeout" => Self::GrpcTimeout,
            b"grpc-encoding" => Self::GrpcEncoding,
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                Self::ConnectionSpecific
            }
            _ if is_valid_name(name) => Self::Other,
            _ => Self::Invalid,
        }
    }
}

const fn is_valid_name(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if matches!(name[at], 0..=b' ' | b':' | b'A'..=b'Z' | 0x7f..) {
            return false;
        }
        at += 1;
    }
    !name.is_empty()
}

/// Whether a value contains no NUL, CR or LF, which RFC 9113, section 8.2.1, forbids.
///
/// The RFC also forbids a space or tab at either end, but servers accept it. Proxies do so too, and forward such fields
/// of their clients; rejecting a call because of one would leave it without a limit.
#[must_use]
pub fn is_valid_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised() {
        for (name, header) in [
            (&b":method"[..], Header::Method),
            (b":scheme", Header::Scheme),
            (b":authority", Header::Authority),
            (b":path", Header::Path),
            (b":protocol", Header::Protocol),
            (b":status", Header::OtherPseudo),
            (b":", Header::OtherPseudo),
            (b"::path", Header::OtherPseudo),
            (b"content-type", Header::ContentType),
            (b"content-length", Header::ContentLength),
            (b"te", Header::Te),
            (b"grpc-timeout", Header::GrpcTimeout),
            (b"grpc-encoding", Header::GrpcEncoding),
            (b"connection", Header::ConnectionSpecific),
            (b"keep-alive", Header::ConnectionSpecific),
            (b"proxy-connection", Header::ConnectionSpecific),
            (b"transfer-encoding", Header::ConnectionSpecific),
            (b"upgrade", Header::ConnectionSpecific),
            (b"x-request-id", Header::Other),
            (b"!#$%&'*+-.^_`|~", Header::Other),
            (b"", Header::Invalid),
            (b"Te", Header::Invalid),
            (b"x y", Header::Invalid),
            (b"x:y", Header::Invalid),
        ] {
            assert_eq!(Header::of(name), header, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_name_has_visible_octets_without_upper_case_and_colons() {
        for byte in 0..=255_u8 {
            let valid = (0x21..=0x7e).contains(&byte) && !byte.is_ascii_uppercase() && byte != b':';
            let header = if valid { Header::Other } else { Header::Invalid };
            assert_eq!(Header::of(&[b'x', byte]), header, "{byte:#x}");
        }
    }

    #[test]
    fn a_value_has_no_nul_and_no_line_break() {
        for valid in [&b""[..], b"x", b"x y", b"x\ty", b"\x01\x7f\xff", b" ", b"\t", b" x", b"x ", b"\tx", b"x\t"] {
            assert!(is_valid_value(valid), "{}", valid.escape_ascii());
        }
        for invalid in [&b"\0"[..], b"x\0y", b"x\ry", b"x\ny", b"\n", b"x\r"] {
            assert!(!is_valid_value(invalid), "{}", invalid.escape_ascii());
        }
    }
}
