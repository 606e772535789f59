//! Numbers as decimal text, without allocation.

/// The largest number of digits of a `u64`.
const MAX_DIGITS: usize = 20;

/// A number as decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; MAX_DIGITS],
    first: usize,
}

impl Decimal {
    /// The digits of `number`, without leading zeros.
    #[must_use]
    #[inline]
    pub fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; MAX_DIGITS];
        let mut first = MAX_DIGITS;
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, first };
            }
        }
    }

    /// The digits as ASCII text.
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
        let powers = (0..MAX_DIGITS as u32).flat_map(|exponent| {
            let power = 10_u64.pow(exponent);
            [power - 1, power, power + 1]
        });
        for number in powers.chain([u64::MAX - 1, u64::MAX]) {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
