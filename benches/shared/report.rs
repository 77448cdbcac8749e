//! The figures of one run, with the targets that they are held against.

use serde::Serialize;
use serde_json::Value;

/// A figure that has to stay on one side of a limit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) limit: f64,
    /// Whether less is better.
    pub(crate) at_most: bool,
    pub(crate) met: bool,
}

impl Target {
    pub(crate) fn at_most(name: impl Into<String>, value: f64, limit: f64) -> Self {
        Self { name: name.into(), value, limit, at_most: true, met: value <= limit }
    }

    pub(crate) fn at_least(name: impl Into<String>, value: f64, limit: f64) -> Self {
        Self { name: name.into(), value, limit, at_most: false, met: value >= limit }
    }
}

/// One bench's document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    /// Of a run of no use but to see that it works.
    pub(crate) quick: bool,
    pub(crate) figures: Value,
    pub(crate) targets: Vec<Target>,
}

impl Report {
    /// Prints it as one JSON document, or its targets as lines.
    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).expect("numbers and names"));
            return;
        }
        for Target { name, value, limit, at_most, met } in &self.targets {
            let (sign, verdict) = (if *at_most { "<=" } else { ">=" }, if *met { "met" } else { "MISSED" });
            println!("{verdict:>6}  {name}: {value:.3} {sign} {limit}");
        }
    }
}
