//! The client under test, once bare and once with the layer, each against a server of its own.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use hyper_util::{
    client::legacy::{Client, connect::Connect},
    rt::TokioExecutor,
};
use tower::ServiceBuilder;
use tower_redial::RetryOnCanceledLayer;

use crate::{
    attempts::Attempts,
    backend::Backend,
    front::Front,
    load::{self, Failed, Kind, Outcome, Plan, causes},
    support::Ledger,
};

/// The deadline of one attempt, below the layer, as the crate's documentation orders a stack.
///
/// Without one a request can wait for ever: hyper loses those that are queued at the moment when a connection's task
/// ends (hyper #4122, #4150; hyper 1.12.0). In 40 runs of this file, with some 200,000 connections, 132
/// requests failed so, once 34 together; none had been processed, but nothing tells the client so.
const ATTEMPT: Duration = Duration::from_secs(5);

/// One run, with the server still alive: it prints its log if an assertion about the run fails.
#[derive(Debug)]
pub(crate) struct Run<C> {
    pub(crate) outcome: Outcome,
    pub(crate) connections: usize,
    kind: Kind,
    attempts: Attempts,
    /// How often each request was processed.
    ledger: Ledger,
    _front: Front<C>,
}

/// Requests at a fresh server in front of a fresh backend, through the layer if there is one. `None` where the server
/// is not installed.
pub(crate) async fn run<C>(
    start: impl AsyncFn(SocketAddr) -> Option<Front<C>>,
    kind: Kind,
    concurrent: usize,
    layer: Option<RetryOnCanceledLayer<tower_redial::retry::Boxed>>,
) -> Option<Run<C>>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let backend = Backend::start().await;
    let front = start(backend.addr()).await?;
    let plan = Plan { kind, uri: front.uri.clone(), requests: 2_000, concurrent };
    let attempts = Attempts::default();
    let watching = attempts.clone();
    let connector = front.connector.clone();
    let mut client = Client::builder(TokioExecutor::new());
    client.http2_only(front.prior_knowledge);
    let outcome = match layer {
        None => {
            let bare = ServiceBuilder::new()
                .timeout(ATTEMPT)
                .map_request(move |request| watching.watch(request))
                .service(client.build(connector));
            load::run(bare, &plan).await
        }
        Some(layer) => {
            let layered = ServiceBuilder::new()
                .layer(layer)
                .timeout(ATTEMPT)
                .map_request(move |request| watching.watch(request))
                .service(client.build(connector));
            load::run(layered, &plan).await
        }
    };
    let (ledger, connections) = (backend.ledger().clone(), front.server.connections());
    Some(Run { outcome, connections, kind, attempts, ledger, _front: front })
}

impl<C> Run<C> {
    /// How many failures could have been avoided without the risk of doing anything twice.
    pub(crate) fn avoidable(&self) -> usize {
        let failed = self.outcome.failed.iter();
        failed.filter(|failed| self.attempts.was_safe_to_resend(self.kind, &failed.id, &*failed.error)).count()
    }

    /// How many requests were sent more than once.
    pub(crate) fn resent(&self) -> usize {
        self.attempts.resent()
    }

    /// How many requests were processed more than once although that changes something.
    pub(crate) fn doubled(&self) -> usize {
        if self.kind == Kind::Get { 0 } else { self.ledger.doubled().len() }
    }

    /// The failures by what they say and by what was true of the request, with how often each was seen.
    fn errors(&self) -> BTreeMap<String, usize> {
        let mut errors = BTreeMap::new();
        for Failed { id, error, .. } in &self.outcome.failed {
            let text = causes(&**error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
            let polled = if self.attempts.polled(id) { ", body polled" } else { "" };
            let processed = if self.ledger.times(id) > 0 { ", processed" } else { "" };
            *errors.entry(format!("{text}{polled}{processed}")).or_default() += 1;
        }
        errors
    }
}

impl<C> fmt::Display for Run<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { answered, failed } = &self.outcome;
        let twice = self.ledger.doubled().len();
        write!(f, "{:?}: {answered} answered, {} failed ({} avoidably), ", self.kind, failed.len(), self.avoidable())?;
        write!(f, "{twice} processed twice, {} connections, ", self.connections)?;
        write!(f, "sends, as (times, requests): {:?}", self.attempts.sends())?;
        self.errors().iter().try_for_each(|(error, count)| write!(f, "\n  {count:>5} x {error}"))
    }
}
