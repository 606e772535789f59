//! A field, and which of those that a server recognises it is.

/// A field as it is decoded, borrowed for as long as the caller looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which one it is; [`Header::of`] the name.
    pub header: Header,
    /// The name, of any octets.
    pub name: &'a [u8],
    /// The value, of any octets: see [`is_valid_value`].
    pub value: &'a [u8],
}

/// What a name is to a server. A table's entry has it, so an indexed field costs no comparison.
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
    /// A field of HTTP/1's connections, which makes a message malformed (RFC 9113, section 8.2.2).
    ConnectionSpecific,
    /// A name that makes a message malformed: empty, or with octets that RFC 9113, section 8.2.1, excludes.
    Invalid,
    /// Any other name.
    Other,
}

impl Header {
    /// What this name is.
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

/// Whether a value has no NUL, CR or LF, which RFC 9113, section 8.2.1, excludes.
///
/// A space or a tab at either end it excludes as well, and servers let it pass: so do proxies, which carry fields of
/// their clients on, and a call that is refused for one would be a call without a limit.
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
    fn a_value_has_no_nul_and_no_line_ends() {
        for valid in [&b""[..], b"x", b"x y", b"x\ty", b"\x01\x7f\xff", b" ", b"\t", b" x", b"x ", b"\tx", b"x\t"] {
            assert!(is_valid_value(valid), "{}", valid.escape_ascii());
        }
        for invalid in [&b"\0"[..], b"x\0y", b"x\ry", b"x\ny", b"\n", b"x\r"] {
            assert!(!is_valid_value(invalid), "{}", invalid.escape_ascii());
        }
    }
}
