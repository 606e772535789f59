//! Numbers as decimal text, without an allocation.

/// The most digits that a `u64` has.
const MOST: usize = 20;

/// A number's decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; MOST],
    first: usize,
}

impl Decimal {
    /// The digits of `number`, without leading zeros.
    #[must_use]
    #[inline]
    pub fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; MOST];
        let mut first = MOST;
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, first };
            }
        }
    }

    /// The text; ASCII.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.first..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_as_it_is_displayed() {
        let powers = (0..MOST as u32).flat_map(|exponent| {
            let power = 10_u64.pow(exponent);
            [power - 1, power, power + 1]
        });
        for number in powers.chain([u64::MAX - 1, u64::MAX]) {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
