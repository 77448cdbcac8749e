//! Both runs beside each other, as an SVG: a square for each download.

use std::fmt::Write as _;

use crate::report::{Report, Run};

const WIDTH: f64 = 880.0;
const LEFT: f64 = 24.0;
/// Squares in a row, and from one to the next.
const COLUMNS: u64 = 40;
const STEP: f64 = 10.0;
const GRID: f64 = COLUMNS as f64 * STEP;
/// How many error texts are shown.
const ERRORS: usize = 6;

const FAILED: &str = "#cf222e";
const RESCUED: &str = "#bf8700";
const OK: &str = "#2da44e";

/// Draws the runs there were. The squares are in no order but that of how they ended.
pub(crate) fn svg(report: &Report) -> String {
    let rows = report.runs().map(|(_, run)| run.files.div_ceil(COLUMNS)).max().unwrap_or_default();
    let errors = report.bare.iter().flat_map(|run| &run.errors).take(ERRORS).collect::<Vec<_>>();
    let below = 118.0 + rows as f64 * STEP;
    let height = below + 22.0 + 18.0 * errors.len() as f64 + 16.0;
    let mut svg = String::new();
    // Writing into a `String` cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#1f2328\">\n\
         <title>Downloads from a server that misbehaves, without the layers and with them</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>"
    );
    text(
        &mut svg,
        (LEFT, 34.0),
        "font-size=\"17\" font-weight=\"bold\"",
        "A square is a download from a server that misbehaves",
    );
    for (n, (name, run)) in report.runs().enumerate() {
        let left = LEFT + n as f64 * (GRID + 32.0);
        let name = if name == "bare" { "the client by itself" } else { "under this crate's layers" };
        text(&mut svg, (left, 66.0), "font-weight=\"bold\"", name);
        let done = run.ok - run.rescued;
        let counts = format!("{} failed, {} well since resent, {done} well as they were sent", run.failed, run.rescued);
        text(&mut svg, (left, 86.0), "", &counts);
        grid(&mut svg, (left, 98.0), run);
    }
    if !errors.is_empty() {
        text(&mut svg, (LEFT, below), "font-weight=\"bold\"", "Its most frequent errors, in the client's own words");
    }
    for (n, error) in errors.into_iter().enumerate() {
        let line = format!("{:>4}  {}", error.count, error.error);
        text(
            &mut svg,
            (LEFT, below + 20.0 + 18.0 * n as f64),
            "font-family=\"monospace\" font-size=\"11\" xml:space=\"preserve\"",
            &line,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(svg: &mut String, (left, top): (f64, f64), run: &Run) {
    let side = STEP - 2.0;
    for n in 0..run.files {
        let fill = if n < run.failed {
            FAILED
        } else if n < run.failed + run.rescued {
            RESCUED
        } else {
            OK
        };
        let (x, y) = (left + (n % COLUMNS) as f64 * STEP, top + (n / COLUMNS) as f64 * STEP);
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{fill}\"/>");
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{text}</text>");
}
