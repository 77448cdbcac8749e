//! reqwest follows redirects below the layer: it still does, and what a failure proves is about the last hop.

use http::Method;
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::retry::Stop;

use crate::setup::{self, Decisions, build, request, stream, with_body};
use crate::support::bound::within;
use crate::support::{Fault, FaultyServer, NobodyListens, Reply, clients};

/// Sends whoever asks for `/first` to this place.
async fn redirecting(status: u16, to: String) -> FaultyServer {
    let redirect = move |received: &crate::support::Received, body: bytes::Bytes| match &*received.path {
        "/first" => Reply::new(status).header("location", to.clone()),
        _ => Reply::ok(body),
    };
    FaultyServer::builder().handler(redirect).start().await
}

/// A body in memory is not made a stream, so a 307 is followed with it, as without the layer.
#[tokio::test]
async fn a_body_in_memory_is_redirected() {
    let server = redirecting(307, "/second".into()).await;
    let client = ServiceBuilder::new().layer(Decisions::default().layer()).service(setup::client());
    let post = with_body(Method::POST, &server.uri("/first"), "1", "a body");
    let response = within("a response", client.oneshot(post)).await.unwrap();
    assert_eq!((response.status(), response.url().path()), (http::StatusCode::OK, "/second"));
    assert_eq!(response.text().await.unwrap(), "a body");
}

/// A stream was never redirected by reqwest: its 307 is the caller's, with the layer as without.
#[tokio::test]
async fn a_stream_is_not() {
    let server = redirecting(307, "/second".into()).await;
    let layered = ServiceBuilder::new().layer(Decisions::default().layer()).service(setup::client());
    let post = |id| with_body(Method::POST, &server.uri("/first"), id, stream(b"a body", 2));
    let bare = within("a response", setup::client().execute(post("1"))).await.unwrap();
    let layered = within("a response", layered.oneshot(post("2"))).await.unwrap();
    for response in [bare, layered] {
        assert_eq!(response.status(), http::StatusCode::TEMPORARY_REDIRECT);
    }
}

/// Law 1: POST /first was processed, and its target cannot be reached. "Not connected" is about the target only: a POST is not
/// sent again, or /first would be processed twice.
#[tokio::test]
async fn a_proof_of_the_last_hop_resends_no_post() {
    let nobody = NobodyListens::bind();
    let server = redirecting(307, nobody.uri("/second").to_string()).await;
    let decisions = Decisions::default();
    let client = ServiceBuilder::new().layer(decisions.layer()).service(setup::client());
    let post = with_body(Method::POST, &server.uri("/first"), "1", "a body");
    let error = within("an error", client.clone().oneshot(post)).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!((decisions.seen(), server.ledger().times("1")), ((0, Some(Stop::NotSingleHop)), 1));

    // What may be processed twice is sent again, from the first hop on.
    let put = with_body(Method::PUT, &server.uri("/first"), "2", "a body");
    let error = within("an error", client.oneshot(put)).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(server.ledger().times("2"), 3);
}

/// With the one setting, and a client that follows no redirect, a proof is one: a POST that was refused is sent again.
#[tokio::test]
async fn a_single_hop_is_trusted() {
    let refuse_once = |_: &crate::support::Received, nth: u64| (nth % 2 == 1).then_some(Fault::Refuse);
    let server = FaultyServer::builder().choose(refuse_once).start().await;
    let decisions = Decisions::default();
    let without_redirects = build(clients::reqwest().redirect(reqwest::redirect::Policy::none()));
    let trusting = ServiceBuilder::new().layer(decisions.layer().single_hop(true)).service(without_redirects);
    let post = with_body(Method::POST, &server.uri("/"), "1", "a body");
    let response = within("a response", trusting.oneshot(post)).await.unwrap();
    assert_eq!(response.status(), http::StatusCode::OK);
    assert_eq!((decisions.seen(), server.ledger().times("1")), ((1, None), 1));

    let decisions = Decisions::default();
    let careful = ServiceBuilder::new().layer(decisions.layer()).service(setup::client());
    let post = with_body(Method::POST, &server.uri("/"), "2", "a body");
    assert!(within("an error", careful.oneshot(post)).await.is_err());
    assert_eq!((decisions.seen(), server.ledger().times("2")), ((0, Some(Stop::NotSingleHop)), 0));
}

/// A redirect that never ends is the caller's to see, at once.
#[tokio::test]
async fn a_redirect_loop_is_final() {
    let server = redirecting(302, "/first".into()).await;
    let decisions = Decisions::default();
    let client = ServiceBuilder::new().layer(decisions.layer()).service(setup::client());
    let error = within("an error", client.oneshot(request(Method::GET, &server.uri("/first"), "1"))).await.unwrap_err();
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(decisions.seen(), (0, Some(Stop::Permanent)));
}
