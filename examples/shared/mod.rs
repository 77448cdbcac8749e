//! What the examples with one stack each share: a server that misbehaves, the same requests without and with the layers, and a
//! table of what became of them.
#![allow(dead_code, unreachable_pub, reason = "each example uses a part of it")]

#[path = "../../tests/support/mod.rs"]
pub mod support;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, Uri};
use tower::BoxError;

use self::support::{Fault, FaultyServer, GoAway, GoAwayStyle, Ledger, Received, reason};

/// The header that the server counts requests by.
pub const REQUEST_ID: &str = support::REQUEST_ID;

const REQUESTS: usize = 400;
const AT_A_TIME: usize = 8;

/// After how long without an answer none will come: on loopback each takes milliseconds.
const HANGS: Duration = Duration::from_secs(8);

/// One request to be made.
#[derive(Clone, Debug)]
pub struct Job {
    /// GET and POST in turn.
    pub method: Method,
    pub uri: Uri,
    /// Goes into [`REQUEST_ID`]: no two requests have the same.
    pub id: String,
    /// Of a POST; a GET has none.
    pub body: Option<&'static str>,
}

/// What became of a client's requests.
#[derive(Debug, Default)]
pub struct Outcome {
    requests: usize,
    failed: usize,
    /// Of the failed, those that the server never processed.
    lost: usize,
    /// POSTs that were processed more than once.
    doubled: usize,
    /// How many the server saw.
    pub connections: u64,
    /// The errors, in the client's own words, with how often they came.
    errors: BTreeMap<String, usize>,
}

/// A server that winds a connection up after every 25th stream, with that stream and those behind it unprocessed, refuses every
/// 20th request, and now and then gives a GET up.
pub async fn misbehaving_server() -> FaultyServer {
    let goaway = GoAway::every(25).style(GoAwayStyle::LowLast);
    // Each once: a request that met this too often would fail, with the layers too.
    let given_up = Mutex::new(HashSet::new());
    let give_up = move |request: &Received| {
        let mut given_up = given_up.lock().unwrap_or_else(PoisonError::into_inner);
        request.method == Method::GET && given_up.insert(request.id.clone())
    };
    let fault = move |request: &Received, nth: u64| match nth % 20 {
        0 => Some(Fault::Refuse),
        7 if give_up(request) => Some(Fault::Reset { reason: reason::INTERNAL_ERROR, processed: false }),
        _ => None,
    };
    FaultyServer::builder().goaway(goaway).choose(fault).delay(Duration::from_millis(1)).start().await
}

/// Makes 400 requests, eight at a time.
pub async fn run<F>(server: &FaultyServer, send: impl Fn(Job) -> F) -> Outcome
where
    F: Future<Output = Result<(), BoxError>>,
{
    let is_post = |n: usize| n % 2 == 1;
    let mut outcome = calls(REQUESTS, server.ledger(), is_post, |n, id| {
        let (method, body) = if is_post(n) { (Method::POST, Some("an order")) } else { (Method::GET, None) };
        send(Job { method, uri: server.uri("/"), id, body })
    })
    .await;
    outcome.connections = server.counters().connections;
    outcome
}

/// Makes so many calls, eight at a time, each with a number and an id, by which the server counts it. `is_post` tells those that
/// must not be processed twice.
pub async fn calls<F>(
    count: usize,
    ledger: Ledger,
    is_post: impl Fn(usize) -> bool,
    send: impl Fn(usize, String) -> F,
) -> Outcome
where
    F: Future<Output = Result<(), BoxError>>,
{
    let worker = async |first: usize| {
        let mut failed = Vec::new();
        for n in (first..count).step_by(AT_A_TIME) {
            let id = format!("request-{n}");
            if let Err(error) = in_time(send(n, id.clone())).await {
                failed.push((id, in_words(&*error)));
            }
        }
        failed
    };
    let failed: Vec<_> = join_all((0..AT_A_TIME).map(worker)).await.into_iter().flatten().collect();
    let is_post = |id: &str| id.strip_prefix("request-").and_then(|n| n.parse().ok()).is_some_and(&is_post);
    let mut outcome = Outcome {
        requests: count,
        failed: failed.len(),
        lost: failed.iter().filter(|(id, _)| ledger.times(id) == 0).count(),
        doubled: ledger.doubled().iter().filter(|(id, _)| is_post(id)).count(),
        connections: 0,
        errors: BTreeMap::new(),
    };
    for (_, error) in failed {
        *outcome.errors.entry(error).or_default() += 1;
    }
    outcome
}

/// hyper can leave a request waiting for ever when its connection ends, and a bare client with it.
pub async fn in_time<T>(answer: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    tokio::time::timeout(HANGS, answer).await.unwrap_or_else(|_| Err("no answer, ever".into()))
}

/// An error and what led to it.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    // Addresses differ from run to run.
    match words.split_once(" for url (") {
        Some((before, after)) => format!("{before}{}", after.split_once(')').map_or("", |(_, rest)| rest)),
        None => words,
    }
}

/// Prints both, side by side. It is a failure if a request failed with the layers, or was done twice.
pub fn compare(without: &Outcome, with: &Outcome) -> ExitCode {
    let row = |what: &str, without: u64, with: u64| println!("{what:<28}{without:>8}{with:>8}");
    println!("{:<28}{:>8}{:>8}", "", "without", "with");
    row("requests", without.requests as u64, with.requests as u64);
    row("failed", without.failed as u64, with.failed as u64);
    row("  of these, never processed", without.lost as u64, with.lost as u64);
    row("POSTs processed twice", without.doubled as u64, with.doubled as u64);
    row("connections", without.connections, with.connections);
    for (whose, outcome) in [("without", without), ("with", with)] {
        for (error, count) in &outcome.errors {
            println!("\n{whose}: {count} x {error}");
        }
    }
    ExitCode::from(u8::from(with.failed > 0 || with.doubled > 0))
}
