//! The account: what was sent, what became of it, and which of the five laws was broken. It asks nobody and does no IO.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tower_redial::retry::Stop;
use tower_redial::{Cause, Fate};

use crate::kind::Kind;

/// How many broken requests are named in a report.
const NAMED: usize = 20;

/// The account of one server.
#[derive(Debug, Default)]
pub(crate) struct Account {
    row: Row,
    /// What failed of requests that are under way.
    open: HashMap<u64, Failures>,
    /// Why requests were resent that must not be processed twice.
    resent: HashMap<u64, Vec<Cause>>,
    /// Requests that must not be processed twice, and failed with a proof that they were not processed at all.
    disclaimed: Vec<(u64, Cause)>,
}

#[derive(Debug, Default)]
struct Failures {
    resends: Vec<Cause>,
    stop: Option<(Fate, Cause, Stop)>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the answer that belongs to it.
    Answered,
    /// With a status other than 200, which a proxy gives for a reason of its own.
    Status(u16),
    /// With 200 and bytes that are not those of its answer.
    WrongBytes,
    /// With an answer that broke off after its head, in an error: no retry can help any more.
    Broken(Cause),
    /// With an error instead of an answer.
    Failed(Fate, Cause),
    /// Not at all.
    Hung,
}

/// What is counted, of one server or of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    /// How many different requests were processed.
    pub(crate) processed: u64,
    /// Answers with a status other than 200.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests and resends, those for the rest of a download among them.
    pub(crate) attempts: u64,
    pub(crate) resends: BTreeMap<String, u64>,
    pub(crate) resumes: BTreeMap<String, u64>,
    /// By what the error proved; within that by its cause, and why it was not resent.
    pub(crate) errors: BTreeMap<String, BTreeMap<String, u64>>,
    /// Answers that broke off after their heads.
    pub(crate) broken: BTreeMap<String, u64>,
    /// Requests that are not idempotent and were processed more than once, but for [`violations`](Self::violations).
    pub(crate) doubled: u64,
    /// Those that the server had refused before: RFC 9113, section 8.7, lets it do so only to what it has not processed.
    pub(crate) violations: u64,
    /// Errors that prove that nothing was processed, of requests for which attempts remained.
    pub(crate) lost: u64,
    pub(crate) hung: u64,
    pub(crate) wrong_bytes: u64,
    /// Errors that prove that nothing was processed, of requests that were, and are not idempotent.
    pub(crate) false_proofs: u64,
    /// What the clients did against HTTP/2, as the scripted server sees it.
    pub(crate) protocol_errors: u64,
    pub(crate) connections: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    /// Some of the requests that broke a law, and how.
    pub(crate) named: Vec<String>,
}

impl Account {
    /// A request begins.
    pub(crate) fn begin(&mut self) {
        self.row.requests += 1;
        self.row.attempts += 1;
    }

    /// A request is resent after a failure.
    pub(crate) fn resent(&mut self, number: u64, cause: Cause) {
        self.row.attempts += 1;
        count(&mut self.row.resends, cause.to_string());
        self.open.entry(number).or_default().resends.push(cause);
    }

    /// A request is not resent after a failure.
    pub(crate) fn stopped(&mut self, number: u64, fate: Fate, cause: Cause, stop: Stop) {
        self.open.entry(number).or_default().stop = Some((fate, cause, stop));
    }

    /// The rest of a download is asked for.
    pub(crate) fn resumed(&mut self, broke: &str) {
        self.row.attempts += 1;
        count(&mut self.row.resumes, broke.to_owned());
    }

    /// Something was done to the server.
    pub(crate) fn fault(&mut self, what: &str, times: u64) {
        if times > 0 {
            *self.row.faults.entry(what.to_owned()).or_default() += times;
        }
    }

    /// A request ends.
    pub(crate) fn end(&mut self, number: u64, ending: Ending) {
        let Failures { resends, stop } = self.open.remove(&number).unwrap_or_default();
        let once = !Kind::of(number).is_idempotent();
        if once && !resends.is_empty() {
            self.resent.insert(number, resends);
        }
        match ending {
            Ending::Answered => self.row.answered += 1,
            Ending::Status(status) => *self.row.statuses.entry(status).or_default() += 1,
            Ending::Broken(cause) => count(&mut self.row.broken, cause.to_string()),
            Ending::WrongBytes => {
                self.row.wrong_bytes += 1;
                self.name(format!("{number}: the bytes of its answer are wrong"));
            }
            Ending::Hung => {
                self.row.hung += 1;
                self.name(format!("{number}: it hung"));
            }
            Ending::Failed(fate, cause) => self.failed(number, fate, cause, stop),
        }
    }

