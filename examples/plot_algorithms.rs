//! Draws the figures of `docs/algorithms.md` by running the algorithms themselves.
//! `cargo run --example plot_algorithms` writes them to `docs/figures`; a test compares them.

use std::{fmt::Write as _, path::Path};

use limiter::{
    algorithm::{self, Step},
    domain::{Algorithm, Charge, Limit, Timestamp, Unit},
};

const L: u64 = 100;
/// Seconds that a figure spans; a minute's window begins at 60 and at 120.
const SPAN: usize = 180;
const COLOURS: [&str; 3] = ["#c0392b", "#2471a3", "#1e8449"];
const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;

struct Series {
    name: String,
    colour: &'static str,
    /// (seconds, requests)
    points: Vec<(f64, f64)>,
}

struct Panel<'a> {
    title: &'a str,
    y_label: &'a str,
    y_max: f64,
    y_step: f64,
    height: f64,
    limit: Option<(f64, &'a str)>,
    series: &'a [Series],
    legend: bool,
    x_label: bool,
}

fn limit(algorithm: Algorithm, burst: Option<u64>) -> Limit {
    Limit::new(algorithm, L, Unit::Minute.into(), burst, None).expect("the figures' limits are valid")
}

/// The number of requests admitted in each tenth of a second, with two arriving in each from second `from` on.
fn admitted(limit: &Limit, from: usize) -> Vec<f64> {
    let mut state = None;
    let mut tenths = vec![0.0; SPAN * 10];
    for (tenth, count) in tenths.iter_mut().enumerate().skip(from * 10) {
        for half in 0..2 {
            let now = Timestamp::from_micros(tenth as u64 * 100_000 + half * 50_000);
            let Step { next, verdict } = algorithm::step(state, limit, now, Charge::Take(1));
            state = next.or(state);
            *count += verdict.granted as f64;
        }
    }
    tenths
}

fn series(name: String, colour: &'static str, values: impl Iterator<Item = f64>) -> Series {
    let mut points: Vec<(f64, f64)> =
        values.enumerate().map(|(tenth, value)| ((tenth + 1) as f64 / 10.0, value)).collect();
    // the inner points of a horizontal line are redundant
    let all = points.clone();
    let is_inner = |at: usize| at > 0 && at + 1 < all.len() && all[at - 1].1 == all[at].1 && all[at].1 == all[at + 1].1;
    let mut at = 0;
    points.retain(|_| {
        at += 1;
        !is_inner(at - 1)
    });
    Series { name, colour, points }
}

/// The sums over the minute that ends at each tenth of a second.
fn trailing_minute(tenths: &[f64]) -> impl Iterator<Item = f64> + '_ {
    (0..tenths.len()).map(|end| tenths[end.saturating_sub(599)..=end].iter().sum())
}

/// The sums over the second that each tenth belongs to.
fn each_second(tenths: &[f64]) -> impl Iterator<Item = f64> + '_ {
    tenths.chunks(10).flat_map(|second| std::iter::repeat_n(second.iter().sum(), 10))
}

fn cumulative(tenths: &[f64]) -> impl Iterator<Item = f64> + '_ {
    tenths.iter().scan(0.0, |sum, count| {
        *sum += count;
        Some(*sum)
    })
}

