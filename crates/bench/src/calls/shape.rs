//! What a call carries.

use std::{fmt, num::NonZeroUsize, str::FromStr};

use load::report::format::things;

/// A number of decisions, each with a number of counters. Written `8`, or `1x4` for one decision on four counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) decisions: NonZeroUsize,
    pub(super) counters: NonZeroUsize,
}

impl FromStr for Shape {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "write DECISIONS or DECISIONSxCOUNTERS, such as 64 or 1x4";
        let (decisions, counters) = text.split_once('x').unwrap_or((text, "1"));
        let number = |text: &str| text.parse().map_err(|_| FORM);
        Ok(Self { decisions: number(decisions)?, counters: number(counters)? })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&things(self.decisions.get() as u64, "decision"))?;
        if self.counters.get() > 1 {
            write!(f, " of {} counters", self.counters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_parsed_and_named() {
        for (text, name) in [("1", "1 decision"), ("64", "64 decisions"), ("1x4", "1 decision of 4 counters")] {
            assert_eq!(text.parse::<Shape>().map(|shape| shape.to_string()).as_deref(), Ok(name));
        }
        for text in ["", "0", "x", "1x", "x2", "1x0", "1x2x3", "-1"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }
}