    /// `fate` and `cause` are what the error shows that the caller got; `stop` is what the layer said of it, and why it stopped.
    fn failed(&mut self, number: u64, fate: Fate, cause: Cause, stop: Option<(Fate, Cause, Stop)>) {
        // The layer knows more than the error shows: whether the body was sent.
        let (told, cause, why) = stop.map_or((fate, cause, None), |(fate, cause, stop)| (fate, cause, Some(stop)));
        let label = why.map_or("not told", Stop::label);
        count(self.row.errors.entry(told.label().to_owned()).or_default(), format!("{cause}: {label}"));
        let proof = told.is_proof() || fate.is_proof();
        if proof && !why.is_some_and(is_out_of_attempts) {
            self.row.lost += 1;
            self.name(format!("{number}: lost, {told} ({cause}), {label}"));
        }
        if told.is_proof() && !Kind::of(number).is_idempotent() {
            self.disclaimed.push((number, cause));
        }
    }

    /// Compares with the ledger, when all is over: `doubled` are the numbers that were processed more than once, `times` says how
    /// often any was.
    pub(crate) fn settle(&mut self, doubled: impl IntoIterator<Item = u64>, times: impl Fn(u64) -> u64) {
        (self.row.doubled, self.row.violations, self.row.false_proofs) = (0, 0, 0);
        for number in doubled.into_iter().filter(|number| !Kind::of(*number).is_idempotent()) {
            let causes = self.resent.get(&number).cloned().unwrap_or_default();
            if causes.contains(&Cause::Refused) {
                self.row.violations += 1;
            } else {
                self.row.doubled += 1;
            }
            self.name(format!("{number}: processed {} times, resent after {}", times(number), list(&causes)));
        }
        for (number, cause) in std::mem::take(&mut self.disclaimed) {
            if times(number) > 0 {
                self.row.false_proofs += 1;
                self.name(format!("{number}: processed, and yet {cause} was taken for a proof that it was not"));
            }
        }
    }

    /// How many of these were processed twice and must not be.
    pub(crate) fn doubled_so_far(doubled: impl IntoIterator<Item = u64>) -> u64 {
        doubled.into_iter().filter(|number| !Kind::of(*number).is_idempotent()).count() as u64
    }

    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    pub(crate) fn row_mut(&mut self) -> &mut Row {
        &mut self.row
    }

    fn name(&mut self, what: String) {
        if self.row.named.len() < NAMED {
            self.row.named.push(what);
        }
    }
}

impl Row {
    /// Whether no law was broken by the client. What a server did against RFC 9113 is listed, and is not the client's.
    pub(crate) fn is_clean(&self) -> bool {
        [self.doubled, self.lost, self.hung, self.wrong_bytes, self.false_proofs, self.protocol_errors] == [0; 6]
    }

    /// Requests that have ended.
    pub(crate) fn ended(&self) -> u64 {
        let statuses: u64 = self.statuses.values().sum();
        self.answered + statuses + self.errors() + total(&self.broken) + self.hung + self.wrong_bytes
    }

    /// Whether the ledger can be believed: it counts whatever was answered.
    pub(crate) fn is_counted(&self) -> bool {
        self.processed >= self.answered
    }

    /// Errors instead of answers.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().map(total).sum()
    }

    /// Resends, without requests for the rest of a download.
    pub(crate) fn resends(&self) -> u64 {
        total(&self.resends)
    }

    /// Attempts for each request.
    pub(crate) fn load(&self) -> f64 {
        if self.requests == 0 { 1.0 } else { self.attempts as f64 / self.requests as f64 }
    }

    /// Adds another's, whose requests are named with `name`.
    pub(crate) fn add(&mut self, name: &str, other: &Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.processed += other.processed;
        self.attempts += other.attempts;
        self.doubled += other.doubled;
        self.violations += other.violations;
        self.lost += other.lost;
        self.hung += other.hung;
        self.wrong_bytes += other.wrong_bytes;
        self.false_proofs += other.false_proofs;
        self.protocol_errors += other.protocol_errors;
        self.connections += other.connections;
        merge(&mut self.statuses, &other.statuses);
        merge(&mut self.resends, &other.resends);
        merge(&mut self.resumes, &other.resumes);
        merge(&mut self.broken, &other.broken);
        merge(&mut self.faults, &other.faults);
        for (fate, errors) in &other.errors {
            merge(self.errors.entry(fate.clone()).or_default(), errors);
        }
        self.named.extend(other.named.iter().map(|what| format!("{name}: {what}")));
    }
}

/// Whether it ended because a limit on attempts was reached: of their number, their time or their budget.
fn is_out_of_attempts(stop: Stop) -> bool {
    matches!(stop, Stop::MaxResends | Stop::OutOfTime { .. } | Stop::BudgetExhausted)
}

fn list(causes: &[Cause]) -> String {
    if causes.is_empty() {
        return "nothing that the layer knows of".to_owned();
    }
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn count(counts: &mut BTreeMap<String, u64>, what: String) {
    *counts.entry(what).or_default() += 1;
}

pub(crate) fn total(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

fn merge<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, others: &BTreeMap<K, u64>) {
    for (what, times) in others {
        *counts.entry(what.clone()).or_default() += times;
    }
}
