//! HTTP/2 connections that die before they are of use.

use std::time::Duration;

use tokio::time::Instant;
use tower::Layer;
use tower_redial::downgrade::{EventKind, State, Trouble};
use tower_redial::fate::Reason;
use tower_redial::{BodyUse, Cause, Failure};

use crate::setup::{FORMS, Form, Ill, Service, after, both, get, is_over_http1, only, so_far, until};
use crate::support::tls::Trusting as _;
use crate::support::{Cut, Fault, ScriptedServer, clients, reason};

/// X2: after so many deaths everything goes over HTTP/1.1, and when the origin is cured it goes back.
#[tokio::test]
async fn an_origin_whose_http2_always_dies_gets_http1_until_it_is_cured() {
    for form in FORMS {
        let ill = Ill::yes();
        let dies = Fault::Cut { how: Cut::Fin, processed: false };
        let server = both().choose(ill.with(dies)).start().await;
        let downgrade = after(3).lasting(Duration::from_millis(300)).build();
        let mut events = downgrade.subscribe();
        let service = form.bare(&downgrade, server.identity());
        for n in 0..3 {
            assert!(get(&service, server.uri("/"), &n.to_string()).await.is_err(), "{form:?}");
        }
        let down = until(&mut events, |kind| matches!(kind, EventKind::Downgraded { .. })).await;
        let began = Instant::now();
        assert!(matches!(down.kind, EventKind::Downgraded { reason: Trouble::Died, .. }), "{down:?}");
        while began.elapsed() < Duration::from_millis(200) {
            get(&service, server.uri("/"), "served").await.unwrap();
        }
        assert_eq!(server.counters().streams, 3, "{form:?}");

        // One probe finds it still ill, and for as long again nobody tries.
        tokio::time::sleep_until(began + Duration::from_millis(310)).await;
        assert!(get(&service, server.uri("/"), "probe").await.is_err(), "{form:?}");
        assert!(is_over_http1(&downgrade));
        get(&service, server.uri("/"), "after").await.unwrap();
        assert_eq!(server.counters().streams, 4, "{form:?}");

        ill.cure();
        tokio::time::sleep(Duration::from_millis(310)).await;
        let http1 = server.counters().http1_requests;
        for n in 0..5 {
            get(&service, server.uri("/"), &format!("cured-{n}")).await.unwrap();
        }
        assert_eq!((server.counters().streams, server.counters().http1_requests), (9, http1), "{form:?}");
        let origin = only(&downgrade);
        assert_eq!((origin.state, origin.downgrades, origin.died), (State::Http2, 2, 0), "{form:?}");
    }
}

/// X2: under resends nobody notices more than the threshold takes.
#[tokio::test]
async fn resends_go_over_http1_as_soon_as_the_threshold_is_reached() {
    for form in FORMS {
        let server = both().choose(Ill::yes().with(Fault::Cut { how: Cut::Rst, processed: false })).start().await;
        let downgrade = after(2).build();
        let service = form.resent(&downgrade, server.identity());
        for n in 0..20 {
            get(&service, server.uri("/"), &n.to_string()).await.unwrap();
        }
        let counters = server.counters();
        assert_eq!((counters.streams, counters.http1_requests), (2, 20), "{form:?}");
    }
}

/// X2: however it fares, it never goes over sooner than after the set time, and tries once in that time.
#[tokio::test]
async fn it_never_flaps() {
    for form in FORMS {
        let lasting = Duration::from_millis(150);
        let server = both().choose(Ill::yes().with(Fault::Cut { how: Cut::Fin, processed: false })).start().await;
        let downgrade = after(1).lasting(lasting).build();
        let mut events = downgrade.subscribe();
        let service = form.bare(&downgrade, server.identity());
        let began = Instant::now();
        let mut failed = Vec::new();
        while began.elapsed() < Duration::from_millis(1_000) {
            let begins = Instant::now();
            if get(&service, server.uri("/"), "any").await.is_err() {
                failed.push((begins, Instant::now()));
            }
        }
        assert!(failed.len() >= 3, "{form:?}: {failed:?}");
        // Each began before its downgrade, and ended after it.
        let far_apart = |pair: &[(Instant, Instant)]| pair[1].1 - pair[0].0 >= lasting;
        assert!(failed.windows(2).all(far_apart), "{form:?}: {failed:?}");
        assert_eq!(server.counters().streams, failed.len() as u64, "{form:?}");
        let told = so_far(&mut events);
        let downs = told.iter().filter(|kind| matches!(kind, EventKind::Downgraded { .. })).count();
        assert_eq!((downs, told.contains(&EventKind::Restored)), (failed.len(), false), "{form:?}: {told:?}");
    }
}

