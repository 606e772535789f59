//! The keys of the rule format: which exist, where each belongs, and which of them a misspelt key may mean.

/// A kind of map in the format, by which keys belong in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapKind {
    /// The top level of a rule file.
    Root,
    /// An element of `descriptors`.
    Descriptor,
    /// `rate_limit`.
    RateLimit,
    /// An element of `rate_limits`.
    RateLimits,
    /// An element of `replaces`.
    Replaces,
    /// `defaults` in a rule file.
    Defaults,
    /// The top level of a file of defaults.
    DefaultsRoot,
    /// An element of `defaults` in a file of defaults.
    DomainDefaults,
}

impl MapKind {
    /// The name used in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "the top of the file",
            Self::Descriptor => "a descriptor",
            Self::RateLimit => "rate_limit",
            Self::RateLimits => "an element of rate_limits",
            Self::Replaces => "an element of replaces",
            Self::Defaults => "defaults",
            Self::DefaultsRoot => "the top of a file of defaults",
            Self::DomainDefaults => "an element of defaults",
        }
    }

    /// Whether it occurs in files of defaults, not in rule files.
    pub(super) const fn is_of_defaults_file(self) -> bool {
        matches!(self, Self::DefaultsRoot | Self::DomainDefaults)
    }
}

macro_rules! keys {
    ($($variant:ident $name:literal $origin:ident [$($map_kind:ident)*];)*) => {
        /// A known key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::enum_variant_names)] // one of the keys is called `key`
        pub(super) enum Key { $($variant),* }

        impl Key {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            const fn origin(self) -> Origin {
                match self { $(Self::$variant => Origin::$origin),* }
            }

            /// The maps that it belongs in.
            pub(super) const fn map_kinds(self) -> &'static [MapKind] {
                match self { $(Self::$variant => &[$(MapKind::$map_kind),*]),* }
            }
        }
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Reference,
    Ours,
}

keys! {
    Domain "domain" Reference [Root DomainDefaults];
    Descriptors "descriptors" Reference [Root Descriptor];
    Key "key" Reference [Descriptor];
    Value "value" Reference [Descriptor];
    Values "values" Ours [Descriptor];
    Cidr "cidr" Ours [Descriptor];
    Regex "regex" Ours [Descriptor];
    RateLimit "rate_limit" Reference [Descriptor];
    RateLimits "rate_limits" Ours [Descriptor];
    Unit "unit" Reference [RateLimit RateLimits];
    RequestsPerUnit "requests_per_unit" Reference [RateLimit RateLimits];
    Unlimited "unlimited" Reference [RateLimit];
    // on a descriptor only beside rate_limits
    Name "name" Reference [RateLimit Replaces Descriptor];
    Replaces "replaces" Reference [RateLimit Descriptor];
    ShadowMode "shadow_mode" Reference [Descriptor];
    QuotaMode "quota_mode" Reference [Descriptor];
    DetailedMetric "detailed_metric" Reference [Descriptor];
    ValueToMetric "value_to_metric" Reference [Descriptor];
    ShareThreshold "share_threshold" Reference [Descriptor];
    Metadata "metadata" Reference [Descriptor];
    Algorithm "algorithm" Ours [RateLimit RateLimits Defaults DomainDefaults];
    Burst "burst" Ours [RateLimit RateLimits Defaults DomainDefaults];
    UnitMultiplier "unit_multiplier" Ours [RateLimit RateLimits Defaults];
    CountDenied "count_denied" Ours [RateLimit RateLimits Defaults DomainDefaults];
    Calendar "calendar" Ours [RateLimit RateLimits];
    TimeZone "time_zone" Ours [RateLimit RateLimits];
    // on a descriptor only beside rate_limits
    OnStoreFailure "on_store_failure" Ours [RateLimit Defaults Root Descriptor DomainDefaults];
    OnUnknown "on_unknown" Ours [Root DomainDefaults];
    Atomic "atomic" Ours [Root DomainDefaults];
    Defaults "defaults" Ours [Root DefaultsRoot];
}

impl Key {
    pub(super) const COUNT: usize = Self::ALL.len();

    /// The key with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Whether the reference knows this key too. The reference ignores its own keys in a wrong map.
    pub(super) fn is_of_reference(self) -> bool {
        self.origin() == Origin::Reference
    }

    /// What to write, for a key whose empty value means fewer limits than the author probably intended, for example
    /// because a template lost the value. The reference accepts this too.
    pub(super) fn cure_if_empty(self) -> Option<&'static str> {
        match self {
            Self::RateLimit => Some("write unit and requests_per_unit"),
            Self::RateLimits => Some("write at least one limit"),
            Self::Descriptors => Some("write at least one"),
            _ => None,
        }
    }

    pub(super) fn belongs_in(self, map_kind: MapKind) -> bool {
        self.map_kinds().contains(&map_kind)
    }
}

/// The keys of a map, as a message lists them.
pub(super) fn accepted(map_kind: MapKind) -> String {
    let names: Vec<_> = Key::ALL.iter().filter(|key| key.belongs_in(map_kind)).map(|key| key.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use limiter::domain::likely;

    #[test]
    fn misspelt_keys_find_theirs() {
        let names = || Key::ALL.iter().map(|key| key.name());
        for (misspelt, meant) in [
            ("ratelimit", "rate_limit"),
            ("rateLimit", "rate_limit"),
            ("request_per_unit", "requests_per_unit"),
            ("requests-per-unit", "requests_per_unit"),
            ("uint", "unit"),
            ("descriptor", "descriptors"),
            ("vlaue", "value"),
            ("shadow", "shadow_mode"),
        ] {
            assert_eq!(likely(misspelt, names()), Some(meant), "{misspelt}");
        }
        assert_eq!(likely("completely_different", names()), None);
        assert_eq!(likely(&"x".repeat(1 << 20), names()), None);
    }
}
