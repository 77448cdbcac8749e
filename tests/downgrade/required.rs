//! HTTP_1_1_REQUIRED.

use std::error::Error;

use futures_util::future::join_all;
use hyper_util::client::legacy;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_redial::downgrade::{EventKind, Trouble};
use tower_redial::{BodyUse, Cause, Downgrade, Failure, Fate, RetryOnCanceledLayer};

use crate::setup::{FORMS, Form, Ill, both, fetch, get, is_over_http1, only, quiet, so_far};
use crate::support::message::Received;
use crate::support::tls::Trusting as _;
use crate::support::{Fault, FaultyServer, Reply, ScriptedServer, clients, reason};

const REQUIRED: Fault = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };

/// X1: any method is sent again at once, over HTTP/1.1, and the origin is remembered.
#[tokio::test]
async fn a_reset_with_http_1_1_required_is_resent_over_http1() {
    for form in FORMS {
        let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
        let downgrade = quiet().build();
        let mut events = downgrade.subscribe();
        let service = form.resent(&downgrade, server.identity());
        for (id, body) in [("1", "one"), ("2", "")] {
            let request = clients::post(server.uri("/"), id, body);
            assert_eq!(fetch(&service, request).await.unwrap(), id, "{form:?}");
            assert_eq!(server.ledger().times(id), 1);
        }
        let counters = server.counters();
        assert_eq!((counters.streams, counters.http1_requests), (1, 2), "{form:?}: the second did not try HTTP/2");
        assert!(is_over_http1(&downgrade));
        let told = so_far(&mut events);
        assert!(
            matches!(told[..], [EventKind::Downgraded { reason: Trouble::Http11Required, .. }]),
            "{form:?}: {told:?}"
        );
    }
}

/// Whatever its answers say of another origin, HTTP/1.1 is spoken with the same.
#[tokio::test]
async fn http1_is_spoken_with_the_same_origin() {
    let other = FaultyServer::builder().start().await;
    for form in FORMS {
        let (to, alternative) = (other.uri("/elsewhere").to_string(), format!("h2=\"{}\"", other.addr()));
        let tempting = move |_: &Received, body| {
            let reply = Reply::ok(body).header("location", &to).header("content-location", &to);
            reply.header("alt-svc", &alternative)
        };
        let server = both().choose(Ill::yes().with(REQUIRED)).handler(tempting).start().await;
        let service = form.resent(&quiet().build(), server.identity());
        for id in ["1", "2"] {
            assert_eq!(fetch(&service, clients::post(server.uri("/"), id, "body")).await.unwrap(), "body", "{form:?}");
        }
        assert_eq!(server.counters().http1_requests, 2, "{form:?}");
    }
    assert_eq!(other.counters().connections, 0);
}

/// X1: also where it is a resend that meets it.
#[tokio::test]
async fn a_resend_that_meets_http_1_1_required_is_resent_over_http1() {
    for form in FORMS {
        let refused_then_required = |_: &Received, nth| match nth {
            1 => Some(Fault::Refuse),
            2 => Some(REQUIRED),
            _ => None,
        };
        let server = both().choose(refused_then_required).start().await;
        let service = form.resent(&quiet().build(), server.identity());
        let request = clients::post(server.uri("/"), "1", "one");
        assert_eq!(fetch(&service, request).await.unwrap(), "1", "{form:?}");
        let counters = server.counters();
        assert_eq!((counters.streams, counters.http1_requests), (2, 1), "{form:?}");
    }
}

/// X1: by GOAWAY, once the body's having been polled proves that the request was not processed.
#[tokio::test]
async fn a_goaway_with_http_1_1_required_is_resent_over_http1() {
    for form in FORMS {
        let server = ScriptedServer::bind_tls().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        let script = async {
            let mut conn = server.accept().await;
            conn.request().await;
            conn.goaway(0, reason::HTTP_1_1_REQUIRED).await;
            let mut again = server.accept_h1().await;
            let request = again.request().await;
            again.read_body(&request).await;
            again.process(&request);
            again.respond(200, &[], "done").await;
        };
        let request = clients::post(server.uri("/"), "1", "one");
        let (response, ()) = tokio::join!(fetch(&service, request), script);
        assert_eq!(response.unwrap(), "done", "{form:?}");
        assert_eq!(server.ledger().times("1"), 1);
    }
}

