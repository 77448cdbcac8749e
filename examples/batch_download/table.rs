//! What came of it, as a table.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{Report, Run};
use crate::silence::SilentConnection;

impl Report {
    pub(crate) fn table(&self) -> String {
        let runs: Vec<_> = self.runs().collect();
        let mut rows = vec![row("", runs.iter().map(|(name, _)| (*name).to_owned()))];
        let mut number = |label: &str, of: &dyn Fn(&Run) -> u64| {
            rows.push(row(label, runs.iter().map(|(_, run)| of(run).to_string())));
        };
        number("files", &|run| run.files);
        number("ok", &|run| run.ok);
        number("  of these, resent", &|run| run.rescued);
        number("failed", &|run| run.failed);
        number("  of these, corrupt", &|run| run.corrupt);
        let mut counts = |label: &str, of: fn(&Run) -> &BTreeMap<String, u64>| {
            number(label, &|run| of(run).values().sum());
            let causes: BTreeSet<_> = runs.iter().flat_map(|(_, run)| of(run).keys()).collect();
            for cause in causes {
                number(&format!("  {cause}"), &|run| of(run).get(cause).copied().unwrap_or_default());
            }
        };
        counts("resends", |run| &run.resends_by_cause);
        counts("resumes", |run| &run.resumes_by_cause);
        if runs.iter().any(|(_, run)| !run.downgrades.is_empty()) {
            counts("downgrades to HTTP/1.1", |run| &run.downgrades);
        }
        number("connections", &|run| run.connections);
        number("silent connections", &|run| run.silent_connections.len() as u64);
        rows.push(row("  time each cost, s", runs.iter().map(|(_, run)| costs(&run.silent_connections))));
        if runs.iter().any(|(_, run)| run.restarts.is_some()) {
            let restarts = |run: &Run| run.restarts.unwrap_or_default().to_string();
            rows.push(row("restarts", runs.iter().map(|(_, run)| restarts(run))));
        }
        rows.push(row("MiB", runs.iter().map(|(_, run)| mebibytes(run.bytes))));
        rows.push(row("MiB saved by resumes", runs.iter().map(|(_, run)| mebibytes(run.bytes_saved))));
        rows.push(row("protocol", runs.iter().map(|(_, run)| versions(run.protocols.values()))));
        // A server of its own for each run has nothing to be compared with.
        if let [(_, run)] = runs.as_slice() {
            let origins = run.protocols.iter().filter(|_| run.protocols.len() > 1);
            rows.extend(origins.map(|(origin, of_it)| row(&format!("  {origin}"), [versions([of_it])].into_iter())));
        }
        rows.push(row("seconds", runs.iter().map(|(_, run)| format!("{:.2}", run.seconds))));

        let mut text = aligned(&rows);
        for (name, run) in runs.iter().filter(|(_, run)| !run.errors.is_empty()) {
            let whose = if *name == "bare" { "Errors of the bare client" } else { "Errors left by the layer" };
            text.push_str(&format!("\n{whose}, in the client's own words:\n"));
            let errors: Vec<_> = run.errors.iter().map(|error| (error.count.to_string(), &error.error)).collect();
            let width = errors.iter().map(|(count, _)| count.len()).max().unwrap_or_default();
            for (count, error) in errors {
                text.push_str(&format!("  {count:>width$} x {error}\n"));
            }
        }
        text
    }
}

fn row(label: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    [label.to_owned()].into_iter().chain(cells).collect()
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0 / 1024.0)
}

/// All there are.
fn versions<'a>(of: impl IntoIterator<Item = &'a BTreeMap<String, u64>>) -> String {
    let versions: BTreeSet<_> = of.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
    if versions.is_empty() { "-".to_owned() } else { versions.into_iter().collect::<Vec<_>>().join(", ") }
}

/// Each, or from where to where if there are many.
fn costs(silent: &[SilentConnection]) -> String {
    let mut seconds: Vec<_> = silent.iter().map(|connection| connection.seconds).collect();
    match seconds.as_slice() {
        [] => "-".to_owned(),
        few if few.len() <= 3 => few.iter().map(|seconds| format!("{seconds:.2}")).collect::<Vec<_>>().join(", "),
        _ => {
            seconds.sort_by(f64::total_cmp);
            format!("{:.2} to {:.2}", seconds[0], seconds[seconds.len() - 1])
        }
    }
}

/// Labels to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<_> =
        (0..columns).map(|column| rows.iter().map(|row| cell(row, column)).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("{cell:<width$}")),
                _ => text.push_str(&format!("   {cell:>width$}")),
            }
        }
        text.push('\n');
    }
    text
}
