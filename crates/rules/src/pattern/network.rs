//! Networks (ranges of addresses that share a prefix, in CIDR notation), and the lookup of the one that contains an
//! address.
//!
//! A request's value is an address, or a network itself: Envoy's `masked_remote_address` sends `10.0.0.1/32` and
//! `2001:db8:1:2::/64`. A rule's network contains it if it contains all of its addresses.
//!
//! An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is treated as the IPv4 address, in rules and in requests.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use limiter::domain::KeyValue;

use crate::node_index::NodeIndex;

/// The length of the longest text of a network: eight groups of IPv6, the last two written as IPv4, and a prefix
/// length.
const MAX_TEXT: usize = "0000:0000:0000:0000:0000:ffff:255.255.255.255/128".len();

/// Parses a request's value as a network; a value without a prefix length is the network of that one address.
pub(crate) fn network(value: &[u8]) -> Option<Network> {
    if value.len() > MAX_TEXT {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}

/// A range of addresses. All bits after its prefix are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Network {
    V4 { bits: u32, length: u8 },
    V6 { bits: u128, length: u8 },
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("it is not an IP address, alone or with a prefix length: write 10.0.0.0/8 or 2001:db8::/32")]
    Address,
    #[error("its prefix length must be a whole number from 0 to {0}")]
    Length(u8),
    #[error("it has bits behind its prefix: write {0}")]
    Behind(Network),
}

impl Network {
    /// The network with this prefix length that contains an address.
    fn around(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Self::V4 { bits: address.to_bits() & mask, length }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self::V6 { bits: address.to_bits() & mask, length }
            }
        }
    }

    /// Whether this network contains all addresses of `other`.
    fn holds(self, other: Self) -> bool {
        self.length() <= other.length() && Self::around(other.first(), self.length()) == self
    }

    fn length(self) -> u8 {
        let (Self::V4 { length, .. } | Self::V6 { length, .. }) = self;
        length
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= most).ok_or(NetworkError::Length(most))?
            }
            Some(_) => return Err(NetworkError::Length(most)),
        };
        let network = Self::around(address, length);
        if network.first() == address {
            Ok(network.canonical())
        } else {
            Err(NetworkError::Behind(network.canonical()))
        }
    }
}

impl Network {
    /// The address, if the network has only one.
    fn single(self) -> Option<IpAddr> {
        let first = self.first();
        let whole = if first.is_ipv4() { 32 } else { 128 };
        (self.length() == whole).then_some(first)
    }

    /// The canonical text, however a request writes it: for IPv6 as in RFC 5952, and for a single address without a
    /// prefix length.
    pub(crate) fn usual(self) -> String {
        self.single().map_or_else(|| self.to_string(), |address| address.to_string())
    }

    /// The representation of the network in a counter's key.
    pub(crate) fn key_value<'a>(self) -> KeyValue<'a> {
        match self.single() {
            Some(address) => KeyValue::Address(address),
            None => KeyValue::Network { first: self.first(), length: self.length() },
        }
    }

    /// The first address.
    fn first(self) -> IpAddr {
        match self {
            Self::V4 { bits, .. } => Ipv4Addr::from_bits(bits).into(),
            Self::V6 { bits, .. } => Ipv6Addr::from_bits(bits).into(),
        }
    }

    /// The IPv4 network, if this is one written as IPv6.
    fn canonical(self) -> Self {
        match (self, self.first().to_canonical()) {
            (Self::V6 { length, .. }, address @ IpAddr::V4(_)) if length >= 96 => Self::around(address, length - 96),
            _ => self,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.length())
    }
}

/// Finds the smallest of many networks that contains an address or a network: one lookup for each prefix length in use.
#[derive(Debug, Default)]
pub(super) struct Networks {
    by_network: HashMap<Network, NodeIndex, foldhash::fast::RandomState>,
    /// The prefix lengths in use, the longest first.
    lengths4: Box<[u8]>,
    lengths6: Box<[u8]>,
}

