//! The keys of the rule format: which there are, where each belongs, and which one a misspelt key may have meant.

/// A map of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The file itself.
    Root,
    /// An element of `descriptors`.
    Descriptor,
    /// `rate_limit`.
    RateLimit,
    /// An element of `rate_limits`.
    RateLimits,
    /// An element of `replaces`.
    Replaces,
    /// `defaults`.
    Defaults,
    /// A file of defaults.
    DefaultsRoot,
    /// An element of `defaults` there.
    DomainDefaults,
}

impl Place {
    /// Its name in messages.
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

    /// In a file of defaults, not one of rules.
    pub(super) const fn is_of_defaults_file(self) -> bool {
        matches!(self, Self::DefaultsRoot | Self::DomainDefaults)
    }
}

macro_rules! keys {
    ($($variant:ident $name:literal $origin:ident [$($place:ident)*];)*) => {
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

            /// The maps it belongs in.
            pub(super) const fn places(self) -> &'static [Place] {
                match self { $(Self::$variant => &[$(Place::$place),*]),* }
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

    /// A key of the reference, which ignores its own keys in a wrong place.
    pub(super) fn is_of_reference(self) -> bool {
        self.origin() == Origin::Reference
    }

    /// The cure for a key with an empty value, if the rules then limit less than they seem to, as when a template has
    /// lost the value. The reference accepts that, too.
    pub(super) fn cure_of_nothing(self) -> Option<&'static str> {
        match self {
            Self::RateLimit => Some("write unit and requests_per_unit"),
            Self::RateLimits => Some("write at least one limit"),
            Self::Descriptors => Some("write at least one"),
            _ => None,
        }
    }

    pub(super) fn belongs_in(self, place: Place) -> bool {
        self.places().contains(&place)
    }
}

/// The keys of a place, as a message lists them.
pub(super) fn accepted(place: Place) -> String {
    let names: Vec<_> = Key::ALL.iter().filter(|key| key.belongs_in(place)).map(|key| key.name()).collect();
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
