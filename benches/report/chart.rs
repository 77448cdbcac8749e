//! One kind of plot: for each category a point for each series, with its interval.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 215.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 66.0;
const STEP: f64 = 11.0;
const GAP: f64 = 16.0;
const GREY: &str = "#5c5c5c";

/// Colours that can be told apart by people who see fewer of them (Okabe and Ito's).
pub(crate) const COLOURS: [&str; 7] = ["#999999", "#000000", "#cc79a7", "#d55e00", "#0072b2", "#009e73", "#56b4e9"];

/// A point and its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// There is something wrong with it: it is drawn as a ring.
    pub(crate) hollow: bool,
}

impl Point {
    /// A figure that has no interval.
    pub(crate) const fn exact(at: f64) -> Self {
        Self { at, low: at, high: at, hollow: false }
    }
}

/// One category: a name, and a point for each series that has one.
#[derive(Clone, Debug)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) points: Vec<Option<Point>>,
}

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) series: Vec<String>,
    pub(crate) categories: Vec<Category>,
    /// The ends of the scale; what lies beyond is drawn at its end.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Between two lines of the scale.
    pub(crate) tick: f64,
    /// A line that matters.
    pub(crate) mark: Option<f64>,
    pub(crate) percent: bool,
}

impl Chart {
    /// Draws it. Writing into a `String` cannot fail, so that nobody asks.
    pub(crate) fn svg(&self) -> String {
        let rows = self.series.len() as f64 * STEP + GAP;
        let bottom = TOP + self.categories.len() as f64 * rows;
        let legend = self.series.len().div_ceil(3);
        let height = bottom + 44.0 + legend as f64 * 18.0;
        let mut page = String::new();
        let _ = write!(
            page,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>{}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            escaped(&self.title)
        );
        label(&mut page, (24.0, 26.0), "start", "#000000", 17, &self.title);
        label(&mut page, (24.0, 46.0), "start", GREY, 12, &self.subtitle);
        self.scale(&mut page, bottom);
        for (at, category) in self.categories.iter().enumerate() {
            self.category(&mut page, TOP + at as f64 * rows, category);
        }
        for (at, name) in self.series.iter().enumerate() {
            let (x, y) = (24.0 + (at % 3) as f64 * 275.0, bottom + 50.0 + (at / 3) as f64 * 18.0);
            let _ = writeln!(page, "<circle cx=\"{x}\" cy=\"{:.1}\" r=\"4\" fill=\"{}\"/>", y - 4.0, colour(at));
            label(&mut page, (x + 10.0, y), "start", "#000000", 12, name);
        }
        page.push_str("</svg>\n");
        page
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.clamp(self.from, self.to) - self.from) / (self.to - self.from);
        LEFT + (WIDTH - LEFT - RIGHT) * share
    }

    fn scale(&self, page: &mut String, bottom: f64) {
        let steps = ((self.to - self.from) / self.tick).round() as u32;
        for step in 0..=steps {
            let value = self.from + f64::from(step) * self.tick;
            rule(page, self.x(value), TOP - 6.0, self.x(value), bottom, "#e2e2e2");
            let name = if self.percent { format!("{:.0} %", value * 100.0) } else { trimmed(value) };
            label(page, (self.x(value), bottom + 16.0), "middle", GREY, 12, &name);
        }
        if let Some(mark) = self.mark {
            rule(page, self.x(mark), TOP - 6.0, self.x(mark), bottom, "#000000");
        }
    }

    fn category(&self, page: &mut String, top: f64, category: &Category) {
        let middle = top + self.series.len() as f64 * STEP / 2.0;
        label(page, (LEFT - 12.0, middle + 4.0), "end", "#000000", 12, &category.name);
        for (at, point) in category.points.iter().enumerate() {
            let Some(point) = point else { continue };
            let y = top + (at as f64 + 0.5) * STEP;
            let colour = colour(at);
            let fill = if point.hollow { "#ffffff" } else { colour };
            let _ = writeln!(
                page,
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                self.x(point.low),
                self.x(point.high),
                self.x(point.at)
            );
        }
    }
}

fn colour(series: usize) -> &'static str {
    COLOURS[series % COLOURS.len()]
}

/// As few digits as say it.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn label(page: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, size: u32, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        page,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" font-size=\"{size}\">{text}</text>"
    );
}

fn rule(page: &mut String, x1: f64, y1: f64, x2: f64, y2: f64, colour: &str) {
    let _ = writeln!(page, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>");
}
