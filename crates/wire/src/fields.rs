//! The fields of one header section, validated according to RFC 9113, section 8. Their memory belongs to the worker and
//! is reused for every section.

use std::ops::Range;

use crate::hpack::{self, Field, Header};

/// The size of a field in addition to its bytes (RFC 9113, section 6.5.2).
const OVERHEAD: usize = 32;

/// By how many bytes the fields that the server needs may exceed the list's limit.
const RESERVE: usize = 4096;

/// The fields of a section, in order.
#[derive(Debug, Default)]
pub(crate) struct FieldList {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// As HTTP/2 counts it, including the fields that were dropped.
    size: usize,
    max_size: usize,
    /// Whether a regular field has been read.
    regular: bool,
    method: Option<usize>,
    scheme: Option<usize>,
    authority: Option<usize>,
    path: Option<usize>,
    content_length: Option<u64>,
    fault: Option<&'static str>,
}

#[derive(Debug)]
struct Item {
    header: Header,
    name: Range<usize>,
    value: Range<usize>,
}

impl FieldList {
    /// Clears the list. Of the next section, fields are kept up to this size as HTTP/2 counts it.
    pub(crate) fn clear(&mut self, max_size: usize) {
        self.bytes.clear();
        self.items.clear();
        let (bytes, items) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.items));
        *self = Self { bytes, items, max_size, ..Self::default() };
    }

    /// Releases memory that one large section needed.
    pub(crate) fn shrink(&mut self) {
        const KEPT: usize = 64 << 10;
        if self.bytes.capacity() > KEPT || self.items.capacity() * size_of::<Item>() > KEPT {
            (self.bytes, self.items) = (Vec::new(), Vec::new());
        }
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, field: Field<'_>) {
        let Field { header, name, value } = field;
        self.size = self.size.saturating_add(name.len() + value.len() + OVERHEAD);
        // an index of one byte can refer to a field of 4 KiB: fields that are dropped are not validated either
        if self.fault.is_some() || self.size > self.max_size && !self.has_reserve(header, name.len() + value.len()) {
            return;
        }
        self.check(header, value);
        if self.fault.is_some() {
            return;
        }
        let at = self.items.len();
        match header {
            Header::Method => self.method = Some(at),
            Header::Scheme => self.scheme = Some(at),
            Header::Authority => self.authority = Some(at),
            Header::Path => self.path = Some(at),
            _ => {}
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.items.push(Item { header, name: start..middle, value: middle..self.bytes.len() });
    }

    /// Whether a field is kept although the list's limit is exceeded.
    fn has_reserve(&self, header: Header, length: usize) -> bool {
        let is_needed = !matches!(header, Header::Other);
        is_needed && self.bytes.len() + length <= self.max_size.saturating_add(RESERVE)
    }

    /// Records what makes the section malformed.
    fn check(&mut self, header: Header, value: &[u8]) {
        let fault = match header {
            Header::Method if self.method.is_some() => Some("it has two :method"),
            Header::Scheme if self.scheme.is_some() => Some("it has two :scheme"),
            Header::Authority if self.authority.is_some() => Some("it has two :authority"),
            Header::Path if self.path.is_some() => Some("it has two :path"),
            Header::Path if value.is_empty() => Some("its :path is empty"),
            Header::Method | Header::Scheme | Header::Authority | Header::Path => {
                self.regular.then_some("a pseudo-header follows a regular field")
            }
            Header::Protocol | Header::OtherPseudo => Some("it has a pseudo-header that no request has"),
            Header::ConnectionSpecific => Some("it has a field that is about an HTTP/1 connection"),
            Header::Te if value != b"trailers" => Some("its te is not \"trailers\""),
            Header::Invalid => Some("the name of a field is not one"),
            Header::ContentLength => self.content_length(value),
            Header::Te | Header::ContentType | Header::GrpcTimeout | Header::GrpcEncoding | Header::Other => None,
        };
        if !is_pseudo(header) {
            self.regular = true;
        }
        let fault = fault.or_else(|| (!hpack::is_valid_value(value)).then_some("the value of a field is not one"));
        self.fault = self.fault.or(fault);
    }

    fn content_length(&mut self, value: &[u8]) -> Option<&'static str> {
        let length = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match (length.and_then(|text| text.parse().ok()), self.content_length) {
            (None, _) => Some("its content-length is not a number"),
            (Some(length), Some(other)) if length != other => Some("it has two values of content-length"),
            (length, _) => {
                self.content_length = length;
                None
            }
        }
    }

    /// The size of all fields as HTTP/2 counts it, including the fields that were dropped.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether fields were dropped because there were too many or they were too long.
    pub(crate) fn is_over(&self) -> bool {
        self.size > self.max_size
    }

    /// Why these fields are not a request; `None` if they are.
    pub(crate) fn fault_of_request(&self) -> Option<&'static str> {
        if self.fault.is_some() {
            return self.fault;
        }
        let Some(method) = self.method else { return Some("it has no :method") };
        if self.value(method) == b"CONNECT" {
            return (self.scheme.is_some() || self.path.is_some()).then_some("a CONNECT has a :scheme or a :path");
        }
        match (self.scheme, self.path) {
            (None, _) => Some("it has no :scheme"),
            (_, None) => Some("it has no :path"),
            _ => None,
        }
    }

    /// Why these fields are not trailers; `None` if they are.
    pub(crate) fn fault_of_trailers(&self) -> Option<&'static str> {
        let has_pseudo = self.method.or(self.scheme).or(self.authority).or(self.path).is_some();
        self.fault.or_else(|| has_pseudo.then_some("its trailers have a pseudo-header"))
    }

    /// The value of `content-length`.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.content_length
    }

    fn value(&self, index: usize) -> &[u8] {
        self.items.get(index).map_or(&[], |item| &self.bytes[item.value.clone()])
    }
}

