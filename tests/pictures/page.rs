//! What a picture is made of.

use std::fmt::Write as _;

pub(crate) const INK: &str = "#1f2328";
pub(crate) const GREY: &str = "#57606a";
pub(crate) const GREEN: &str = "#dafbe1";
pub(crate) const RED: &str = "#ffebe9";
pub(crate) const YELLOW: &str = "#fff8c5";
pub(crate) const BLUE: &str = "#ddf4ff";

/// The height of a line of text.
pub(crate) const LINE: f64 = 17.0;

/// An SVG. It has a background of its own, so that it can be read on a dark page too.
pub(crate) struct Page(String);

/// Where a text stands about its point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Page {
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut page = Self(String::new());
        let title = escaped(title);
        // Writing into a `String` cannot fail.
        let _ = write!(
            page.0,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n<title>{title}</title>\n\
             <defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\" fill=\"{GREY}\"/></marker></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        page
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, style: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ =
            writeln!(self.0, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{INK}\" {style}>{text}</text>");
    }

    /// One line below the other.
    pub(crate) fn lines(&mut self, (x, y): (f64, f64), anchor: Anchor, lines: &[String]) {
        for (n, line) in lines.iter().enumerate() {
            self.text((x, y + LINE * n as f64), anchor, "", line);
        }
    }

    pub(crate) fn heading(&mut self, at: (f64, f64), text: &str) {
        self.text(at, Anchor::Start, "font-size=\"17\" font-weight=\"bold\"", text);
    }

    /// A box with a name, and what there is to say of it below that.
    pub(crate) fn state(
        &mut self,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        fill: &str,
        name: &str,
        what: &[&str],
    ) {
        self.rect((x, y), (width, height), fill);
        let middle = x + width / 2.0;
        let top = y + height / 2.0 + 5.0 - LINE * what.len() as f64 / 2.0;
        self.text((middle, top), Anchor::Middle, "font-size=\"15\" font-weight=\"bold\"", name);
        for (n, line) in what.iter().enumerate() {
            self.text((middle, top + LINE * (n + 1) as f64), Anchor::Middle, "", line);
        }
    }

    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" stroke=\"{GREY}\"/>"
        );
    }

    pub(crate) fn arrow(&mut self, points: &[(f64, f64)]) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.0,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{GREY}\" stroke-width=\"1.5\" marker-end=\"url(#head)\"/>"
        );
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
