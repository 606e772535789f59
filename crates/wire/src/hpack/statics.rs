//! The static table (RFC 7541, appendix A).

use super::field::{Field, Header};

/// The number of entries; a larger index refers to the dynamic table.
pub(super) const LENGTH: usize = TABLE.len();

/// The entries, by index minus one.
pub(super) static TABLE: [Field<'static>; 61] = [
    field(":authority", ""),
    field(":method", "GET"),
    field(":method", "POST"),
    field(":path", "/"),
    field(":path", "/index.html"),
    field(":scheme", "http"),
    field(":scheme", "https"),
    field(":status", "200"),
    field(":status", "204"),
    field(":status", "206"),
    field(":status", "304"),
    field(":status", "400"),
    field(":status", "404"),
    field(":status", "500"),
    field("accept-charset", ""),
    field("accept-encoding", "gzip, deflate"),
    field("accept-language", ""),
    field("accept-ranges", ""),
    field("accept", ""),
    field("access-control-allow-origin", ""),
    field("age", ""),
    field("allow", ""),
    field("authorization", ""),
    field("cache-control", ""),
    field("content-disposition", ""),
    field("content-encoding", ""),
    field("content-language", ""),
    field("content-length", ""),
    field("content-location", ""),
    field("content-range", ""),
    field("content-type", ""),
    field("cookie", ""),
    field("date", ""),
    field("etag", ""),
    field("expect", ""),
    field("expires", ""),
    field("from", ""),
    field("host", ""),
    field("if-match", ""),
    field("if-modified-since", ""),
    field("if-none-match", ""),
    field("if-range", ""),
    field("if-unmodified-since", ""),
    field("last-modified", ""),
    field("link", ""),
    field("location", ""),
    field("max-forwards", ""),
    field("proxy-authenticate", ""),
    field("proxy-authorization", ""),
    field("range", ""),
    field("referer", ""),
    field("refresh", ""),
    field("retry-after", ""),
    field("server", ""),
    field("set-cookie", ""),
    field("strict-transport-security", ""),
    field("transfer-encoding", ""),
    field("user-agent", ""),
    field("vary", ""),
    field("via", ""),
    field("www-authenticate", ""),
];

const fn field(name: &'static str, value: &'static str) -> Field<'static> {
    Field { header: Header::of(name.as_bytes()), name: name.as_bytes(), value: value.as_bytes() }
}

/// The result of a lookup in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The entry with this index has the same name and value.
    Field(usize),
    /// The entry with this index has the same name.
    Name(usize),
    /// No entry has this name.
    Nothing,
}

/// Finds the entry that matches a field best.
pub(super) fn find(name: &[u8], value: &[u8]) -> Found {
    let mut found = Found::Nothing;
    for (at, entry) in TABLE.iter().enumerate().filter(|(_, entry)| entry.name == name) {
        if entry.value == value {
            return Found::Field(at + 1);
        }
        if found == Found::Nothing {
            found = Found::Name(at + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found() {
        for (at, entry) in TABLE.iter().enumerate() {
            assert_eq!(find(entry.name, entry.value), Found::Field(at + 1));
            let first = TABLE.iter().position(|other| other.name == entry.name).expect("it is there");
            assert_eq!(find(entry.name, b"another"), Found::Name(first + 1));
        }
        assert_eq!(find(b"grpc-status", b"0"), Found::Nothing);
    }
}