fn is_pseudo(header: Header) -> bool {
    use Header::{Authority, Method, OtherPseudo, Path, Protocol, Scheme};
    matches!(header, Method | Scheme | Authority | Path | Protocol | OtherPseudo)
}

/// The head of a request. It has been validated: names and values contain only allowed characters, and each required
/// pseudo-header is present once.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    list: &'a FieldList,
    is_end: bool,
}

impl<'a> Head<'a> {
    pub(crate) fn new(list: &'a FieldList, is_end: bool) -> Self {
        Self { list, is_end }
    }

    /// `:method`.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.list.method.map_or(&[], |index| self.list.value(index))
    }

    /// `:path` with its query; empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.list.path.map_or(&[], |index| self.list.value(index))
    }

    /// `:authority` as received. HTTP/2 does not validate it, and some clients send names of clusters, for example.
    #[must_use]
    pub fn authority(&self) -> Option<&'a [u8]> {
        self.list.authority.map(|index| self.list.value(index))
    }

    /// Whether the request has no body.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.is_end
    }

    /// Whether fields are missing because the list was too long. Fields with a [`Header`] of their own are always
    /// present.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.list.is_over()
    }

    /// The regular fields in order: kind, name and value.
    pub fn fields(&self) -> impl Iterator<Item = (Header, &'a [u8], &'a [u8])> + use<'a> {
        let list = self.list;
        let regular = list.items.iter().filter(|item| !is_pseudo(item.header));
        regular.map(move |item| (item.header, &list.bytes[item.name.clone()], &list.bytes[item.value.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(max_size: usize, fields: &[(&str, &str)]) -> FieldList {
        let mut list = FieldList::default();
        list.clear(max_size);
        for (name, value) in fields {
            list.push(Field { header: Header::of(name.as_bytes()), name: name.as_bytes(), value: value.as_bytes() });
        }
        list
    }

    const METHOD: (&str, &str) = (":method", "POST");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const PATH: (&str, &str) = (":path", "/s/m");

    #[test]
    fn a_valid_request_is_accepted() {
        let list = list(1000, &[METHOD, SCHEME, PATH, (":authority", "a|b"), ("te", "trailers"), ("x", "")]);
        assert_eq!(list.fault_of_request(), None);
        let head = Head::new(&list, false);
        assert_eq!((head.method(), head.path(), head.authority()), (&b"POST"[..], &b"/s/m"[..], Some(&b"a|b"[..])));
        let fields: Vec<_> = head.fields().collect();
        assert_eq!(fields, [(Header::Te, &b"te"[..], &b"trailers"[..]), (Header::Other, b"x", b"")]);
        assert!(!head.is_truncated());
    }

    #[test]
    fn invalid_requests_are_malformed() {
        let whole = [METHOD, SCHEME, PATH];
        for missing in 0..3 {
            let mut fields = whole.to_vec();
            fields.remove(missing);
            assert!(list(1000, &fields).fault_of_request().is_some_and(|fault| fault.starts_with("it has no :")));
        }
        for added in [
            METHOD,
            SCHEME,
            PATH,
            (":status", "200"),
            (":protocol", "websocket"),
            (":x", ""),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("X-Upper", ""),
            ("", ""),
            ("content-length", "-1"),
            ("content-length", "x"),
            ("x", "a\r\nb"),
        ] {
            let fields = [&whole[..], &[added]].concat();
            assert!(list(1000, &fields).fault_of_request().is_some(), "{added:?}");
        }
        for fields in [
            &[METHOD, SCHEME, ("x", ""), PATH][..],
            &[METHOD, SCHEME, (":path", "")],
            &[METHOD, SCHEME, PATH, (":authority", "a"), (":authority", "a")],
            &[METHOD, SCHEME, PATH, ("content-length", "1"), ("content-length", "2")],
            &[(":method", "CONNECT"), PATH],
        ] {
            assert!(list(1000, fields).fault_of_request().is_some(), "{fields:?}");
        }
        assert_eq!(list(1000, &[(":method", "CONNECT"), (":authority", "a:1")]).fault_of_request(), None);
    }

    #[test]
    fn trailers_have_no_pseudo_headers() {
        assert_eq!(list(1000, &[("x", "y")]).fault_of_trailers(), None);
        for pseudo in [METHOD, SCHEME, PATH, (":authority", "a"), (":status", "200")] {
            assert!(list(1000, &[pseudo]).fault_of_trailers().is_some(), "{pseudo:?}");
        }
    }

    #[test]
    fn a_list_over_its_limit_keeps_the_fields_that_are_needed() {
        let long = "x".repeat(200);
        let mut fields = vec![METHOD, SCHEME, ("a", &long), ("content-type", "application/grpc"), ("b", "1")];
        fields.insert(2, PATH);
        let list = list(250, &fields);
        assert_eq!(list.fault_of_request(), None);
        let head = Head::new(&list, false);
        assert!(head.is_truncated());
        assert_eq!(head.path(), b"/s/m");
        let kept: Vec<_> = head.fields().map(|(header, ..)| header).collect();
        assert_eq!(kept, [Header::ContentType]);
    }

    #[test]
    fn a_header_bomb_is_counted_but_not_kept() {
        let mut list = FieldList::default();
        list.clear(1000);
        for _ in 0..1_000_000 {
            list.push(Field { header: Header::GrpcTimeout, name: b"grpc-timeout", value: b"1S" });
        }
        assert!(list.is_over() && list.bytes.len() <= 1000 + RESERVE);
    }

    /// Beyond the limit, the fields that the server needs are kept and validated; other values are not looked at.
    #[test]
    fn dropped_fields_are_not_validated() {
        let long = "x".repeat(1000);
        let whole = [METHOD, SCHEME, PATH, ("long", &long)];
        for (added, is_fault) in [
            (("x", "a\nb"), false),
            (("x", long.as_str()), false),
            (("te", "gzip"), true),
            (("Upper", ""), true),
            (("connection", "close"), true),
            (PATH, true),
        ] {
            let fields = [&whole[..], &[added]].concat();
            assert_eq!(list(500, &fields).fault_of_request().is_some(), is_fault, "{added:?}");
        }
    }
}
