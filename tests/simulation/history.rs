//! What happened in a run, as far as the laws care: plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use tower_redial::fate::{Cause, Fate};
use tower_redial::resume::Why;
use tower_redial::retry::Stop;

use crate::schedule::LanePlan;

/// Everything that the laws are asked about.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// By id.
    pub(crate) requests: BTreeMap<String, Request>,
    /// By number.
    pub(crate) clients: Vec<Client>,
    /// When the last fault was over.
    pub(crate) faults_end: Duration,
    /// What can be said without looking at a single request: panics, breaches of the protocol, a run that did not end.
    pub(crate) wrong: Vec<String>,
}

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) limits: [LanePlan; 2],
    pub(crate) retry_for: Duration,
    /// Attempts have a timeout, which counts what is waited for below it too.
    pub(crate) per_try: bool,
    /// Its server gives answers that no resend can help.
    pub(crate) permanent: bool,
    /// It goes over to HTTP/1.1 where that is wanted.
    pub(crate) downgrades: bool,
    /// Its service says that it is not ready when it cannot connect.
    pub(crate) readies: bool,
}

/// One request, from its caller's and from the servers' side.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) idempotent: bool,
    /// All of its body can be sent again, whatever became of it.
    pub(crate) replayable: bool,
    /// It began when nothing went wrong any more.
    pub(crate) calm: bool,
    pub(crate) began: Duration,
    pub(crate) ended: Option<Duration>,
    /// After how long the caller gives up.
    pub(crate) total: Option<Duration>,
    /// How long it may take if the caller does not, from when the faults are over.
    pub(crate) bound: Duration,
    pub(crate) outcome: Option<Outcome>,
    /// Its attempts that failed, in order.
    pub(crate) attempts: Vec<Attempt>,
    /// How often the rest of a download was asked for.
    pub(crate) resumes: u32,
    /// How often its head came to a server, and how often it was processed.
    pub(crate) seen: u64,
    pub(crate) processed: u64,
    /// How often a server had all of its body, and how often that was not what was sent.
    pub(crate) bodies: u32,
    pub(crate) wrong_bodies: u32,
}

/// What the caller saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200, and all of the body; whether it was the right one.
    Answered { right: bool },
    /// Another status.
    Status(u16),
    /// No response.
    Failed(String),
    /// A response whose body failed; why, if it was to be resumed.
    Broken(Option<Why>),
    /// The caller gave up.
    GaveUp,
}

/// An attempt that failed, as the layer told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) at: Duration,
    /// Since the request began.
    pub(crate) elapsed: Duration,
    pub(crate) fate: Fate,
    pub(crate) cause: Cause,
    pub(crate) at_most_once: bool,
    /// Why it was not resent; `None` if it was.
    pub(crate) stop: Option<Stop>,
}

impl Request {
    /// How often it was resent.
    pub(crate) fn resends(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.stop.is_none()).count()
    }
}
