//! The load and the answers over time, as an SVG.

use std::fmt::Write;

use super::cast::Player;
use super::sim::{Figures, STEPS_PER_SECOND, Settings};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 632.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const LOAD: Panel = Panel { top: 88.0, bottom: 372.0 };
const GOODPUT: Panel = Panel { top: 414.0, bottom: 514.0 };
const GREY: &str = "#5c5c5c";

/// Where a diagram is on the page.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    bottom: f64,
}

impl Panel {
    fn y(self, value: f64, most: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * (value / most)
    }
}

/// The page. Writing into a `String` cannot fail, so that nobody asks.
struct Page {
    text: String,
    seconds: f64,
}

/// Draws the outcomes of one run.
pub(crate) fn svg(settings: &Settings, outcomes: &[(Player, Figures)]) -> String {
    let mut page = Page { text: String::new(), seconds: f64::from(settings.seconds.max(1)) };
    let _ = write!(
        page.text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <title>Load on a server that loses capacity for a while, by what its clients do</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    page.label(
        LEFT,
        26.0,
        "start",
        "#000000",
        "font-size=\"17\" font-weight=\"bold\"",
        "Load while a server loses capacity",
    );
    let what = format!(
        "{} clients, a request a second each; a server for {} a second, {} % of that from {} s to {} s",
        settings.clients,
        settings.capacity,
        settings.left_percent,
        settings.outage_at_s,
        settings.back_at_s()
    );
    page.label(LEFT, 46.0, "start", GREY, "", &what);

    let peak = outcomes.iter().flat_map(|(_, figures)| &figures.load).fold(1.0, |most: f64, load| most.max(*load));
    let most = (peak * 1.02).ceil().max(2.0);
    let capacity = f64::from(settings.capacity) / f64::from(settings.clients);
    for panel in [LOAD, GOODPUT] {
        page.shade(settings, panel);
    }
    page.axes(LOAD, most, (most / 5.0).ceil(), |value| format!("{value:.0}\u{d7}"));
    page.axes(GOODPUT, 1.0, 0.5, |value| format!("{:.0} %", value * 100.0));
    if capacity < most {
        page.capacity(LOAD.y(capacity, most));
    }
    page.label(LEFT, LOAD.top - 8.0, "start", GREY, "", "attempts that reach the server, of the requests offered");
    page.label(LEFT, GOODPUT.top - 8.0, "start", GREY, "", "requests that are answered, by when they began");
    page.seconds();
    // The first in the table is drawn last: it is the one that others hide.
    for (player, figures) in outcomes.iter().rev() {
        page.line(player, &figures.load, LOAD, most);
        page.line(player, &figures.goodput, GOODPUT, 1.0);
    }
    page.legend(settings, outcomes);
    page.text.push_str("</svg>\n");
    page.text
}

impl Page {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (second / self.seconds).min(1.0)
    }

    fn label(&mut self, x: f64, y: f64, anchor: &str, colour: &str, more: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" {more}>{text}</text>"
        );
    }

    fn rule(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, more: &str) {
        let _ = writeln!(
            self.text,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" {more}/>"
        );
    }

    /// The time of the outage.
    fn shade(&mut self, settings: &Settings, panel: Panel) {
        let (from, to) = (self.x(f64::from(settings.outage_at_s)), self.x(f64::from(settings.back_at_s())));
        let _ = writeln!(
            self.text,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f3e3e0\"/>",
            panel.top,
            to - from,
            panel.bottom - panel.top
        );
        if panel.top == GOODPUT.top {
            self.label(f64::midpoint(from, to), panel.y(0.7, 1.0), "middle", "#8a4b40", "", "outage");
        }
    }

    fn axes(&mut self, panel: Panel, most: f64, step: f64, name: impl Fn(f64) -> String) {
        let mut value = 0.0;
        while value <= most {
            let y = panel.y(value, most);
            let colour = if value == 0.0 { GREY } else { "#dddddd" };
            self.rule((LEFT, y), (WIDTH - RIGHT, y), colour, "");
            self.label(LEFT - 8.0, y + 4.5, "end", GREY, "", &name(value));
            value += step;
        }
    }

    /// What the server can bear when it is well.
    fn capacity(&mut self, y: f64) {
        self.rule((LEFT, y), (WIDTH - RIGHT, y), GREY, "stroke-dasharray=\"1 3\"");
        self.label(WIDTH - RIGHT - 4.0, y - 5.0, "end", GREY, "font-size=\"11\"", "the server's capacity");
    }

    fn seconds(&mut self) {
        let step = (self.seconds / 9.0 / 5.0).ceil().max(1.0) * 5.0;
        let mut second = 0.0;
        while second <= self.seconds {
            let x = self.x(second);
            self.rule((x, GOODPUT.bottom), (x, GOODPUT.bottom + 5.0), GREY, "");
            self.label(x, GOODPUT.bottom + 19.0, "middle", GREY, "", &format!("{second:.0} s"));
            second += step;
        }
    }

    fn line(&mut self, player: &Player, values: &[f64], panel: Panel, most: f64) {
        let points: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(step, value)| {
                let x = self.x((step as f64 + 0.5) / f64::from(STEPS_PER_SECOND));
                format!("{x:.1},{:.1}", panel.y(*value, most))
            })
            .collect();
        let _ = writeln!(
            self.text,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" stroke-dasharray=\"{}\" \
             points=\"{}\"/>",
            player.colour,
            player.dashes,
            points.join(" ")
        );
    }

    /// In two columns below the diagrams.
    fn legend(&mut self, settings: &Settings, outcomes: &[(Player, Figures)]) {
        let rows = outcomes.len().div_ceil(2);
        for (number, (player, figures)) in outcomes.iter().enumerate() {
            let x = LEFT + (number / rows) as f64 * 390.0;
            let y = GOODPUT.bottom + 48.0 + (number % rows) as f64 * 19.0;
            let dashes = format!("stroke-width=\"2.4\" stroke-dasharray=\"{}\"", player.dashes);
            self.rule((x, y - 4.0), (x + 30.0, y - 4.0), player.colour, &dashes);
            let recovers = figures.recovers(settings);
            self.label(x + 38.0, y, "start", "#000000", "", &format!("{}: recovers {recovers}", player.name));
        }
    }
}
