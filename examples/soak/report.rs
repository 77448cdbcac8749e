//! What came of it: as JSON, for people, and as a table for the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::account::{Row, total};

/// The whole of it. Its fields' names are the JSON's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) seconds: f64,
    /// Whether a signal ended it before its time.
    pub(crate) interrupted: bool,
    /// Servers that are not installed.
    pub(crate) skipped: Vec<String>,
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Attempts for each request.
    pub(crate) extra_load: f64,
    #[serde(flatten)]
    pub(crate) total: Row,
    pub(crate) servers: Vec<Server>,
    /// Why servers could not be gone on with.
    pub(crate) failures: Vec<String>,
}

/// One server's part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) row: Row,
}

impl Report {
    /// Whether no law was broken, and nothing failed besides.
    pub(crate) fn passed(&self) -> bool {
        self.total.is_clean() && self.failures.is_empty()
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let total = &self.total;
        // A String takes all.
        let _ = writeln!(
            text,
            "\n{} requests in {:.0} s, seed {}, {} workers a server: {} answered",
            total.requests, self.seconds, self.seed, self.workers, total.answered,
        );
        for (name, count) in laws(total) {
            let _ = writeln!(text, "{name:<16}{count:>10}");
        }
        let _ = writeln!(text, "{:<16}{:>10.4}", "attempts each", self.extra_load);
        let _ = writeln!(text, "{:<16}{:>10}", "connections", total.connections);
        if let Some(peak) = self.peak_memory_bytes {
            let _ = writeln!(text, "{:<16}{:>10.1} MiB", "peak memory", mib(peak));
        }
        list(&mut text, "faults", &total.faults);
        list(&mut text, "resends by cause", &total.resends);
        list(&mut text, "downloads resumed by what broke them", &total.resumes);
        for (fate, errors) in &total.errors {
            list(&mut text, &format!("errors, {fate}, by cause and why they were not resent"), errors);
        }
        list(&mut text, "answers that broke off after their heads", &total.broken);
        let statuses = total.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        list(&mut text, "statuses other than 200", &statuses);
        let _ = writeln!(text, "\n{}", self.rows(|cells| cells.join("  ")));
        for server in &self.servers {
            let _ = writeln!(text, "{:<14}{}", server.name, server.version);
        }
        for name in &self.skipped {
            let _ = writeln!(text, "skipped: {name} is not installed");
        }
        for what in total.named.iter().chain(&self.failures) {
            let _ = writeln!(text, "BROKEN: {what}");
        }
        let _ = writeln!(text, "{}", if self.passed() { "passed" } else { "FAILED" });
        text
    }

    /// The servers' table, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let rows = self.rows(|cells| format!("| {} |", cells.map(|cell| cell.trim().to_owned()).join(" | ")));
        let mut lines: Vec<_> = rows.lines().map(str::to_owned).collect();
        lines.insert(1, format!("|---|{}", "---:|".repeat(COLUMNS.len() - 1)));
        lines.join("\n") + "\n"
    }

    fn rows(&self, line: impl Fn([String; COLUMNS.len()]) -> String) -> String {
        let mut lines = vec![line(COLUMNS.map(|(name, width)| format!("{name:>width$}")))];
        let servers = self.servers.iter().map(|server| (server.name.as_str(), &server.row));
        for (name, row) in servers.chain([("all", &self.total)]) {
            let faults = total(&row.faults);
            let cells = [
                name.to_owned(),
                row.requests.to_string(),
                row.answered.to_string(),
                row.resends().to_string(),
                total(&row.resumes).to_string(),
                row.errors().to_string(),
                total(&row.broken).to_string(),
                row.doubled.to_string(),
                row.lost.to_string(),
                row.hung.to_string(),
                row.wrong_bytes.to_string(),
                row.violations.to_string(),
                format!("{:.4}", row.load()),
                row.connections.to_string(),
                faults.to_string(),
            ];
            let mut widths = COLUMNS.iter().map(|(_, width)| *width);
            lines.push(line(cells.map(|cell| format!("{cell:>0$}", widths.next().unwrap_or_default()))));
        }
        lines.join("\n")
    }
}

/// The table's columns, with their widths in characters.
const COLUMNS: [(&str, usize); 15] = [
    ("server", 12),
    ("requests", 9),
    ("answered", 9),
    ("resends", 8),
    ("resumes", 7),
    ("errors", 7),
    ("broken", 6),
    ("doubled", 7),
    ("lost", 5),
    ("hung", 5),
    ("wrong", 5),
    ("violations", 10),
    ("attempts", 8),
    ("connections", 11),
    ("faults", 6),
];

fn laws(row: &Row) -> [(&'static str, u64); 10] {
    [
        ("doubled", row.doubled),
        ("lost", row.lost),
        ("hung", row.hung),
        ("wrong bytes", row.wrong_bytes),
        ("false proofs", row.false_proofs),
        ("protocol errors", row.protocol_errors),
        ("violations", row.violations),
        ("errors", row.errors()),
        ("broken off", total(&row.broken)),
        ("resends", row.resends()),
    ]
}

fn list(text: &mut String, title: &str, counts: &BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for (what, count) in counts {
        let _ = writeln!(text, "{count:>12}  {what}");
    }
}

/// One line about a run that goes on.
pub(crate) fn progress(seconds: u64, row: &Row, in_flight: u64, resident: u64) -> String {
    format!(
        "{seconds:>5} s  {:>9} requests  {in_flight:>4} in flight  {:>8} resends  {:>6} errors  \
         {} doubled  {} lost  {} hung  {:>6} connections  {:>6.1} MiB",
        row.requests,
        row.resends() + total(&row.resumes),
        row.errors() + total(&row.broken),
        row.doubled,
        row.lost,
        row.hung,
        row.connections,
        mib(resident),
    )
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
