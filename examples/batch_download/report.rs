//! What came of it: counted, as a table, as JSON.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Uri, Version};
use serde::Serialize;
use tower_redial::health::Origin;
use tower_redial::{resume, retry};

use crate::concurrency::{self, Places};
use crate::download::{Failure, Fetched};
use crate::progress::Total;
use crate::silence::SilentConnection;
use crate::support::Counters;

/// What the layers report: counts of each cause of a resend and of a resume, and of each reason for giving up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repairs(Arc<Mutex<Causes>>);

#[derive(Clone, Debug, Default)]
struct Causes {
    resends: BTreeMap<String, u64>,
    resumes: BTreeMap<String, u64>,
    gave_up: BTreeMap<String, u64>,
}

impl Repairs {
    /// For `on_retry`, which is told of each failed attempt once.
    pub(crate) fn count_resend(&self, event: &retry::Event<'_>) {
        let cause = event.failure().cause();
        let mut causes = self.causes();
        let count = match event.decision() {
            retry::Decision::Stop(stop) => causes.gave_up.entry(format!("{cause}: {stop}")),
            // A resend; whatever else a decision may become, it is one about an attempt that failed.
            _ => causes.resends.entry(cause.to_string()),
        };
        *count.or_default() += 1;
    }

    /// For `on_resume`, which is told of each body that broke once.
    pub(crate) fn count_resume(&self, event: &resume::Event<'_>) {
        let broke = event.broke().label();
        let mut causes = self.causes();
        let count = match event.decision() {
            resume::Decision::Stop(why) => causes.gave_up.entry(format!("{broke}: {why}")),
            _ => causes.resumes.entry(broke.to_owned()),
        };
        *count.or_default() += 1;
    }

    fn causes(&self) -> MutexGuard<'_, Causes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is spoken with each origin: how many responses each version had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protocols(Arc<Mutex<Versions>>);

type Versions = BTreeMap<String, BTreeMap<String, u64>>;

impl Protocols {
    pub(crate) fn count(&self, uri: &Uri, version: Version) {
        let Some(origin) = Origin::of(uri) else { return };
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *versions.entry(origin.to_string()).or_default().entry(format!("{version:?}")).or_default() += 1;
    }

    fn versions(&self) -> Versions {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The files of a run, counted as they end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    files: u64,
    ok: u64,
    corrupt: u64,
    rescued: u64,
    bytes: u64,
    bytes_saved: u64,
    errors: HashMap<String, u64>,
    failures: Vec<NamedFailure>,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Result<Fetched, Failure>, total: &Total) {
        self.files += 1;
        match outcome {
            Ok(fetched) => {
                self.ok += 1;
                self.rescued += u64::from(fetched.resent);
                self.bytes += fetched.bytes;
                self.bytes_saved += fetched.saved;
            }
            Err(failure) => {
                self.corrupt += u64::from(failure.corrupt);
                *self.errors.entry(failure.text).or_default() += 1;
            }
        }
        total.file_done(self.files - self.ok);
    }

    /// The same, and remembers which failed.
    pub(crate) fn add_named(&mut self, url: &str, outcome: Result<Fetched, Failure>, total: &Total) {
        if let Err(failure) = &outcome {
            self.failures.push(NamedFailure { url: url.to_owned(), error: failure.text.clone() });
        }
        self.add(outcome, total);
    }
}

/// One client's run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    files: u64,
    ok: u64,
    failed: u64,
    corrupt: u64,
    rescued: u64,
    resends: u64,
    resends_by_cause: BTreeMap<String, u64>,
    resumes: u64,
    resumes_by_cause: BTreeMap<String, u64>,
    bytes_saved: u64,
    gave_up: BTreeMap<String, u64>,
    /// By origin, and within that by version.
    protocols: Versions,
    connections: u64,
    silent_connections: Vec<SilentConnection>,
    /// Of each origin, where it was not fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<BTreeMap<String, concurrency::Outcome>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    bytes: u64,
    seconds: f64,
    /// Most frequent first.
    errors: Vec<ErrorCount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<NamedFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerDid>,
}

#[derive(Debug, Serialize)]
struct ErrorCount {
    count: u64,
    error: String,
}

#[derive(Debug, Serialize)]
struct NamedFailure {
    url: String,
    error: String,
}

/// What the built-in server did in a run.
#[derive(Clone, Copy, Debug, Serialize)]
struct ServerDid {
    requests: u64,
    goaways: u64,
    refused: u64,
    cuts: u64,
    silenced: u64,
    stalled: u64,
}

impl Run {
    pub(crate) fn new(
        tally: Tally,
        repairs: &Repairs,
        protocols: &Protocols,
        silent_connections: Vec<SilentConnection>,
        connections: u64,
        seconds: f64,
    ) -> Self {
        let causes = repairs.causes().clone();
        let mut errors: Vec<_> = tally.errors.into_iter().map(|(error, count)| ErrorCount { count, error }).collect();
        errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.error.cmp(&b.error)));
        Self {
            files: tally.files,
            ok: tally.ok,
            failed: tally.files - tally.ok,
            corrupt: tally.corrupt,
            rescued: tally.rescued,
            resends: causes.resends.values().sum(),
            resends_by_cause: causes.resends,
            resumes: causes.resumes.values().sum(),
            resumes_by_cause: causes.resumes,
            bytes_saved: tally.bytes_saved,
            gave_up: causes.gave_up,
            protocols: protocols.versions(),
            connections,
            silent_connections,
            concurrency: None,
            restarts: None,
            bytes: tally.bytes,
            seconds,
            errors,
            failures: tally.failures,
            server: None,
        }
    }

    pub(crate) fn with_server(mut self, counters: &Counters) -> Self {
        self.server = Some(ServerDid {
            requests: counters.streams,
            goaways: counters.goaways,
            refused: counters.refused,
            cuts: counters.cuts,
            silenced: counters.silenced,
            stalled: counters.stalled,
        });
        self
    }

    pub(crate) fn with_concurrency(mut self, places: &Places) -> Self {
        self.concurrency = places.outcomes();
        self
    }

    pub(crate) fn with_restarts(mut self, restarts: u64) -> Self {
        self.restarts = Some(restarts);
        self
    }
}

/// The runs there were. Its fields' names are the JSON's.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bare: Option<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redial: Option<Run>,
}

impl Report {
    /// Whether the run that counts had no failure: the layer's, if there was one.
    pub(crate) fn succeeded(&self) -> bool {
        self.redial.as_ref().or(self.bare.as_ref()).is_some_and(|run| run.failed == 0)
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

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

    fn runs(&self) -> impl Iterator<Item = (&'static str, &Run)> {
        [("bare", &self.bare), ("redial", &self.redial)]
            .into_iter()
            .filter_map(|(name, run)| Some((name, run.as_ref()?)))
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