impl Networks {
    /// The networks must be distinct.
    pub(super) fn new(networks: Vec<(Network, NodeIndex)>) -> Self {
        let lengths = |of: fn(&Network) -> bool| {
            let mut lengths: Vec<u8> =
                networks.iter().filter(|(network, _)| of(network)).map(|(network, _)| network.length()).collect();
            lengths.sort_unstable_by(|one, other| other.cmp(one));
            lengths.dedup();
            lengths.into_boxed_slice()
        };
        let lengths4 = lengths(|network| matches!(network, Network::V4 { .. }));
        let lengths6 = lengths(|network| matches!(network, Network::V6 { .. }));
        Self { by_network: networks.into_iter().collect(), lengths4, lengths6 }
    }

    /// Returns the node of the smallest network that contains `value`, if that is an address or a network.
    pub(super) fn find(&self, value: &[u8]) -> Option<NodeIndex> {
        if self.by_network.is_empty() {
            return None;
        }
        let asked = network(value)?;
        let (first, longest) = (asked.first(), asked.length());
        let lengths = if first.is_ipv4() { &self.lengths4 } else { &self.lengths6 };
        let lengths = lengths.iter().filter(|length| **length <= longest);
        lengths.map(|length| Network::around(first, *length)).find_map(|network| self.by_network.get(&network).copied())
    }

    /// Whether `value` is in a network of this node.
    pub(super) fn holds(&self, node: NodeIndex, value: &[u8]) -> bool {
        let Some(asked) = network(value) else { return false };
        let of_node = self.by_network.iter().filter(|(_, at)| **at == node);
        of_node.clone().any(|(network, _)| network.holds(asked))
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.by_network.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<Network>().map(|network| network.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn networks_are_read_and_written() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:1.2.3.4", "1.2.3.4/32"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(network), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_network_are_rejected_with_the_reason() {
        for text in ["", "10", "10.0.0", "10.0.0.0.0/8", "010.0.0.0/8", "a/8", "/8", "fe80::1%eth0", "10.0.0.0:80"] {
            assert!(read(text).expect_err(text).contains("not an IP address"), "{text}");
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "::/129", "::/-1", "::/256"] {
            assert!(read(text).expect_err(text).contains("prefix length must be"), "{text}");
        }
        assert!(read("10.1.2.3/8").expect_err("bits").ends_with("write 10.0.0.0/8"));
        assert!(read("2001:db8::1/32").expect_err("bits").ends_with("write 2001:db8::/32"));
        assert!(read("::ffff:10.1.0.0/104").expect_err("bits").ends_with("write 10.0.0.0/8"));
    }

    /// The same by definition, bit by bit.
    fn naive(networks: &[Network], asked: Network) -> Option<usize> {
        let address = asked.first();
        let bit = |address: IpAddr, at: u8| match address {
            IpAddr::V4(address) => address.to_bits() >> (31 - at) & 1 == 1,
            IpAddr::V6(address) => address.to_bits() >> (127 - at) & 1 == 1,
        };
        let holds = |network: &Network| {
            network.first().is_ipv4() == address.is_ipv4()
                && network.length() <= asked.length()
                && (0..network.length()).all(|at| bit(network.first(), at) == bit(address, at))
        };
        (0..networks.len()).filter(|at| holds(&networks[*at])).max_by_key(|at| networks[*at].length())
    }

    /// Addresses in which few bits vary, so that networks nest and contain some of the addresses.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let few =
            prop_oneof![Just(0u128), Just(1), Just(1 << 7), Just(1 << 8), Just(1 << 24), Just(1 << 31), Just(1 << 127)];
        (few.clone(), few, any::<bool>()).prop_map(|(one, other, v4)| match v4 {
            true => Ipv4Addr::from_bits((one | other) as u32).into(),
            false => Ipv6Addr::from_bits(one | other).into(),
        })
    }

