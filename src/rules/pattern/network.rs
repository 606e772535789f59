//! Networks: ranges of addresses that share a prefix, as `cidr` writes them, and which of many holds an address.
//!
//! An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) is that IPv4 address, in a rule as in a request.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::rules::tree::NodeIndex;

/// The bytes of the longest text of an address: eight groups of IPv6, the last two written as IPv4.
const LONGEST_ADDRESS: usize = "0000:0000:0000:0000:0000:ffff:255.255.255.255".len();

/// The address that a value is; an IPv4 address, if it is one that is written as IPv6. Its text is the usual one: that of
/// RFC 5952 for IPv6.
pub(in crate::rules) fn address(value: &[u8]) -> Option<IpAddr> {
    if value.len() > LONGEST_ADDRESS {
        return None;
    }
    let address: IpAddr = str::from_utf8(value).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// A range of addresses. No bits are set behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::rules) enum Network {
    V4 { bits: u32, length: u8 },
    V6 { bits: u128, length: u8 },
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::rules) enum NetworkError {
    #[error("it is not an IP address, alone or with a prefix length: write 10.0.0.0/8 or 2001:db8::/32")]
    Address,
    #[error("its prefix length must be a whole number from 0 to {0}")]
    Length(u8),
    #[error("it has bits behind its prefix: write {0}")]
    Behind(Network),
}

impl Network {
    /// The network of this prefix length that an address is in.
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

    fn holds(self, address: IpAddr) -> bool {
        self.first().is_ipv4() == address.is_ipv4() && Self::around(address, self.length()) == self
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
    /// Its first address.
    fn first(self) -> IpAddr {
        match self {
            Self::V4 { bits, .. } => Ipv4Addr::from_bits(bits).into(),
            Self::V6 { bits, .. } => Ipv6Addr::from_bits(bits).into(),
        }
    }

    /// The IPv4 network, if it is one that is written as IPv6.
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

/// Finds the smallest of many networks that holds an address: one look for each length that occurs.
#[derive(Debug, Default)]
pub(super) struct Networks {
    by_network: HashMap<Network, NodeIndex, foldhash::fast::RandomState>,
    /// The lengths that occur, the longest first.
    lengths4: Box<[u8]>,
    lengths6: Box<[u8]>,
}

impl Networks {
    /// No network may be there twice.
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

    /// The node of the longest prefix that `value`, if it is an address, begins with.
    pub(super) fn find(&self, value: &[u8]) -> Option<NodeIndex> {
        if self.by_network.is_empty() {
            return None;
        }
        let address = address(value)?;
        let lengths = if address.is_ipv4() { &self.lengths4 } else { &self.lengths6 };
        lengths.iter().find_map(|length| self.by_network.get(&Network::around(address, *length)).copied())
    }

    /// Whether `value` lies in a network of this node.
    pub(super) fn holds(&self, node: NodeIndex, value: &[u8]) -> bool {
        let Some(address) = address(value) else { return false };
        let of_node = self.by_network.iter().filter(|(_, at)| **at == node);
        of_node.clone().any(|(network, _)| network.holds(address))
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
    fn what_is_none_says_why() {
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

    /// The definition, bit by bit.
    fn naive(networks: &[Network], address: IpAddr) -> Option<usize> {
        let bit = |address: IpAddr, at: u8| match address {
            IpAddr::V4(address) => address.to_bits() >> (31 - at) & 1 == 1,
            IpAddr::V6(address) => address.to_bits() >> (127 - at) & 1 == 1,
        };
        let holds = |network: &Network| {
            network.first().is_ipv4() == address.is_ipv4()
                && (0..network.length()).all(|at| bit(network.first(), at) == bit(address, at))
        };
        (0..networks.len()).filter(|at| holds(&networks[*at])).max_by_key(|at| networks[*at].length())
    }

    /// Few bits vary, so that networks nest and addresses fall into them.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let few =
            prop_oneof![Just(0u128), Just(1), Just(1 << 7), Just(1 << 8), Just(1 << 24), Just(1 << 31), Just(1 << 127)];
        (few.clone(), few, any::<bool>()).prop_map(|(one, other, v4)| match v4 {
            true => Ipv4Addr::from_bits((one | other) as u32).into(),
            false => Ipv6Addr::from_bits(one | other).into(),
        })
    }

    #[test]
    fn every_way_to_write_an_address_is_read_and_no_other_byte() {
        let longest = b"0000:0000:0000:0000:0000:ffff:255.255.255.255";
        assert_eq!(longest.len(), LONGEST_ADDRESS);
        assert_eq!(address(longest), Some(Ipv4Addr::BROADCAST.into()));
        for value in [&b"10.0.0.1\xff"[..], b"\xff10.0.0.1", b"10.0.0.1 ", b"", &[b'0'; 100]] {
            assert_eq!(address(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn the_longest_prefix_wins(
            networks in proptest::collection::vec((addresses(), 0..=128u8), 0..40),
            asked in proptest::collection::vec((addresses(), any::<bool>()), 1..20),
        ) {
            let mut all: Vec<Network> = networks
                .into_iter()
                .map(|(address, length)| Network::around(address, length.min(if address.is_ipv4() { 32 } else { 128 })))
                .collect();
            all.sort_unstable();
            all.dedup();
            let table = Networks::new(all.iter().copied().zip(0..).collect());
            for (address, mapped) in asked {
                let text = match address {
                    IpAddr::V4(address) if mapped => address.to_ipv6_mapped().to_string(),
                    address => address.to_string(),
                };
                prop_assert_eq!(table.find(text.as_bytes()).map(|at| at as usize), naive(&all, address), "{}", text);
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
