//! What is counted, and what it comes to.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

use super::settings::Settings;

/// How fine the counts are.
pub(crate) const STEPS_PER_SECOND: u32 = 2;

/// From which share of answered requests on the system counts as well.
const WELL: f64 = 0.99;

/// The counts of one step of time.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Requests that began in it.
    begun: u64,
    /// Of these, how many were answered, in it or later.
    answered: u64,
    /// What the server saw in it.
    attempts: u64,
}

/// Counts while the simulation runs.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    steps: Vec<Step>,
    /// Answers of the server that somebody waited for, and others.
    wanted: u64,
    unwanted: u64,
}

impl Tally {
    /// For the time that is watched; a step more takes what comes later.
    pub(super) fn new(settings: &Settings) -> Self {
        let steps = settings.seconds.saturating_mul(STEPS_PER_SECOND).max(1) as usize;
        let counts = Counts { steps: vec![Step::default(); steps + 1], wanted: 0, unwanted: 0 };
        Self { began: Instant::now(), counts: Mutex::new(counts) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, counts: &Counts, when: Instant) -> usize {
        let step = when.duration_since(self.began).as_millis() * u128::from(STEPS_PER_SECOND) / 1_000;
        usize::try_from(step).unwrap_or(usize::MAX).min(counts.steps.len() - 1)
    }

    /// A request begins, at this instant.
    pub(super) fn begun(&self) -> Instant {
        let (mut counts, now) = (self.counts(), Instant::now());
        let step = self.at(&counts, now);
        counts.steps[step].begun += 1;
        now
    }

    /// A request is answered that began then.
    pub(super) fn answered(&self, begun: Instant) {
        let mut counts = self.counts();
        let step = self.at(&counts, begun);
        counts.steps[step].answered += 1;
    }

    /// An attempt has reached the server.
    pub(super) fn attempted(&self) {
        let mut counts = self.counts();
        let step = self.at(&counts, Instant::now());
        counts.steps[step].attempts += 1;
    }

    /// The server has done its work for a request.
    pub(super) fn worked(&self, wanted: bool) {
        let mut counts = self.counts();
        *(if wanted { &mut counts.wanted } else { &mut counts.unwanted }) += 1;
    }

    pub(super) fn figures(&self, settings: &Settings) -> Figures {
        Figures::of(&self.counts(), settings)
    }
}

/// What became of all requests of one kind of client.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) attempts: u64,
    /// Attempts beyond each request's first, in all.
    pub(crate) extra: u64,
    /// The same, from the beginning of the outage until the capacity was back.
    pub(crate) extra_in_outage: u64,
    /// Requests that began in that time.
    pub(crate) requests_in_outage: u64,
    /// The most that resends added to the load in a step, as a share of what is offered.
    pub(crate) peak_extra: f64,
    /// How long after the capacity was back requests were answered again, and stayed so; `None` where they were not before the
    /// end.
    pub(crate) recovered_after_s: Option<f64>,
    /// The share of the server's work that was done for nobody.
    pub(crate) wasted: f64,
    /// For each step, the attempts as a share of the requests that are offered.
    pub(crate) load: Vec<f64>,
    /// For each step, the share of the requests begun in it that were answered.
    pub(crate) goodput: Vec<f64>,
}

impl Figures {
    fn of(counts: &Counts, settings: &Settings) -> Self {
        // Without the last step: what came later.
        let shown = &counts.steps[..counts.steps.len() - 1];
        let offered = f64::from(settings.clients) / f64::from(STEPS_PER_SECOND);
        let sum = |of: fn(&Step) -> u64| shown.iter().map(of).sum::<u64>();
        let step_of = |seconds: u32| (seconds.saturating_mul(STEPS_PER_SECOND) as usize).min(shown.len());
        let back = step_of(settings.back_at_s());
        let outage = &shown[step_of(settings.outage_at_s).min(back)..back];
        let goodput: Vec<_> = shown.iter().map(|step| ratio(step.answered, step.begun)).collect();
        let ill = goodput[back..].iter().rposition(|share| *share < WELL).map_or(0, |last| last + 1);
        Self {
            requests: sum(|step| step.begun),
            answered: sum(|step| step.answered),
            attempts: sum(|step| step.attempts),
            extra: sum(Step::extra),
            extra_in_outage: outage.iter().map(Step::extra).sum(),
            requests_in_outage: outage.iter().map(|step| step.begun).sum(),
            peak_extra: shown.iter().map(|step| step.extra() as f64 / offered).fold(0.0, f64::max),
            recovered_after_s: (back + ill < shown.len()).then(|| ill as f64 / f64::from(STEPS_PER_SECOND)),
            wasted: ratio(counts.unwanted, counts.wanted + counts.unwanted),
            load: shown.iter().map(|step| step.attempts as f64 / offered).collect(),
            goodput,
        }
    }

    pub(crate) fn success_rate(&self) -> f64 {
        ratio(self.answered, self.requests)
    }

    /// When it was well again, in words: not longer than a column.
    pub(crate) fn recovers(&self, settings: &Settings) -> String {
        match self.recovered_after_s {
            Some(seconds) => format!("in {seconds:.1} s"),
            None => format!("not in {} s", settings.seconds.saturating_sub(settings.back_at_s())),
        }
    }

    /// Attempts beyond the first, for each request, from the beginning of the outage until the capacity was back.
    pub(crate) fn extra_load_in_outage(&self) -> f64 {
        if self.requests_in_outage == 0 { 0.0 } else { self.extra_in_outage as f64 / self.requests_in_outage as f64 }
    }

    /// The same, over the whole run.
    pub(crate) fn extra_load(&self) -> f64 {
        ratio(self.extra, self.requests)
    }
}

impl Step {
    /// Each request's first attempt is made in the instant when it begins.
    fn extra(&self) -> u64 {
        self.attempts.saturating_sub(self.begun)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
