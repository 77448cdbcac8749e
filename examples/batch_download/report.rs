//! What came of it: counted, and as JSON.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tower_redial::Downgrade;

use crate::concurrency::{self, Places};
use crate::counts::{Protocols, Repairs, Versions};
use crate::download::{Failure, Fetched};
use crate::progress::Total;
use crate::silence::SilentConnection;
use crate::support::Counters;

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
    pub(crate) files: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) corrupt: u64,
    pub(crate) rescued: u64,
    pub(crate) resends: u64,
    pub(crate) resends_by_cause: BTreeMap<String, u64>,
    pub(crate) resumes: u64,
    pub(crate) resumes_by_cause: BTreeMap<String, u64>,
    pub(crate) bytes_saved: u64,
    pub(crate) gave_up: BTreeMap<String, u64>,
    /// By origin, and within that by version.
    pub(crate) protocols: Versions,
    /// How often each origin that would speak HTTP/2 was given HTTP/1.1. Others are not in it.
    pub(crate) downgrades: BTreeMap<String, u64>,
    pub(crate) connections: u64,
    pub(crate) silent_connections: Vec<SilentConnection>,
    /// Of each origin, where it was not fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<BTreeMap<String, concurrency::Outcome>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarts: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// Most frequent first.
    pub(crate) errors: Vec<ErrorCount>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<NamedFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<ServerDid>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ErrorCount {
    pub(crate) count: u64,
    pub(crate) error: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct NamedFailure {
    url: String,
    error: String,
}

/// What the built-in server did in a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ServerDid {
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
        downgrade: &Downgrade,
        silent_connections: Vec<SilentConnection>,
        connections: u64,
        seconds: f64,
    ) -> Self {
        let causes = repairs.causes().clone();
        let downgraded = downgrade.snapshot().origins.into_iter().filter(|origin| origin.downgrades > 0);
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
            downgrades: downgraded.map(|origin| (origin.origin.to_string(), origin.downgrades)).collect(),
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

    /// Those there were, with their names.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&'static str, &Run)> {
        [("bare", &self.bare), ("redial", &self.redial)]
            .into_iter()
            .filter_map(|(name, run)| Some((name, run.as_ref()?)))
    }
}
