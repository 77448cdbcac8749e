//! What the benches printed, and where that was.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::host::Host;

/// The benches, in the order of the page.
const BENCHES: [&str; 4] = ["overhead", "wire", "faults", "scale"];

/// One run of all benches.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Document {
    pub(crate) host: Host,
    pub(crate) seconds: u64,
    pub(crate) reports: Vec<Report>,
}

/// What one bench printed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) bench: String,
    pub(crate) quick: bool,
    pub(crate) figures: Value,
    pub(crate) targets: Vec<Target>,
}

/// A figure with its limit.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) limit: f64,
    pub(crate) at_most: bool,
    pub(crate) met: bool,
}

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Document {
    /// Runs the benches, one after the other.
    pub(crate) fn measure(quick: bool) -> Result<Self, String> {
        let host = Host::of_this_machine()?;
        let began = Instant::now();
        let reports = BENCHES.iter().map(|bench| run(bench, quick)).collect::<Result<_, _>>()?;
        Ok(Self { host, seconds: began.elapsed().as_secs(), reports })
    }

    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names") + "\n"
    }

    /// Of one bench, a list.
    pub(crate) fn figures(&self, bench: &str) -> impl Iterator<Item = &Value> {
        let report = self.reports.iter().find(|report| report.bench == bench);
        report.and_then(|report| report.figures.as_array()).into_iter().flatten()
    }
}

fn run(bench: &str, quick: bool) -> Result<Report, String> {
    eprintln!("{bench} ...");
    let began = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "--bench", bench, "--", "--json"]).args(quick.then_some("--quick"));
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status));
    }
    let report =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{bench} printed no report: {error}"))?;
    eprintln!("{bench}: {:?}", Duration::from_secs(began.elapsed().as_secs()));
    Ok(report)
}

/// Text at this place; nothing where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A number at this place.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64)
}

/// An estimate at this place.
pub(crate) fn estimate(value: &Value, pointer: &str) -> Option<Estimate> {
    Estimate::deserialize(value.pointer(pointer)?).ok()
}

/// A list at this place.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