    #[test]
    fn every_notation_of_an_address_is_read_and_nothing_else() {
        let longest = b"0000:0000:0000:0000:0000:ffff:255.255.255.255/128";
        assert_eq!(longest.len(), MAX_TEXT);
        let usual = |value: &[u8]| network(value).map(Network::usual);
        for (value, wanted) in [
            (&longest[..], "255.255.255.255"),
            (b"0000:0000:0000:0000:0000:ffff:255.255.255.255", "255.255.255.255"),
            (b"10.0.0.1/32", "10.0.0.1"),
            (b"::ffff:a00:1/128", "10.0.0.1"),
            (b"2001:DB8:0:1::1", "2001:db8:0:1::1"),
            (b"2001:DB8:1:2:0::/64", "2001:db8:1:2::/64"),
            (b"10.0.0.0/024", "10.0.0.0/24"),
        ] {
            assert_eq!(usual(value).as_deref(), Some(wanted), "{}", value.escape_ascii());
        }
        let none: [&[u8]; 9] = [
            b"10.0.0.1\xff",
            b"\xff10.0.0.1",
            b"10.0.0.1 ",
            b"",
            &[b'0'; 100],
            b"10.0.0.1/",
            b"10.0.0.1/33",
            b"10.0.0.1/24",
            b"10.0.0.1/-1",
        ];
        for value in none {
            assert_eq!(network(value), None, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_network_is_in_a_network_that_contains_all_of_it() {
        let networks = ["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "2001:db8::/80"];
        let table = Networks::new(networks.map(|text| text.parse().expect(text)).into_iter().zip(0..).collect());
        for (value, wanted) in [
            ("10.1.2.3/32", Some(1)),
            ("10.1.2.0/24", Some(1)),
            ("10.1.0.0/16", Some(1)),
            ("10.0.0.0/15", Some(0)),
            ("10.0.0.0/8", Some(0)),
            ("10.0.0.0/7", None),
            ("0.0.0.0/0", None),
            ("2001:db8::1/128", Some(3)),
            ("2001:db8::/64", Some(2)),
            ("2001:db8::/31", None),
            ("::ffff:10.1.0.0/112", Some(1)),
        ] {
            assert_eq!(table.find(value.as_bytes()), wanted, "{value}");
            for (at, text) in (0..).zip(networks) {
                let held = wanted == Some(at) || (wanted, at) == (Some(1), 0) || (wanted, at) == (Some(3), 2);
                assert_eq!(table.holds(at, value.as_bytes()), held, "{value} in {text}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_longest_prefix_wins(
            networks in proptest::collection::vec((addresses(), 0..=128u8), 0..40),
            asked in proptest::collection::vec((addresses(), any::<bool>(), 0..=160u8), 1..20),
        ) {
            let mut all: Vec<Network> = networks
                .into_iter()
                .map(|(address, length)| Network::around(address, length.min(if address.is_ipv4() { 32 } else { 128 })))
                .collect();
            all.sort_unstable();
            all.dedup();
            let table = Networks::new(all.iter().copied().zip(0..).collect());
            for (address, mapped, length) in asked {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                let network = Network::around(address, length.min(whole));
                let text = match network.first() {
                    IpAddr::V4(first) if mapped => format!("{}/{}", first.to_ipv6_mapped(), network.length() + 96),
                    first if length > whole => first.to_string(),
                    _ => network.to_string(),
                };
                prop_assert_eq!(table.find(text.as_bytes()).map(|at| at as usize), naive(&all, network.canonical()), "{}", text);
            }
        }

        #[test]
        fn what_is_written_is_read_back(address in addresses(), length in 0..=128u8) {
            let network = Network::around(address, length.min(if address.is_ipv4() { 32 } else { 128 })).canonical();
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-f:./%]{0,24}|\\PC{0,16}") {
            let _ = text.parse::<Network>();
        }
    }
}
