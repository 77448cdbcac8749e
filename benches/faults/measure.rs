//! All rows with all stacks, round by round.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde::Serialize;

use crate::connects::Connects;
use crate::load::{self, Ended, Ending};
use crate::rows::{Load, Row, Times};
use crate::shared::statistics::{Estimate, estimate, quantile};
use crate::site::Site;
use crate::stacks::Stack;

/// What one stack did in one row, in all rounds.
#[derive(Clone, Debug, Default)]
struct Tally {
    requests: u64,
    answered: u64,
    unproven: u64,
    failed: u64,
    timed_out: u64,
    doubled: u64,
    /// Requests that came to the server, and connects that failed.
    load: u64,
    /// Answers in time, in each round, for each second.
    goodput: Vec<f64>,
    /// Of those that were answered, in milliseconds.
    took: Vec<f64>,
}

/// The same as figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) stack: &'static str,
    #[serde(skip)]
    pub(crate) of: Stack,
    pub(crate) requests: u64,
    /// Answered, of all.
    pub(crate) success: f64,
    /// Answered, of those that the protocol allows to be: without those whose error leaves open whether they were processed, and
    /// which may not be sent twice.
    pub(crate) success_where_allowed: f64,
    pub(crate) unproven: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
    /// Requests that change something and were processed more than once.
    pub(crate) doubled: u64,
    /// Requests that came to the server and connects that failed, for each request.
    pub(crate) load: f64,
    pub(crate) per_second: f64,
    /// Answers in time over those of the same stack without faults, in the same round; of what was offered where requests are paced.
    pub(crate) goodput: Estimate,
    /// Answers in time over those of our layers around the same client, in the same round.
    pub(crate) against_ours: Option<Estimate>,
    pub(crate) p50_ms: f64,
    pub(crate) p999_ms: f64,
}

/// One row with all stacks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(skip)]
    pub(crate) row: Row,
    pub(crate) name: String,
    pub(crate) server: &'static str,
    pub(crate) stacks: Vec<Figures>,
}

/// How often each row is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    pub(crate) closed: usize,
    pub(crate) paced: usize,
}

/// Measures all.
pub(crate) async fn all(rows: &[Row], times: &Times, rounds: Rounds) -> Vec<Measured> {
    let mut tallies: HashMap<(usize, &str), Tally> = HashMap::new();
    for round in 0..rounds.closed.max(rounds.paced) {
        for (at, row) in rows.iter().enumerate() {
            match row.load {
                Load::Workers(_) if round < rounds.closed => {
                    for turn in 0..Stack::ALL.len() {
                        let stack = Stack::ALL[(turn + round) % Stack::ALL.len()];
                        let run = once(row, stack, times).await;
                        tallies.entry((at, stack.name())).or_default().add(run);
                    }
                }
                // They leave the machine idle, and take long: so all at once, each with a server of its own.
                Load::Paced(_) if round < rounds.paced => {
                    let runs = join_all(Stack::ALL.map(|stack| once(row, stack, times))).await;
                    for (stack, run) in Stack::ALL.iter().zip(runs) {
                        tallies.entry((at, stack.name())).or_default().add(run);
                    }
                }
                _ => {}
            }
        }
    }
    let tally = |at: usize, stack: Stack| &tallies[&(at, stack.name())];
    rows.iter()
        .enumerate()
        .map(|(at, row)| {
            let reference = rows.iter().position(|other| other.is_reference_of(row));
            let stacks = Stack::ALL.map(|stack| {
                let goodput = match (reference, row.load) {
                    (Some(reference), _) => ratios(&tally(at, stack).goodput, &tally(reference, stack).goodput),
                    (None, Load::Paced(rate)) => estimate(
                        &tally(at, stack).goodput.iter().map(|some| some / f64::from(rate)).collect::<Vec<_>>(),
                    ),
                    (None, Load::Workers(_)) => unreachable!("each closed loop has a row without faults"),
                };
                let against = stack.ours().map(|ours| ratios(&tally(at, stack).goodput, &tally(at, ours).goodput));
                tally(at, stack).figures(stack, goodput, against)
            });
            let server = if row.nginx && crate::site::has_nginx() { "nginx" } else { "scripted" };
            Measured { row: *row, name: row.name(), server, stacks: stacks.to_vec() }
        })
        .collect()
}

/// One run's part of a tally.
async fn once(row: &Row, stack: Stack, times: &Times) -> Tally {
    let mut site = Site::start(row).await;
    let (uri, ledger, connects) = (site.uri.clone(), site.ledger.clone(), Connects::default());
    let client = stack.client(&connects, row.patient);
    let window = row.window(times);
    let ended = tokio::select! {
        ended = load::run(&client, &uri, row.load, window, row.timeout()) => ended,
        () = site.happen(row.trouble, times) => unreachable!("it does not end"),
    };
    let doubled = ledger.doubled();
    let is_post = |(id, _): &&(String, u64)| id.parse().is_ok_and(load::is_post);
    let count = |ending| ended.iter().filter(|one: &&Ended| one.ending == ending).count() as u64;
    let in_time = ended.iter().filter(|one| one.ending == Ending::Answered && one.in_time).count();
    Tally {
        requests: ended.len() as u64,
        answered: count(Ending::Answered),
        unproven: count(Ending::Unproven),
        failed: count(Ending::Failed),
        timed_out: count(Ending::TimedOut),
        doubled: doubled.iter().filter(is_post).count() as u64,
        load: ledger.total_seen() + connects.failed(),
        goodput: vec![in_time as f64 / window.as_secs_f64()],
        took: ended
            .iter()
            .filter(|one| one.ending == Ending::Answered)
            .map(|one| one.took.as_secs_f64() * 1_000.0)
            .collect(),
    }
}

/// Round by round.
fn ratios(these: &[f64], those: &[f64]) -> Estimate {
    // Where nothing was answered nothing is better.
    let ratio = |(this, that): (&f64, &f64)| if *this == 0.0 { 0.0 } else { this / that.max(f64::MIN_POSITIVE) };
    estimate(&these.iter().zip(those).map(ratio).collect::<Vec<_>>())
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.unproven += other.unproven;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.doubled += other.doubled;
        self.load += other.load;
        self.goodput.extend(other.goodput);
        self.took.extend(other.took);
    }

    fn figures(&self, stack: Stack, goodput: Estimate, against_ours: Option<Estimate>) -> Figures {
        let mut took = self.took.clone();
        took.sort_by(f64::total_cmp);
        let at = |q| if took.is_empty() { f64::NAN } else { quantile(&took, q) };
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        Figures {
            stack: stack.name(),
            of: stack,
            requests: self.requests,
            success: share(self.answered, self.requests),
            success_where_allowed: share(self.answered, self.requests - self.unproven),
            unproven: self.unproven,
            failed: self.failed,
            timed_out: self.timed_out,
            doubled: self.doubled,
            load: share(self.load, self.requests),
            per_second: estimate(&self.goodput).median,
            goodput,
            against_ours,
            p50_ms: at(0.5),
            p999_ms: at(0.999),
        }
    }
}