/// X2: every way to die before a response.
#[tokio::test]
async fn every_death_counts() {
    for form in FORMS {
        for way in 0..5 {
            let server = ScriptedServer::bind_tls().await;
            let downgrade = after(1).build();
            let service = form.bare(&downgrade, server.identity());
            let script = async {
                if way == 0 {
                    // Before SETTINGS.
                    server.accept_mute().await.close().await;
                    return;
                }
                let mut conn = server.accept().await;
                let request = conn.request().await;
                match way {
                    1 => conn.goaway(0, reason::INTERNAL_ERROR).await,
                    2 => conn.abort(),
                    3 => {
                        // The head came, and then nothing.
                        conn.head(request.stream_id, 200, &[]).await;
                        conn.round_trip().await;
                        conn.close().await;
                    }
                    // Not HTTP/2: DATA on no stream.
                    _ => conn.raw(b"\0\0\0\0\0\0\0\0\0").await,
                }
            };
            let (response, ()) = tokio::join!(get(&service, server.uri("/"), "1"), script);
            response.unwrap_err();
            assert!(is_over_http1(&downgrade), "{form:?}: {way}");
        }
    }
}

/// X2: connections that die within each body are of no use, though each of them brings a head.
#[tokio::test]
async fn a_head_is_not_enough_where_the_socket_is_seen() {
    for form in [Form::OneClient, Form::TwoClients] {
        let streams = 3;
        let breaks = Fault::CutBody { after: 1, how: Cut::Fin };
        let server = both().choose(Ill::yes().with(breaks)).start().await;
        let downgrade = after(3).build();
        let service = form.bare(&downgrade, server.identity());
        for n in 0..6 {
            let whole = get(&service, server.uri("/"), &format!("long-{n}")).await;
            assert_eq!(whole.is_ok(), n >= streams, "{form:?}: {n}");
        }
        assert_eq!(server.counters().streams, streams, "{form:?}");
    }
}

/// A connection that has answered, and an origin that has answered since, is not in trouble.
#[tokio::test]
async fn a_connection_that_was_of_use_may_die() {
    for form in FORMS {
        let server = both()
            .choose(|_, nth| (nth % 2 == 0).then_some(Fault::Cut { how: Cut::Fin, processed: false }))
            .start()
            .await;
        let downgrade = after(2).build();
        let mut events = downgrade.subscribe();
        let service = form.bare(&downgrade, server.identity());
        let mut failed = 0;
        for n in 0..20 {
            failed += u32::from(get(&service, server.uri("/"), &n.to_string()).await.is_err());
        }
        assert_eq!(failed, 10, "{form:?}");
        assert_eq!(so_far(&mut events), [], "{form:?}: their sockets show that they were of use");
    }
}

/// A connection that this side's h2 ends, because the peer broke the protocol, died; errors alone tell it from a stream.
#[tokio::test]
async fn a_connection_error_counts_without_a_look_at_the_socket() {
    let server = ScriptedServer::bind_tls().await;
    let downgrade = after(1).build();
    let http1 = clients::builder().build(server.identity().connector_h1());
    let service = Service::new(downgrade.layer().fallback(http1).layer(clients::https(server.identity())));
    let script = async {
        let mut conn = server.accept().await;
        conn.request().await;
        // A frame on a stream that nobody opened.
        conn.data(7, "out of nowhere", false).await;
        conn.expect_goaway().await;
    };
    let (response, ()) = tokio::join!(get(&service, server.uri("/"), "1"), script);
    let error = response.unwrap_err();
    let cause = Failure::of(&*error, BodyUse::Untouched).cause();
    assert_eq!(cause, Cause::Local { reason: Reason::PROTOCOL_ERROR });
    assert!(is_over_http1(&downgrade));
}