fn draw(svg: &mut String, top: f64, panel: &Panel<'_>) -> std::fmt::Result {
    let (right, bottom) = (WIDTH - RIGHT, top + panel.height);
    let x = |seconds: f64| LEFT + seconds / SPAN as f64 * (right - LEFT);
    let y = |value: f64| bottom - value / panel.y_max * panel.height;
    writeln!(svg, r#"<text x="{LEFT}" y="{:.1}" font-weight="bold">{}</text>"#, top - 10.0, panel.title)?;
    let steps = (panel.y_max / panel.y_step).round() as usize;
    for value in (0..=steps).map(|step| step as f64 * panel.y_step) {
        let at = y(value);
        writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#ddd"/>"##)?;
        writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#, LEFT - 6.0, at + 4.0)?;
    }
    for seconds in (0..=SPAN).step_by(20) {
        let at = x(seconds as f64);
        writeln!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{seconds}</text>"#, bottom + 16.0)?;
    }
    for boundary in [60.0, 120.0] {
        let at = x(boundary);
        writeln!(svg, r##"<path d="M{at:.1} {top:.1}V{bottom:.1}" stroke="#888" stroke-dasharray="2 3"/>"##)?;
    }
    let middle = top + panel.height / 2.0;
    writeln!(
        svg,
        r#"<text transform="translate(18 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
        panel.y_label
    )?;
    if panel.x_label {
        let (centre, below) = ((LEFT + right) / 2.0, bottom + 34.0);
        writeln!(
            svg,
            r#"<text x="{centre:.1}" y="{below:.1}" text-anchor="middle">seconds (dotted: a minute's window begins)</text>"#
        )?;
    }
    for one in panel.series {
        let path: Vec<String> =
            one.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
        writeln!(svg, r#"<path d="M{}" fill="none" stroke="{}" stroke-width="2"/>"#, path.join("L"), one.colour)?;
    }
    if let Some((value, label)) = panel.limit {
        let at = y(value);
        writeln!(
            svg,
            r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#000" stroke-width="1.5" stroke-dasharray="7 4"/>"##
        )?;
        writeln!(svg, r#"<text x="{}" y="{:.1}">{label}</text>"#, LEFT + 6.0, at - 5.0)?;
    }
    for (row, one) in panel.series.iter().enumerate().filter(|_| panel.legend) {
        let at = top + 14.0 + row as f64 * 18.0;
        let (from, to, text) = (LEFT + 10.0, LEFT + 34.0, LEFT + 40.0);
        writeln!(svg, r#"<path d="M{from} {at:.1}H{to}" stroke="{}" stroke-width="3"/>"#, one.colour)?;
        writeln!(svg, r#"<text x="{text}" y="{:.1}">{}</text>"#, at + 4.0, one.name)?;
    }
    Ok(())
}

fn picture(panels: &[Panel<'_>]) -> String {
    const ABOVE: f64 = 32.0;
    const BELOW: f64 = 26.0;
    let height: f64 = panels.iter().map(|panel| ABOVE + panel.height + BELOW).sum::<f64>() + 18.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut top = 0.0;
    for panel in panels {
        draw(&mut svg, top + ABOVE, panel).expect("a string takes everything");
        top += ABOVE + panel.height + BELOW;
    }
    svg.push_str("</svg>\n");
    svg
}

/// The figures, each as file name and content.
pub fn figures() -> Vec<(&'static str, String)> {
    let runs: Vec<(Algorithm, Vec<f64>)> =
        Algorithm::ALL.into_iter().map(|algorithm| (algorithm, admitted(&limit(algorithm, None), 50))).collect();
    let lines = |of: fn(&[f64]) -> Vec<f64>| -> Vec<Series> {
        let named = runs.iter().zip(COLOURS);
        named
            .map(|((algorithm, tenths), colour)| series(algorithm.to_string(), colour, of(tenths).into_iter()))
            .collect()
    };
    let trailing = lines(|tenths| trailing_minute(tenths).collect());
    let boundary = Panel {
        title: "Admitted in the past minute (limit 100 a minute; 20 a second come from second 50 on)",
        y_label: "admitted in the past 60 s",
        y_max: 250.0,
        y_step: 50.0,
        height: 300.0,
        limit: Some((L as f64, "limit: 100 a minute")),
        series: &trailing,
        legend: true,
        x_label: true,
    };
    let seconds = lines(|tenths| each_second(tenths).collect());
    let titles = ["fixed_window: admitted in each second (same traffic)", "sliding_window", "token_bucket (burst 100)"];
    let panels: Vec<Panel<'_>> = titles
        .into_iter()
        .zip(seconds.chunks(1))
        .enumerate()
        .map(|(row, (title, series))| Panel {
            title,
            y_label: "per second",
            y_max: 20.0,
            y_step: 5.0,
            height: 110.0,
            limit: Some((L as f64 / 60.0, "spread evenly: 1.67/s")),
            series,
            legend: false,
            x_label: row == 2,
        })
        .collect();
    let bursts: Vec<Series> = [10, 50, 100]
        .into_iter()
        .zip(COLOURS)
        .map(|(burst, colour)| {
            let tenths = admitted(&limit(Algorithm::TokenBucket, Some(burst)), 20);
            series(format!("burst {burst}"), colour, cumulative(&tenths))
        })
        .collect();
    let burst = Panel {
        title: "token_bucket: admitted so far (100 a minute; 20 a second come from second 20 on)",
        y_label: "admitted so far",
        y_max: 400.0,
        y_step: 50.0,
        height: 300.0,
        limit: None,
        series: &bursts,
        legend: true,
        x_label: true,
    };
    vec![("boundary.svg", picture(&[boundary])), ("per_second.svg", picture(&panels)), ("burst.svg", picture(&[burst]))]
}

/// The directory of the figures in the repository.
pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures")
}

#[allow(dead_code)] // unused in the test that includes this file
fn main() -> std::io::Result<()> {
    std::fs::create_dir_all(folder())?;
    figures().into_iter().try_for_each(|(name, svg)| std::fs::write(folder().join(name), svg))
}
