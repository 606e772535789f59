//! The rules' figures on the `/stats` page, with the reference's names.

use std::{fmt::Write as _, iter::Peekable, sync::Arc, vec};

use metrics::PIECE;

use super::{Figure, Labels, Series, StatsTable};

/// Lines of `name: value` in pieces, sorted by rule. Rules whose joined names are equal are merged. Domains without
/// rules follow.
#[derive(Debug)]
pub struct StatsPage {
    series: Peekable<vec::IntoIter<Arc<Series>>>,
    domains_not_found: Vec<(Arc<str>, u64)>,
}

impl StatsPage {
    /// The page of all series with hits.
    #[must_use]
    pub fn new(table: &StatsTable) -> Self {
        let mut series = table.series();
        series.sort_unstable_by(|a, b| joined(a.labels()).cmp(joined(b.labels())));
        let mut domains_not_found = table.stats().domains_not_found();
        domains_not_found.sort_unstable();
        Self { series: series.into_iter().peekable(), domains_not_found }
    }
}

impl Iterator for StatsPage {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while let Some(first) = self.series.next() {
            let mut figures = Figure::ALL.map(|figure| (figure.name(), first.get(figure)));
            while let Some(same) = self.series.next_if(|next| joined(next.labels()).eq(joined(first.labels()))) {
                for (sum, figure) in figures.iter_mut().zip(Figure::ALL) {
                    sum.1 += same.get(figure);
                }
            }
            figures.sort_unstable();
            let Labels { domain, levels, .. } = first.labels();
            let rule = one_line(format!("{domain}.{levels}"));
            for (name, value) in figures {
                line(&mut piece, format_args!("ratelimit.service.rate_limit.{rule}.{name}: {value}"));
            }
            if piece.len() >= PIECE {
                return Some(piece);
            }
        }
        for (domain, count) in std::mem::take(&mut self.domains_not_found) {
            let domain = one_line(domain.to_string());
            line(&mut piece, format_args!("ratelimit.service.rate_limit.{domain}.domain_not_found: {count}"));
        }
        (!piece.is_empty()).then_some(piece)
    }
}

fn joined(labels: Labels<'_>) -> impl Iterator<Item = u8> {
    labels.domain.bytes().chain(*b".").chain(labels.levels.bytes())
}

/// The name without line breaks, which values of a request may contain.
fn one_line(name: String) -> String {
    if name.contains(['\n', '\r']) { name.replace(['\n', '\r'], "_") } else { name }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // writing to a string cannot fail
    let _ = writeln!(text, "{content}");
}
