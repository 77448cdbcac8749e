//! The five laws, and nothing else: pure functions over a [`History`], each of which can fail.
//!
//! Where a law does not apply, it says here why.

use std::fmt;
use std::time::Duration;

use tower_redial::fate::{Cause, Fate, Reason};
use tower_redial::resume::Why;
use tower_redial::retry::Stop;

use crate::history::{Attempt, Client, History, Outcome, Request};
use crate::schedule::LanePlan;

/// The laws of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    NeverTwice,
    NeverLost,
    NeverHung,
    NeverStormy,
    NeverWrongBytes,
    /// No panic, no breach of the protocol.
    Sound,
}

/// A law that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) law: Law,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.law, self.what)
    }
}

/// What of the laws was broken.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut broken = |law, what: String| found.push(Violation { law, what });
    for what in &history.wrong {
        broken(Law::Sound, what.clone());
    }
    for (id, request) in &history.requests {
        let client = &history.clients[request.client];
        let mut say = |law, what: Option<String>| {
            if let Some(what) = what {
                broken(law, format!("{id}: {what}"));
            }
        };
        say(Law::NeverTwice, twice(request));
        say(Law::NeverLost, lost(request, client));
        say(Law::NeverHung, hung(request, history.faults_end));
        say(Law::NeverStormy, too_often(request, client));
        say(Law::NeverWrongBytes, wrong_bytes(request));
    }
    for (number, client) in history.clients.iter().enumerate() {
        let requests: Vec<_> = history.requests.values().filter(|request| request.client == number).collect();
        for lane in [Lane::Transparent, Lane::AfterLoss] {
            if let Some(what) = overspent(&requests, client, lane) {
                broken(Law::NeverStormy, format!("client {number}, {lane:?}: {what}"));
            }
            if let Some(what) = denied(&requests, client, lane) {
                broken(Law::NeverLost, format!("client {number}, {lane:?}: {what}"));
            }
        }
    }
    found
}

// ===== never twice =====

/// Whatever the caller saw, and whether or not he waited for it.
fn twice(request: &Request) -> Option<String> {
    let twice = !request.idempotent && request.processed > 1;
    twice.then(|| format!("processed {} times", request.processed))
}

// ===== never lost =====

fn lost(request: &Request, client: &Client) -> Option<String> {
    let last = request.attempts.last();
    // A timeout for each attempt is the caller's own: it does not ask whether anything went wrong.
    let timed_out = client.per_try && last.is_some_and(|last| last.cause == Cause::Timeout);
    if request.calm && !timed_out && request.outcome != Some(Outcome::Answered { right: true }) {
        return Some(format!("{:?} though nothing went wrong any more, {last:?}", request.outcome));
    }
    if let Some(Attempt { stop: Some(stop), .. }) = last {
        if let Some(why) = wrongly_stopped(request, client, *stop) {
            return Some(format!("{why}: {last:?}"));
        }
    }
    match &request.outcome {
        // A request that a server never acted on was not answered by one.
        Some(Outcome::Answered { .. }) if request.processed == 0 => Some("answered, and never processed".to_owned()),
        Some(Outcome::Status(status)) => Some(format!("no server says {status}")),
        // The layer tells of every error that it lets pass.
        Some(Outcome::Failed(error)) if last.is_none_or(|last| last.stop.is_none()) => {
            Some(format!("failed without a word: {error}"))
        }
        Some(Outcome::Broken(Some(why))) => wrongly_broken(*why, client).then(|| format!("not resumed: {why:?}")),
        // A body that nobody resumes may break, and a caller may leave.
        _ => None,
    }
}

/// Whether the layer had no reason to let go of a request.
fn wrongly_stopped(request: &Request, client: &Client, stop: Stop) -> Option<&'static str> {
    let (last, earlier) = request.attempts.split_last()?;
    let lane = Lane::of(last);
    let resends = earlier.iter().filter(|attempt| attempt.stop.is_none() && Lane::of(attempt) == lane).count();
    let limits = lane.limits(client);
    match stop {
        Stop::NotIdempotent if last.fate.is_proof() => Some("proved unprocessed, and yet not resent"),
        Stop::NotIdempotent if request.idempotent => Some("idempotent, and yet not resent"),
        Stop::NotIdempotent => None,
        Stop::BodyUsed if request.replayable => Some("its body was lost, though it was short enough to be kept"),
        Stop::BodyUsed => None,
        // What this side's HTTP/2 library says of a connection is met again: one resend for each request.
        Stop::MaxResends if last.at_most_once && earlier.iter().any(|attempt| attempt.at_most_once) => None,
        Stop::MaxResends if resends < limits.max_resends as usize => Some("given up too early"),
        Stop::MaxResends => None,
        Stop::OutOfTime { wait } if last.elapsed + wait < client.retry_for => Some("given up before its time was over"),
        Stop::OutOfTime { .. } => None,
        // Looked at for all requests together: `denied`.
        Stop::BudgetExhausted => None,
        Stop::Permanent if !may_be_permanent(last.cause, client) => Some("nothing permanent was planned"),
        Stop::Permanent => None,
        // tower's `Reconnect` tells of a connect that failed when it is asked whether it is ready.
        Stop::NotReady if client.readies => None,
        _ => Some("no such reason was given"),
    }
}

