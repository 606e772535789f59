//! `bench plot`: draws the plots of `docs/performance.md` from `docs/performance/scale.json`, which `cargo bench -p
//! bench --bench scale` writes. A test compares the committed plots with the result.

use std::{
    fmt::{self, Write as _},
    fs, io,
    path::PathBuf,
};

use serde_json::Value;

const COLOURS: [&str; 2] = ["#2471a3", "#c0392b"];
const WIDTH: f64 = 640.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 270.0;
const BELOW: f64 = 50.0;

/// A plot of some columns of a table against another column.
struct Plot {
    file: &'static str,
    title: &'static str,
    table: &'static str,
    x: &'static str,
    /// The plotted columns, with their labels.
    columns: &'static [(&'static str, &'static str)],
    unit: &'static str,
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "rules.svg",
        title: "Finding a rule, by how many there are",
        table: "rules",
        x: "rules",
        columns: &[("uniform_ns", "all rules alike"), ("hot_ns", "one hot rule")],
        unit: "ns",
    },
    Plot {
        file: "counters.svg",
        title: "A hit in the memory store, by live counters",
        table: "counters",
        x: "counters",
        columns: &[("uniform_ns", "all counters alike"), ("hot_ns", "one hot counter")],
        unit: "ns",
    },
    Plot {
        file: "descriptors.svg",
        title: "From message to message, for each descriptor of a request",
        table: "descriptors",
        x: "descriptors",
        columns: &[("ns_each", "each descriptor")],
        unit: "ns",
    },
    Plot {
        file: "connections.svg",
        title: "CPU of the server for an answer, by connections (1000 requests under way)",
        table: "connections",
        x: "connections",
        columns: &[("server_cpu_us", "server CPU")],
        unit: "µs",
    },
];

/// Why the plots cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The measurements cannot be read.
    #[error("cannot read {}: {error}; `cargo bench -p bench --bench scale` writes it", path.display())]
    Read {
        /// The file of the measurements.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A plot cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file of the plot.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The measurements are not JSON.
    #[error("the measurements are not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The measurements lack a table.
    #[error("the measurements have no table {0:?}")]
    Table(&'static str),
    /// A plot cannot be drawn.
    #[error("cannot draw a plot: {0}")]
    Draw(#[from] fmt::Error),
}

fn points(rows: &[Value], x: &str, y: &str) -> Vec<(f64, f64)> {
    rows.iter().filter_map(|row| Some((row[x].as_f64()?, row[y].as_f64()?))).collect()
}

/// The smallest 1, 2, 5 or 10 times a power of ten of which four steps reach `most`.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most / 4.0).log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| step * 4.0 >= most).unwrap_or(power * 10.0)
}

fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn draw(plot: &Plot, rows: &[Value]) -> Result<String, fmt::Error> {
    let series: Vec<_> = plot.columns.iter().map(|(column, name)| (*name, points(rows, plot.x, column))).collect();
    let all = || series.iter().flat_map(|(_, points)| points);
    let (least, most) = all().fold((f64::MAX, 0f64), |(least, most), (x, _)| (least.min(*x), most.max(*x)));
    let step = step(all().fold(0.0, |highest, (_, y)| y.max(highest)));
    // the horizontal axis is logarithmic, the vertical axis starts at zero
    let x = |value: f64| LEFT + 12.0 + (value / least).ln() / (most / least).ln() * (RIGHT - LEFT - 48.0);
    let y = |value: f64| BOTTOM - value / (4.0 * step) * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        BOTTOM + BELOW
    );
    writeln!(svg, r#"<text x="{LEFT}" y="20" font-weight="bold">{}</text>"#, plot.title)?;
    for value in (0..=4).map(|count| f64::from(count) * step) {
        let at = y(value);
        writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{RIGHT}" stroke="#ddd"/>"##)?;
        writeln!(
            svg,
            r#"<text x="{}" y="{:.1}" text-anchor="end">{value} {}</text>"#,
            LEFT - 6.0,
            at + 4.0,
            plot.unit
        )?;
    }
    for (value, _) in series.first().map(|(_, points)| points.as_slice()).unwrap_or_default() {
        let text = grouped(*value);
        writeln!(svg, r#"<text x="{:.1}" y="{}" text-anchor="middle">{text}</text>"#, x(*value), BOTTOM + 18.0)?;
    }
    let (centre, under) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0);
    writeln!(svg, r#"<text x="{centre}" y="{under}" text-anchor="middle">{}</text>"#, plot.x)?;
    for (nth, ((name, points), colour)) in series.iter().zip(COLOURS).enumerate() {
        let path: Vec<_> = points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
        writeln!(svg, r#"<path d="M{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, path.join("L"))?;
        for (at, value) in points {
            writeln!(svg, r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, x(*at), y(*value))?;
        }
        let line = BOTTOM - 14.0 - 18.0 * nth as f64;
        writeln!(svg, r#"<path d="M{} {line}h24" stroke="{colour}" stroke-width="3"/>"#, LEFT + 14.0)?;
        writeln!(svg, r#"<text x="{}" y="{}">{name}</text>"#, LEFT + 44.0, line + 4.0)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The folder of the committed measurements and plots.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance")
}

/// All plots: file name and content of each.
///
/// # Errors
/// If the measurements cannot be read.
pub fn figures() -> Result<Vec<(&'static str, String)>, PlotError> {
    let path = folder().join("scale.json");
    let data = fs::read_to_string(&path).map_err(|error| PlotError::Read { path, error })?;
    let data: Value = serde_json::from_str(&data)?;
    let draw = |plot: &Plot| {
        let rows = data[plot.table].as_array().ok_or(PlotError::Table(plot.table))?;
        Ok((plot.file, draw(plot, rows)?))
    };
    PLOTS.iter().map(draw).collect()
}

/// Draws all plots and writes them beside the measurements.
///
/// # Errors
/// If the measurements cannot be read, or a plot cannot be written.
pub(crate) fn write() -> Result<(), PlotError> {
    for (name, svg) in figures()? {
        let path = folder().join(name);
        fs::write(&path, svg).map_err(|error| PlotError::Write { path, error })?;
    }
    Ok(())
}
