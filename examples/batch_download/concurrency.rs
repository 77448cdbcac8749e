//! How many downloads run at a time: as many as were asked for, or as many as each origin bears.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Uri;
use serde::Serialize;
use tower_redial::fate::Reason;
use tower_redial::health::{Origin, Protocol};
use tower_redial::resume::Break;
use tower_redial::{Cause, ConnectionHealth};

use crate::aimd::{Aimd, FEW, Serial};
use crate::download::Failure;

/// The most that can be asked for, and the most there are.
const MOST: usize = 250;

/// Where the peer has announced no limit: what RFC 9113, 6.5.2 recommends it not to be below.
const UNANNOUNCED: usize = 100;

/// HTTP/1.1 takes a connection for each. What browsers make to one host.
const HTTP1: usize = 6;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// So many, whatever happens.
    Fixed(usize),
    /// As many as each origin bears.
    Auto,
}

impl Concurrency {
    /// What a server should expect at a time.
    pub(crate) fn usual(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto => FEW,
        }
    }

    /// The most that one connection can take down.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto => MOST,
        }
    }
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
        count.map(Self::Fixed).ok_or_else(|| format!("neither `auto` nor a number from 1 to {MOST}"))
    }
}

/// Who may run. A clone is a handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    concurrency: Concurrency,
    /// What shows the peers' limits; not where nothing watches the connections.
    health: Option<ConnectionHealth>,
    state: Arc<Mutex<State>>,
    began: Instant,
}

#[derive(Debug, Default)]
struct State {
    origins: HashMap<Origin, Site>,
    running: usize,
}

#[derive(Debug)]
struct Site {
    aimd: Aimd,
    /// The downloads under way.
    running: HashMap<Uri, Serial>,
}

/// A download that runs. Dropping it frees its place.
#[derive(Debug)]
struct Place<'a> {
    places: &'a Places,
    uri: Uri,
}

/// What became of the number of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// At the end.
    limit: usize,
    highest: usize,
    halvings: u64,
}

impl Places {
    pub(crate) fn new(concurrency: Concurrency, health: Option<&ConnectionHealth>) -> Self {
        Self { concurrency, health: health.cloned(), state: Arc::default(), began: Instant::now() }
    }

    /// Whether one is free for this download.
    pub(crate) fn is_free(&self, uri: &Uri) -> bool {
        let mut state = self.state();
        match self.concurrency {
            Concurrency::Fixed(count) => state.running < count,
            Concurrency::Auto => {
                state.running < MOST
                    && self.site(&mut state, uri).is_none_or(|site| site.running.len() < site.aimd.limit())
            }
        }
    }

    /// Takes a place at once, has the download in it until it ends, and learns from how it does. A URI can have only one.
    pub(crate) fn hold<T>(
        &self,
        uri: Uri,
        download: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        let place = self.take(uri);
        async move {
            let done = download.await;
            match &done {
                Ok(_) => place.ended_well(),
                Err(failure) => self.failed(&place.uri, failure.cause),
            }
            done
        }
    }

    fn take(&self, uri: Uri) -> Place<'_> {
        let mut state = self.state();
        state.running += 1;
        if let Some(site) = self.site(&mut state, &uri) {
            let serial = site.aimd.begun();
            site.running.insert(uri.clone(), serial);
        }
        Place { places: self, uri }
    }

    /// How many may run at this origin.
    pub(crate) fn limit(&self, uri: &Uri) -> usize {
        match self.concurrency {
            Concurrency::Fixed(count) => count,
            Concurrency::Auto => self.site(&mut self.state(), uri).map_or(1, |site| site.aimd.limit()),
        }
    }

    /// Whether numbers can change by themselves.
    pub(crate) fn is_auto(&self) -> bool {
        self.concurrency == Concurrency::Auto
    }

    /// Looks at what the peers have said.
    pub(crate) fn look(&self) {
        let Some(health) = self.health.as_ref().filter(|_| self.is_auto()) else { return };
        let snapshot = health.snapshot();
        let mut state = self.state();
        for (origin, site) in &mut state.origins {
            // What answers has sent its SETTINGS before.
            if snapshot.origins.iter().any(|seen| seen.origin == *origin && seen.answered > 0) {
                site.aimd.heard();
            }
            // The newest counts: that is where the next request goes.
            let mut connections = snapshot.connections.iter().rev();
            let Some(newest) = connections.find(|connection| connection.origin == *origin) else { continue };
            match newest.protocol {
                Protocol::Http2 => {
                    site.aimd.allowed(newest.max_concurrent_streams.map_or(UNANNOUNCED, |most| most as usize));
                }
                Protocol::Other => site.aimd.allowed(HTTP1),
                _ => {}
            }
        }
    }

    /// The request for this URI failed for this cause.
    pub(crate) fn failed(&self, uri: &Uri, cause: Cause) {
        if !is_trouble(cause) {
            return;
        }
        let now = self.began.elapsed();
        let mut state = self.state();
        let Some(site) = self.site(&mut state, uri) else { return };
        if let Some(serial) = site.running.get(uri) {
            site.aimd.failed(*serial, now);
        }
    }

    /// The body of the response for this URI broke.
    pub(crate) fn broke(&self, uri: &Uri, how: Break) {
        let cause = match how {
            Break::Failed(cause) => cause,
            Break::Short => Cause::Closed,
            Break::Stalled => Cause::Timeout,
            _ => return,
        };
        self.failed(uri, cause);
    }

    /// What became of the numbers; nothing if they were not for us to choose.
    pub(crate) fn outcomes(&self) -> Option<BTreeMap<String, Outcome>> {
        let state = self.state();
        let outcome = |aimd: &Aimd| Outcome { limit: aimd.limit(), highest: aimd.highest(), halvings: aimd.halvings() };
        let outcomes = state.origins.iter().map(|(origin, site)| (origin.to_string(), outcome(&site.aimd)));
        self.is_auto().then(|| outcomes.collect())
    }

    fn site<'a>(&self, state: &'a mut State, uri: &Uri) -> Option<&'a mut Site> {
        let origin = Origin::of(uri).filter(|_| self.is_auto())?;
        Some(state.origins.entry(origin).or_insert_with(|| {
            let mut aimd = Aimd::new(UNANNOUNCED);
            if self.health.is_none() {
                // Nobody will tell.
                aimd.heard();
            }
            Site { aimd, running: HashMap::new() }
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The download is whole.
    fn ended_well(&self) {
        let mut state = self.places.state();
        if let Some(site) = self.places.site(&mut state, &self.uri) {
            site.aimd.ended_well(site.running.len());
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.running -= 1;
        if let Some(site) = self.places.site(&mut state, &self.uri) {
            site.running.remove(&self.uri);
        }
    }
}

/// Whether it says that the peer, or the way to it, has too much to do. A connection that is wound up or was closed while nobody
/// used it says nothing of the kind; nor does an error of ours.
fn is_trouble(cause: Cause) -> bool {
    match cause {
        Cause::GoAway { reason } => reason != Reason::NO_ERROR,
        Cause::Connect
        | Cause::Refused
        | Cause::Reset { .. }
        | Cause::Closed
        | Cause::Silent
        | Cause::Unreachable
        | Cause::DispatchGone
        | Cause::Timeout => true,
        _ => false,
    }
}
