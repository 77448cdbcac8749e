//! One set of scripts against every stack, from one table: what each fault proves there, and how the request ends.
//!
//! A cell is a stack, a fault, and a request by its method and body. [`table::expected`] says what has to come of it, or why
//! the stack cannot get there.
#![cfg(all(feature = "reqwest", feature = "reqwest-middleware", feature = "tonic", feature = "connect"))]

#[path = "../support/mod.rs"]
mod support;

mod call;
mod fault;
mod load;
mod over_connect;
mod over_kube;
mod over_tonic;
mod stacks;
mod table;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::call::{Call, Content, ID};
use crate::fault::Fault;
use crate::stacks::{STACKS, Setup, Stack};
use crate::support::bound::within;
use crate::support::reason;
use crate::support::tls::Identity;
use crate::table::{Cell, Ending, expected};

/// Plays one cell, and says what is wrong with it.
async fn play(stack: Stack, fault: Fault, call: Call) -> Option<String> {
    let cell = expected(stack, fault, call).ok()?;
    let played = fault.start(call).await;
    let trusted = fault.uses_tls().then(Identity::new);
    let client = stack.client(&Setup { trusted, impatient: fault == Fault::Silent, watched: stack.watches() });
    let uri = played.uri();
    let (tell, ready) = oneshot::channel();

    let requests = async {
        let mut forerunner = None;
        if fault.has_forerunner() {
            let get = Call { method: "GET", content: Content::Empty };
            forerunner = Some(tokio::spawn(client.send(get, "forerunner", uri.clone())));
            ready.await.expect("the script tells");
        }
        let result = client.send(call, ID, uri).await;
        if let Some(forerunner) = forerunner {
            forerunner.await.expect("a task").expect("the forerunner is answered, to the end of its body");
        }
        result
    };
    let result = within(format!("{stack:?}, {fault:?}, {call:?}"), async {
        tokio::select! {
            result = requests => result,
            () = played.play(tell) => unreachable!("a script goes on until it is dropped"),
        }
    })
    .await;

    let attempts = client.attempts();
    let ending = if result.is_ok() { Ending::Answered } else { Ending::Surfaced };
    let seen = Cell { failure: attempts.first().map(|(fate, cause, _)| (*fate, *cause)), ending };
    let mut wrong = Vec::new();
    if seen != cell {
        wrong.push(format!("expected {cell:?}, got {seen:?}"));
    }
    let times = played.server.ledger().times(ID);
    if times > 1 && !call.is_idempotent() {
        wrong.push(format!("processed {times} times"));
    }
    (!wrong.is_empty()).then(|| format!("{stack:?}, {fault:?}, {call:?}: {wrong:?}, {attempts:?}, {result:?}"))
}

/// All cells of one fault at once.
async fn conforms(fault: Fault) {
    let cells = STACKS.iter().flat_map(|stack| Call::all().into_iter().map(move |call| play(*stack, fault, call)));
    let wrong: Vec<_> = join_all(cells).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

/// A connection that is wound up while idle.
#[tokio::test]
async fn graceful_goaway_while_idle() {
    conforms(Fault::GracefulIdle).await;
}

/// G1: the request goes to a new connection at once, and the long stream on the old one finishes.
#[tokio::test]
async fn graceful_goaway_with_a_stream_open() {
    conforms(Fault::GracefulOpen).await;
}

/// C8: a GOAWAY that says that the request was not processed.
#[tokio::test]
async fn goaway_below_the_request() {
    conforms(Fault::GoAway(reason::NO_ERROR)).await;
}

/// C8, for a reason that is an error.
#[tokio::test]
async fn goaway_with_an_error() {
    conforms(Fault::GoAway(reason::INTERNAL_ERROR)).await;
}

/// C12.
#[tokio::test]
async fn goaway_that_asks_for_calm() {
    conforms(Fault::GoAway(reason::ENHANCE_YOUR_CALM)).await;
}

/// C1.
#[tokio::test]
async fn refused_stream() {
    conforms(Fault::Refused).await;
}

/// C4.
#[tokio::test]
async fn stream_canceled_by_the_server() {
    conforms(Fault::Reset(reason::CANCEL)).await;
}

/// C13.
#[tokio::test]
async fn protocol_error() {
    conforms(Fault::Reset(reason::PROTOCOL_ERROR)).await;
}

/// C5: cut after it was processed.
#[tokio::test]
async fn cut_before_the_head() {
    conforms(Fault::CutBeforeHead).await;
}

#[tokio::test]
async fn reset_within_the_body() {
    conforms(Fault::ResetWithinBody).await;
}

/// M1: once the head has come nothing is resent.
#[tokio::test]
async fn reset_after_the_head() {
    conforms(Fault::ResetAfterHead).await;
}

/// K1, K10, C14.
#[tokio::test]
async fn silent_connection() {
    conforms(Fault::Silent).await;
}

/// C18.
#[tokio::test]
async fn body_that_fails() {
    conforms(Fault::BodyFails).await;
}

/// C21.
#[tokio::test]
async fn connect_refused() {
    conforms(Fault::ConnectRefused).await;
}

/// C21.
#[tokio::test]
async fn untrusted_certificate() {
    conforms(Fault::Untrusted).await;
}
