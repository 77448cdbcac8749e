//! What reqwest's and reqwest-middleware's errors prove.

use std::error::Error;
use std::time::Duration;

use http::Method;
use tower_redial::fate::{BodyUse, Cause, Failure, Fate, Verdict};

use crate::setup::{build, client, request};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, NobodyListens, Reply, ScriptedServer, clients};

fn read(error: &(dyn Error + 'static)) -> (Fate, Cause) {
    let failure = Failure::of(error, BodyUse::Untouched);
    (failure.fate(), failure.cause())
}

/// A request that cannot be built was not sent, and never will be.
#[tokio::test]
async fn a_builders_error_is_permanent() {
    let error = client().get("not a URL").send().await.unwrap_err();
    assert!(error.is_builder());
    assert_eq!(read(&error), (Fate::Permanent, Cause::Request));
}

/// A status is an answer, and what came of reading one is about the response.
#[tokio::test]
async fn an_answer_is_not_a_failure_to_resend() {
    let server = FaultyServer::builder().handler(|_, _| Reply::new(503)).start().await;
    let response = within("a response", client().execute(request(Method::GET, &server.uri("/"), "1"))).await.unwrap();
    let error = response.error_for_status().unwrap_err();
    assert_eq!(read(&error), (Fate::Permanent, Cause::Other));

    // Below it lies a reset by the peer: it says nothing about the request.
    let reset = Fault::ResetBody { after: 1, reason: crate::support::reason::REFUSED_STREAM };
    let server = FaultyServer::builder().every(1, reset).start().await;
    let response =
        within("a response", client().execute(request(Method::GET, &server.uri("/"), "12345"))).await.unwrap();
    let error = within("its body", response.bytes()).await.unwrap_err();
    assert_eq!(read(&error), (Fate::Permanent, Cause::Other));
}

/// Whatever a redirect policy fails with: a request that was answered is not sent again for it.
#[tokio::test]
async fn a_redirect_that_is_refused_is_permanent() {
    let server = FaultyServer::builder().handler(|_, _| Reply::new(302).header("location", "/other")).start().await;
    let refuse = reqwest::redirect::Policy::custom(|attempt| {
        attempt.error(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    let client = build(clients::reqwest().redirect(refuse));
    let error = within("an error", client.execute(request(Method::GET, &server.uri("/"), "1"))).await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!(read(&error), (Fate::Permanent, Cause::Other));
}

/// A timeout of reqwest's proves nothing; one while it connects does.
#[tokio::test]
async fn timeouts_are_told_apart() {
    let server = ScriptedServer::bind().await;
    let quick = Duration::from_millis(50);
    let impatient = build(clients::reqwest().timeout(quick));
    let error = within("a timeout", impatient.execute(request(Method::GET, &server.uri("/"), "1"))).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(read(&error), (Fate::Unknown, Cause::Timeout));

    // The handshake never ends: that is part of the connect.
    let server = ScriptedServer::bind_tls().await;
    let impatient = clients::reqwest().connect_timeout(quick).build().unwrap();
    let error = within("a timeout", impatient.execute(request(Method::GET, &server.uri("/"), "1"))).await.unwrap_err();
    assert!(error.is_timeout() && error.is_connect());
    assert_eq!(read(&error), (Fate::NotSent, Cause::Connect));
}

/// reqwest-middleware's error shows neither of those that it holds in its chain of sources.
#[tokio::test]
async fn the_middlewares_error_is_looked_into() {
    let nobody = NobodyListens::bind();
    let error = client().execute(request(Method::GET, &nobody.uri("/"), "1")).await.unwrap_err();
    let error = reqwest_middleware::Error::Reqwest(error);
    assert_eq!(read(&error), (Fate::NotSent, Cause::Connect));

    let error = reqwest_middleware::Error::middleware(Verdict::not_sent("held back"));
    assert_eq!(read(&error), (Fate::NotSent, Cause::HandedBack));
}