/// What the servers were told to say that no resend can help.
fn may_be_permanent(cause: Cause, client: &Client) -> bool {
    match cause {
        Cause::Reset { reason: Reason::PROTOCOL_ERROR } => client.permanent,
        Cause::Http11Required => client.permanent && !client.downgrades,
        // A connection's first stream, and an error's code: another connection will say the same.
        Cause::GoAway { reason } => reason != Reason::NO_ERROR,
        _ => false,
    }
}

/// The servers' files never change, and they know ranges: what was let go of was let go of for want of luck.
fn wrongly_broken(why: Why, client: &Client) -> bool {
    match why {
        Why::NoProgress | Why::MaxResumes | Why::BudgetExhausted => false,
        Why::Permanent => !client.permanent,
        _ => true,
    }
}

// ===== never hung =====

/// The caller's own patience, or a bound from the moment when there was nothing to wait for any more.
fn hung(request: &Request, faults_end: Duration) -> Option<String> {
    let bound = match request.total {
        // The clock has ticks.
        Some(total) => request.began + total + Duration::from_millis(50),
        None => request.began.max(faults_end) + request.bound,
    };
    match request.ended {
        None => Some(format!("began at {:?} and did not end", request.began)),
        Some(ended) if ended > bound => Some(format!("began at {:?}, ended at {ended:?}", request.began)),
        Some(_) => None,
    }
}

// ===== never stormy =====

/// No attempt that the layers did not decide on, and no more of these than allowed.
fn too_often(request: &Request, client: &Client) -> Option<String> {
    let attempts = 1 + request.resends() as u64 + u64::from(request.resumes);
    if request.seen > attempts {
        return Some(format!("came to a server {} times with {attempts} attempts", request.seen));
    }
    // A download's requests for the rest are requests of their own.
    let requests = 1 + request.resumes;
    let most: u32 = client.limits.iter().map(|lane| lane.max_resends).sum();
    let resends = request.resends();
    (resends > (requests * most) as usize).then(|| format!("resent {resends} times"))
}

/// The limits that a resend counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Transparent,
    AfterLoss,
}

impl Lane {
    /// As the docs of `Limits` have it.
    fn of(attempt: &Attempt) -> Self {
        match (attempt.fate, attempt.cause) {
            (_, Cause::GoAway { reason: Reason::ENHANCE_YOUR_CALM }) => Self::AfterLoss,
            (Fate::NotProcessed, _) | (Fate::NotSent, Cause::HandedBack) | (_, Cause::Http11Required) => {
                Self::Transparent
            }
            (_, Cause::GoAway { reason: Reason::NO_ERROR }) => Self::Transparent,
            _ => Self::AfterLoss,
        }
    }

    fn limits(self, client: &Client) -> LanePlan {
        client.limits[self as usize]
    }
}

/// How long a budget saves up, and how long a success counts at the most.
const TTL: Duration = Duration::from_secs(10);

/// When resends of a lane were paid for.
fn paid(requests: &[&Request], lane: Lane) -> Vec<Duration> {
    let mut paid = Vec::new();
    for request in requests {
        let mut in_lane = 0;
        for attempt in &request.attempts {
            // A download's request for the rest begins to count anew; it is enough to know that these may be free.
            if Lane::of(attempt) != lane || attempt.stop.is_some() {
                continue;
            }
            // A server that closes gracefully asks for it: the first two cost nothing.
            let free =
                attempt.cause == Cause::GoAway { reason: Reason::NO_ERROR } && in_lane < 2 * (1 + request.resumes);
            in_lane += 1;
            if !free {
                paid.push(attempt.at);
            }
        }
    }
    paid.sort();
    paid
}

/// More resends than were there to be had: what a budget saved up, and a share of the successes.
fn overspent(requests: &[&Request], client: &Client, lane: Lane) -> Option<String> {
    let limits = lane.limits(client);
    let paid = paid(requests, lane);
    let last = *paid.last()?;
    let successes: u32 = requests.iter().map(|request| 1 + request.resumes).sum();
    let floor = f64::from(limits.per_second) * (TTL + last).as_secs_f64();
    let most = floor + f64::from(limits.ratio) * f64::from(successes) + 2.0;
    (paid.len() as f64 > most).then(|| format!("{} resends were paid for, of {most:.0} at the most", paid.len()))
}

/// A budget that had nothing left, though it had not given what it has in any case.
fn denied(requests: &[&Request], client: &Client, lane: Lane) -> Option<String> {
    let limits = lane.limits(client);
    let paid = paid(requests, lane);
    let stops = requests.iter().flat_map(|request| &request.attempts);
    let stops = stops.filter(|attempt| attempt.stop == Some(Stop::BudgetExhausted) && Lane::of(attempt) == lane);
    for stop in stops {
        // What came at the very time is in no order.
        let within = paid.iter().filter(|at| **at <= stop.at && **at + TTL >= stop.at).count();
        let least = (f64::from(limits.per_second) * TTL.as_secs_f64()) as usize;
        if within + 1 < least {
            return Some(format!("nothing left at {:?} after {within} resends", stop.at));
        }
    }
    None
}

// ===== never wrong bytes =====

fn wrong_bytes(request: &Request) -> Option<String> {
    if request.wrong_bodies > 0 {
        return Some(format!(
            "{} of {} bodies came to a server that were not sent",
            request.wrong_bodies, request.bodies
        ));
    }
    let wrong = request.outcome == Some(Outcome::Answered { right: false });
    wrong.then(|| "answered with a body that is another's, or not whole".to_owned())
}
