//! An attack of the catalogue.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::bounds::{BOUNDS, Bounds};
use crate::peer::Peer;
use crate::stacks::Stack;

/// What becomes of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    /// It succeeds, and the attacker plays.
    Accepted,
    /// It is refused.
    Refused,
    /// It never ends.
    Hangs,
}

type Serve = dyn Fn(Peer) -> BoxFuture<'static, io::Result<()>> + Send + Sync;

/// One attack, and how it is played.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Where it comes from: a CVE, a section of an RFC.
    pub(crate) source: &'static str,
    /// What the attacker does.
    pub(crate) what: &'static str,
    /// Whose bound holds.
    pub(crate) bound_by: &'static str,
    pub(crate) stacks: &'static [Stack],
    pub(crate) load: Load,
    pub(crate) dial: Box<dyn Fn(u64, Duration) -> Dial + Send + Sync>,
    pub(crate) serve: Box<Serve>,
    pub(crate) bounds: Bounds,
}

/// What the caller sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How many requests, every second of them a POST.
    pub(crate) requests: usize,
    /// How many of them at once.
    pub(crate) at_once: usize,
    /// How many bytes a POST has.
    pub(crate) upload: usize,
    /// Whether the caller begins to read a response at once.
    pub(crate) reads: bool,
    /// The timeouts that the caller has set: for each attempt up to the response's head, and for the whole with the body.
    pub(crate) timeouts: Option<(Duration, Duration)>,
}

/// The timeouts that the page tells people to set.
pub(crate) const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

impl Attack {
    pub(crate) fn new(name: &'static str, source: &'static str, what: &'static str) -> Self {
        Self {
            name,
            source,
            what,
            bound_by: "",
            stacks: &[Stack::HyperUtil, Stack::Pool],
            load: Load { requests: 20, at_once: 5, upload: 16, reads: true, timeouts: None },
            dial: Box::new(|_, _| Dial::Accepted),
            serve: Box::new(|_| Box::pin(async { Ok(()) })),
            bounds: BOUNDS,
        }
    }

    pub(crate) fn bound_by(mut self, whom: &'static str) -> Self {
        self.bound_by = whom;
        self
    }

    pub(crate) fn on(mut self, stacks: &'static [Stack]) -> Self {
        self.stacks = stacks;
        self
    }

    pub(crate) fn load(mut self, requests: usize, at_once: usize) -> Self {
        self.load = Load { requests, at_once, ..self.load };
        self
    }

    pub(crate) fn upload(mut self, bytes: usize) -> Self {
        self.load.upload = bytes;
        self
    }

    /// The caller holds each response for 20 s before it is read.
    pub(crate) fn unread(mut self) -> Self {
        self.load.reads = false;
        self
    }

    /// The caller has set timeouts.
    pub(crate) fn with_timeouts(mut self) -> Self {
        self.load.timeouts = Some(TIMEOUTS);
        self
    }

    pub(crate) fn dial(mut self, dial: impl Fn(u64, Duration) -> Dial + Send + Sync + 'static) -> Self {
        self.dial = Box::new(dial);
        self
    }

    pub(crate) fn serve<F>(mut self, serve: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.serve = Box::new(move |peer| Box::pin(serve(peer)));
        self
    }

    pub(crate) fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }
}
