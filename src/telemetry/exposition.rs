//! The rules' own series as text: for Prometheus, and for the `/stats` page.
//!
//! Written here and not by the registry: the series of one family differ in their labels, and a million rules are
//! given out piece by piece.

use std::{fmt::Write, sync::Arc};

use super::redis::RedisBreaker;
use crate::engine::stats::{Figure, Labels, Series, StatsTable};

/// A piece is given out once it is this long, in bytes.
const PIECE: usize = 64 * 1024;

const fn help(figure: Figure) -> &'static str {
    match figure {
        Figure::TotalHits => "Hits on the rule.",
        Figure::WithinLimit => "Hits of requests that were within the limit.",
        Figure::NearLimit => "Hits between the near threshold (NEAR_LIMIT_RATIO) and the limit.",
        Figure::OverLimit => "Hits above the limit.",
        Figure::OverLimitWithLocalCache => "Hits above the limit that the deny cache answered.",
        Figure::ShadowMode => "Hits above the limit that passed because the rule is in shadow mode.",
    }
}

/// The rule families in Prometheus' text format, in pieces.
#[derive(Debug)]
pub(super) struct RuleFamilies {
    series: Vec<Arc<Series>>,
    figure: usize,
    next: usize,
}

impl RuleFamilies {
    pub(super) fn new(table: &StatsTable) -> Self {
        let series = table.series();
        // A family without series is left out.
        let figure = if series.is_empty() { Figure::ALL.len() } else { 0 };
        Self { series, figure, next: 0 }
    }
}

impl Iterator for RuleFamilies {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while let Some(&figure) = Figure::ALL.get(self.figure) {
            let name = figure.name();
            if self.next == 0 {
                line(&mut piece, format_args!("# HELP ratelimit_service_rate_limit_{name} {}", help(figure)));
                line(&mut piece, format_args!("# TYPE ratelimit_service_rate_limit_{name} counter"));
            }
            for series in &self.series[self.next..] {
                piece.push_str("ratelimit_service_rate_limit_");
                piece.push_str(name);
                push_labels(&mut piece, series.labels());
                line(&mut piece, format_args!(" {}", series.get(figure)));
                self.next += 1;
                if piece.len() >= PIECE {
                    break;
                }
            }
            if self.next == self.series.len() {
                (self.figure, self.next) = (self.figure + 1, 0);
            }
            if piece.len() >= PIECE {
                break;
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

fn push_labels(text: &mut String, labels: Labels<'_>) {
    let Labels { domain, key1, key2, key3, .. } = labels;
    let mut before = '{';
    let named = [("domain", Some(domain)), ("key1", Some(key1)), ("key2", key2), ("key3", key3)];
    for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        text.push(before);
        text.push_str(name);
        text.push_str("=\"");
        push_escaped(text, value);
        text.push('"');
        before = ',';
    }
    text.push('}');
}

fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// The rules' figures as the reference's `/stats` page names them, `name: value` lines in pieces, sorted by rule.
/// Rules whose joined names are equal show as one. Domains without rules follow, then the breakers, by name.
#[derive(Debug)]
pub struct StatsPage {
    series: std::iter::Peekable<std::vec::IntoIter<Arc<Series>>>,
    domains_not_found: Vec<(Arc<str>, u64)>,
    breakers: Vec<RedisBreaker>,
}

impl StatsPage {
    pub(super) fn new(table: &StatsTable, mut breakers: Vec<RedisBreaker>) -> Self {
        breakers.sort_unstable_by(|a, b| (a.redis, &a.address).cmp(&(b.redis, &b.address)));
        let mut series = table.series();
        series.sort_unstable_by(|a, b| joined(a.labels()).cmp(joined(b.labels())));
        let mut domains_not_found = table.stats().domains_not_found();
        domains_not_found.sort_unstable();
        Self { series: series.into_iter().peekable(), domains_not_found, breakers }
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
        for RedisBreaker { redis, address, state, opened } in std::mem::take(&mut self.breakers) {
            line(&mut piece, format_args!("tollgate.redis.breaker.{redis}.{address}.opened: {opened}"));
            line(&mut piece, format_args!("tollgate.redis.breaker.{redis}.{address}.state.{}: 1", state.name()));
        }
        (!piece.is_empty()).then_some(piece)
    }
}

fn joined(labels: Labels<'_>) -> impl Iterator<Item = u8> {
    labels.domain.bytes().chain(*b".").chain(labels.levels.bytes())
}

/// Whatever values are in a name, it takes one line.
fn one_line(name: String) -> String {
    if name.contains(['\n', '\r']) { name.replace(['\n', '\r'], "_") } else { name }
}
