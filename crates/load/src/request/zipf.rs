//! Zipf's law: of n keys, the one of rank k has a probability proportional to 1/k^s.
//!
//! By rejection-inversion (Hörmann and Derflinger, 1996): it needs no table, so a million keys are as fast as ten.

use fastrand::Rng;

/// A distribution over the ranks 1 to n.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Zipf {
    n: f64,
    exponent: f64,
    /// The integral of the hat function at its start and at its end.
    from: f64,
    to: f64,
    /// Values this close to a rank are never rejected.
    sure: f64,
}

impl Zipf {
    /// A distribution over `n` ranks, with an `exponent` above 0.
    pub(crate) fn new(n: u64, exponent: f64) -> Self {
        let n = n as f64;
        Self {
            n,
            exponent,
            from: integral(1.5, exponent) - 1.0,
            to: integral(n + 0.5, exponent),
            sure: 2.0 - inverse(integral(2.5, exponent) - 2f64.powf(-exponent), exponent),
        }
    }

    /// Draws a rank, from 1.
    pub(crate) fn sample(&self, random: &mut Rng) -> u64 {
        loop {
            let area = self.to + random.f64() * (self.from - self.to);
            let x = inverse(area, self.exponent);
            let rank = x.round().clamp(1.0, self.n);
            if rank - x <= self.sure || area >= integral(rank + 0.5, self.exponent) - rank.powf(-self.exponent) {
                return rank as u64;
            }
        }
    }
}

/// The integral of x^-s: (x^(1-s) - 1) / (1-s), and ln x for s = 1.
fn integral(x: f64, exponent: f64) -> f64 {
    let log = x.ln();
    let power = (1.0 - exponent) * log;
    // (e^p - 1) / p, which is near 1 if p is near 0
    let ratio = if power.abs() > 1e-8 { power.exp_m1() / power } else { 1.0 + power / 2.0 };
    ratio * log
}

/// The inverse of [`integral`].
fn inverse(area: f64, exponent: f64) -> f64 {
    let power = (area * (1.0 - exponent)).max(-1.0);
    let ratio = if power.abs() > 1e-8 { power.ln_1p() / power } else { 1.0 - power / 2.0 };
    (ratio * area).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn counts(n: u64, exponent: f64) -> Vec<usize> {
        let mut random = Rng::with_seed(7);
        let zipf = Zipf::new(n, exponent);
        let mut counts = vec![0; n as usize + 1];
        for _ in 0..DRAWS {
            counts[zipf.sample(&mut random) as usize] += 1;
        }
        counts
    }

    /// With a fixed seed: the frequency of each of the first ranks is within 5 % of the expected one, as is that of the
    /// rest.
    #[test]
    fn ranks_have_the_expected_frequencies() {
        for exponent in [0.5, 0.99, 1.0, 1.2, 2.0] {
            let n = 1000;
            let counts = counts(n, exponent);
            assert_eq!(counts[0], 0);
            let weight = |rank: u64| (rank as f64).powf(-exponent);
            let total: f64 = (1..=n).map(weight).sum();
            let due = |ranks: std::ops::RangeInclusive<u64>| DRAWS as f64 * ranks.map(weight).sum::<f64>() / total;
            for (ranks, least) in
                [(1..=1, 1000.0), (2..=2, 1000.0), (3..=10, 1000.0), (11..=100, 0.0), (101..=1000, 0.0)]
            {
                let due = due(ranks.clone());
                let seen: usize = ranks.clone().map(|rank| counts[rank as usize]).sum();
                assert!(due > least);
                assert!((seen as f64 / due - 1.0).abs() < 0.05, "s = {exponent}, {ranks:?}: {seen} of {due:.0}");
            }
        }
    }

    #[test]
    fn the_extreme_parameters_work() {
        assert_eq!(counts(1, 1.0)[1], DRAWS);
        let steep = counts(10, 20.0);
        assert!(steep[1] > DRAWS - 10, "{steep:?}");
        let flat = counts(4, 1e-6);
        assert!(flat[1..].iter().all(|count| count.abs_diff(DRAWS / 4) < DRAWS / 50), "{flat:?}");
    }
}
