//! Every stack under load, against a server that misbehaves all the time: what was provably not processed does not surface, and
//! nothing is done twice.

use std::time::Duration;

use futures_util::future::join_all;

use crate::call::{Call, Content};
use crate::stacks::{STACKS, Setup, Stack};
use crate::support::bound::checked;
use crate::support::faulty_server::Builder;
use crate::support::{Fault, FaultyServer, GoAway, GoAwayStyle};

const WORKERS: usize = 16;
const EACH: usize = 12;

/// No request takes longer: its attempts have a timeout, and its resends end.
const PATIENCE: Duration = Duration::from_secs(40);

/// Which requests of a stack failed.
#[derive(Debug, Default)]
struct Failed {
    /// Those that may be processed twice.
    idempotent: Vec<String>,
    /// Of the others, those that were never processed, and whose stack can know that after the fault.
    provable: Vec<String>,
    /// All others.
    rest: Vec<String>,
}

/// What a stack is sent in turn: whatever it can send again.
fn calls(stack: Stack) -> Vec<Call> {
    let fits = |call: &Call| {
        let Call { content, .. } = *call;
        !matches!(content, Content::Failing | Content::Large) && stack.can_send(content).is_ok()
    };
    Call::all().into_iter().filter(fits).collect()
}

async fn load(stack: Stack, server: &FaultyServer, is_provable: impl Fn(Content) -> bool) -> Failed {
    let client = stack.client(&Setup { trusted: None, impatient: false, watched: stack.watches() });
    let calls = calls(stack);
    let worker = async |worker: usize| {
        let mut failed = Vec::new();
        for n in 0..EACH {
            let (at, uri) = ((worker + n) % calls.len(), server.uri("/conformance.Test/Call"));
            // The id tells what was sent.
            let id = format!("{at}-{worker}-{n}");
            let ended = checked(PATIENCE, client.send(calls[at], id.clone(), uri)).await;
            if let Err(error) = ended.unwrap_or_else(|| panic!("{stack:?}: {:?} hangs", calls[at])) {
                failed.push((calls[at], id, error));
            }
        }
        failed
    };
    let mut failed = Failed::default();
    for (call, id, error) in join_all((0..WORKERS).map(worker)).await.into_iter().flatten() {
        let provable = stack.trusts_proof() && is_provable(call.content) && server.ledger().times(&id) == 0;
        let group = match call.is_idempotent() {
            true => &mut failed.idempotent,
            false if provable => &mut failed.provable,
            false => &mut failed.rest,
        };
        group.push(format!("{call:?}: {error:?}"));
    }
    let doubled = server.ledger().doubled().into_iter().filter(|(id, _)| {
        let at = id.split_once('-').expect("it begins with a number").0;
        !calls[at.parse::<usize>().expect("a number")].is_idempotent()
    });
    assert_eq!(doubled.collect::<Vec<_>>(), [], "{stack:?}");
    failed
}

/// Plays to every stack; no idempotent request may fail, and none that was provably not processed.
async fn every_stack(
    build: impl Fn() -> Builder,
    is_provable: impl Fn(Stack, Content) -> bool,
) -> Vec<(Stack, Failed)> {
    let mut all = Vec::new();
    for stack in STACKS {
        let server = build().delay(Duration::from_millis(1)).start().await;
        let failed = load(stack, &server, |content| is_provable(stack, content)).await;
        assert!(failed.idempotent.is_empty() && failed.provable.is_empty(), "{stack:?}: {failed:?}");
        assert_eq!(server.violations(), Vec::<String>::new(), "{stack:?}");
        all.push((stack, failed));
    }
    all
}

/// G5, G9: a graceful shutdown every 20 requests.
#[tokio::test]
async fn graceful_shutdowns() {
    every_stack(|| FaultyServer::builder().goaway(GoAway::every(20)), Stack::knows_its_stream).await;
}

/// C8, G9: one that leaves the last of the 20, and what came with it, unprocessed.
#[tokio::test]
async fn shutdowns_below_a_request() {
    let goaway = || GoAway::every(20).style(GoAwayStyle::LowLast);
    every_stack(|| FaultyServer::builder().goaway(goaway()), Stack::knows_its_stream).await;
}

/// C1, C3: one request in five is refused.
#[tokio::test]
async fn refusals() {
    every_stack(|| FaultyServer::builder().every(5, Fault::Refuse), |_, _| true).await;
}

/// Q1: a server that allows few streams gets no more, once it has said so, and answers all.
#[tokio::test]
async fn few_streams() {
    for (stack, failed) in every_stack(|| FaultyServer::builder().announced_streams(2), |_, _| true).await {
        // Before it has, it refuses what is too much.
        assert!(failed.rest.is_empty() || !stack.trusts_proof(), "{stack:?}: {failed:?}");
    }
}