/// X1: a GOAWAY proves nothing of a request without a body, here as elsewhere: an idempotent one is resent, the other is not.
#[tokio::test]
async fn a_goaway_proves_nothing_without_a_body() {
    for (form, idempotent) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
        let server = ScriptedServer::bind_tls().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        let script = async {
            let mut conn = server.accept().await;
            conn.request().await;
            conn.goaway(0, reason::HTTP_1_1_REQUIRED).await;
            if idempotent {
                let mut again = server.accept_h1().await;
                again.request().await;
                again.respond(200, &[], "done").await;
            }
        };
        let request =
            if idempotent { clients::get(server.uri("/"), "1") } else { clients::post(server.uri("/"), "1", "") };
        let (response, ()) = tokio::join!(fetch(&service, request), script);
        assert_eq!(response.is_ok(), idempotent, "{form:?}");
        assert!(is_over_http1(&downgrade));
    }
}

/// Without a retry layer the client's own error comes out, and the next request goes over HTTP/1.1.
#[tokio::test]
async fn without_resends_the_error_is_the_clients_own() {
    for form in FORMS {
        let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
        let downgrade = quiet().build();
        let service = form.bare(&downgrade, server.identity());
        let error = get(&service, server.uri("/"), "1").await.unwrap_err();
        assert!(error.downcast_ref::<legacy::Error>().is_some(), "{form:?}: {error:?}");
        let failure = Failure::of(&*error as &(dyn Error + 'static), BodyUse::Untouched);
        assert_eq!((failure.fate(), failure.cause()), (Fate::Permanent, Cause::Http11Required));
        assert_eq!(get(&service, server.uri("/"), "2").await.unwrap(), "2", "{form:?}");
        assert_eq!(server.counters().streams, 1);
    }
}

/// With nothing to fall back on, it stays the error that it was.
#[tokio::test]
async fn without_a_fallback_nothing_is_resent() {
    let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
    let downgrade = Downgrade::default();
    let connector = downgrade.connector(server.identity().connector());
    let client = connector.layer().layer(clients::builder().build(connector));
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
    service.oneshot(clients::get(server.uri("/"), "1")).await.unwrap_err();
    assert_eq!(server.counters().streams, 1);
    assert!(downgrade.snapshot().origins.is_empty());
}

/// X1: those that are under way together are each processed once, and make one downgrade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_are_processed_once_each() {
    for form in FORMS {
        let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let requests = ids.iter().map(|id| fetch(&service, clients::post(server.uri("/"), id, "body")));
        for (response, id) in join_all(requests).await.into_iter().zip(&ids) {
            assert_eq!(response.unwrap(), *id, "{form:?}");
        }
        assert_eq!((server.ledger().doubled(), server.ledger().distinct()), (vec![], 100), "{form:?}");
        assert_eq!(only(&downgrade).downgrades, 1, "{form:?}");
    }
}

/// What is open on the old connection finishes, and nothing else is sent on it.
#[tokio::test]
async fn the_old_connection_is_drained() {
    for form in FORMS {
        let server = ScriptedServer::bind_tls().await;
        let downgrade = quiet().build();
        let service = form.resent(&downgrade, server.identity());
        let first = tokio::spawn({
            let (service, uri) = (service.clone(), server.uri("/long"));
            async move { get(&service, uri, "1").await }
        });
        let mut conn = server.accept().await;
        let long = conn.request().await;
        let second = tokio::spawn({
            let (service, uri) = (service.clone(), server.uri("/short"));
            async move { get(&service, uri, "2").await }
        });
        let short = conn.request().await;
        conn.reset(short.stream_id, reason::HTTP_1_1_REQUIRED).await;
        let mut again = server.accept_h1().await;
        again.request().await;
        again.respond(200, &[], "short").await;
        assert_eq!(second.await.unwrap().unwrap(), "short", "{form:?}");
        conn.respond(long.stream_id, 200, &[], "long").await;
        assert_eq!(first.await.unwrap().unwrap(), "long", "{form:?}");
        assert!(conn.unheard().is_empty());
    }
}

/// Other origins, and another client's `Downgrade`, are not concerned.
#[tokio::test]
async fn one_origin_is_no_other() {
    let ill = both().choose(Ill::yes().with(REQUIRED)).start().await;
    let well = both().tls(ill.identity().clone()).start().await;
    let downgrade = quiet().build();
    let service = Form::OneClient.resent(&downgrade, ill.identity());
    for server in [&ill, &well] {
        get(&service, server.uri("/"), "1").await.unwrap();
    }
    assert_eq!((well.counters().streams, well.counters().http1_requests), (1, 0));
    assert_eq!(only(&downgrade).origin.port(), ill.uri("/").port_u16());
}
