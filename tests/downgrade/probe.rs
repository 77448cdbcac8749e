//! One probe, and what the others do meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use http::header::HOST;
use tower::ServiceExt;
use tower_redial::Downgrade;
use tower_redial::downgrade::{EventKind, State};

use crate::setup::{FORMS, Form, Ill, Service, both, get, only, quiet, so_far, until};
use crate::support::{Fault, FaultyServer, Received, Reply, ScriptedServer, clients, reason};

const REQUIRED: Fault = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };

/// A server that is cured, and slow over HTTP/2; its origin is downgraded, and the time is over.
async fn due(form: Form) -> (FaultyServer, Downgrade, Service) {
    let ill = Ill::yes();
    let slow = |received: &Received, _| {
        let delay = if received.headers.contains_key(HOST) { Duration::ZERO } else { Duration::from_millis(300) };
        Reply::ok(received.id.clone()).after(delay)
    };
    let server = both().choose(ill.with(REQUIRED)).handler(slow).start().await;
    // Within it no second probe may come, however slow the machine.
    let lasting = Duration::from_millis(1_500);
    let downgrade = quiet().lasting(lasting).build();
    let service = form.resent(&downgrade, server.identity());
    get(&service, server.uri("/"), "first").await.unwrap();
    ill.cure();
    tokio::time::sleep(lasting).await;
    (server, downgrade, service)
}

/// X2: of a hundred that come at once, one tries, and the others stay where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_once_do_not_stampede_back() {
    for form in FORMS {
        let (server, downgrade, service) = due(form).await;
        let before = server.counters();
        let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let requests = ids.iter().map(|id| {
            let (service, uri, id) = (service.clone(), server.uri("/"), id.clone());
            tokio::spawn(async move { get(&service, uri, &id).await })
        });
        for (response, id) in join_all(requests).await.into_iter().zip(&ids) {
            assert_eq!(response.unwrap().unwrap(), *id);
        }
        let counters = server.counters();
        let (streams, http1) = (counters.streams - before.streams, counters.http1_requests - before.http1_requests);
        assert_eq!((streams, http1), (1, 99), "{form:?}");
        assert_eq!(only(&downgrade).state, State::Http2);
        get(&service, server.uri("/"), "after").await.unwrap();
        assert_eq!(server.counters().streams, counters.streams + 1, "{form:?}");
    }
}

/// X2: a probe whose caller goes makes room for the next.
#[tokio::test]
async fn a_dropped_probe_is_followed_by_another() {
    for form in FORMS {
        let (server, downgrade, service) = due(form).await;
        let mut events = downgrade.subscribe();
        let probe = tokio::spawn(service.clone().oneshot(clients::get(server.uri("/"), "dropped")));
        until(&mut events, |kind| *kind == EventKind::Probing).await;
        assert_eq!(only(&downgrade).state, State::Probing);
        get(&service, server.uri("/"), "meanwhile").await.unwrap();
        probe.abort();
        until(&mut events, |kind| *kind == EventKind::Inconclusive).await;
        // An eighth of the time.
        tokio::time::sleep(Duration::from_millis(200)).await;
        get(&service, server.uri("/"), "next").await.unwrap();
        assert_eq!(so_far(&mut events), [EventKind::Probing, EventKind::Restored], "{form:?}");
    }
}

/// X2: a probe that meets a graceful GOAWAY, and a reset that is about its own request, shows nothing.
#[tokio::test]
async fn a_probe_that_shows_nothing_does_not_decide() {
    for form in FORMS {
        for goaway in [true, false] {
            let server = ScriptedServer::bind_tls().await;
            let downgrade = quiet().lasting(Duration::ZERO).build();
            let mut events = downgrade.subscribe();
            let service = form.bare(&downgrade, server.identity());
            let script = async {
                let mut conn = server.accept().await;
                let request = conn.request().await;
                conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
                let mut conn = server.accept().await;
                let request = conn.request().await;
                if goaway {
                    conn.goaway(0, reason::NO_ERROR).await;
                } else {
                    conn.reset(request.stream_id, reason::INTERNAL_ERROR).await;
                }
                conn
            };
            let requests = async {
                get(&service, server.uri("/"), "1").await.unwrap_err();
                get(&service, server.uri("/"), "2").await.unwrap_err();
            };
            let ((), _conn) = tokio::join!(requests, script);
            let told = so_far(&mut events);
            assert!(
                matches!(told[..], [EventKind::Downgraded { .. }, EventKind::Probing, EventKind::Inconclusive]),
                "{form:?}: {told:?}"
            );
        }
    }
}

/// X2: a probe whose connection dies before it can be given to it decides all the same, where sockets are looked at.
#[tokio::test]
async fn a_probe_that_gets_no_connection_decides_by_its_death() {
    for form in FORMS {
        let server = ScriptedServer::bind_tls().await;
        let lasting = Duration::from_millis(100);
        let downgrade = quiet().lasting(lasting).build();
        let mut events = downgrade.subscribe();
        let service = form.bare(&downgrade, server.identity());
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
            // Before SETTINGS, and before it reads anything.
            drop(server.accept_socket().await);
            let mut http1 = server.accept_h1().await;
            http1.request().await;
            http1.respond(200, &[], "").await;
        };
        let requests = async {
            get(&service, server.uri("/"), "1").await.unwrap_err();
            tokio::time::sleep(lasting).await;
            get(&service, server.uri("/"), "2").await.unwrap_err();
            get(&service, server.uri("/"), "3").await.unwrap();
        };
        tokio::join!(requests, script);
        let told = so_far(&mut events);
        let down = |kind: &EventKind| matches!(kind, EventKind::Downgraded { .. });
        assert!(
            matches!(&told[..], [first, EventKind::Probing, second] if down(first) && down(second)),
            "{form:?}: {told:?}"
        );
    }
}
