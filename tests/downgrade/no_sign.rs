//! What is no sign of trouble.

use std::time::Duration;

use tokio::time::timeout;
use tower::{Layer, ServiceExt};
use tower_redial::fate::Reason;
use tower_redial::{BodyUse, Cause, Downgrade, Failure};

use crate::setup::{FORMS, Form, Service, after, both, get};
use crate::support::message::Received;
use crate::support::script::NobodyListens;
use crate::support::tls::Trusting as _;
use crate::support::tls::{self, Identity};
use crate::support::{Cut, GoAway, GoAwayStyle, Reply, ScriptedServer, clients};

fn is_calm(downgrade: &Downgrade) {
    let origins = downgrade.snapshot().origins;
    assert!(origins.is_empty(), "{origins:?}");
}

/// X4: a graceful GOAWAY is none, on however many connections, and whatever follows it.
#[tokio::test]
async fn a_graceful_goaway_never_downgrades() {
    for form in FORMS {
        for style in [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered] {
            let server = both().goaway(GoAway::every(1).style(style)).start().await;
            let downgrade = after(1).build();
            let service = form.bare(&downgrade, server.identity());
            for n in 0..20 {
                let _ = get(&service, server.uri("/"), &n.to_string()).await;
            }
            assert!(server.counters().goaways >= 20, "{form:?}, {style:?}: {:?}", server.counters());
            assert_eq!(server.counters().http1_connections, 0);
            is_calm(&downgrade);
        }
    }
}

/// A server that turns every connection away before its first request, with a graceful GOAWAY and a close.
#[tokio::test]
async fn a_graceful_goaway_before_all_requests_never_downgrades() {
    for form in FORMS {
        let server = both().goaway(GoAway::on_accept().style(GoAwayStyle::FinalUnanswered)).start().await;
        let downgrade = after(1).build();
        let service = form.bare(&downgrade, server.identity());
        for n in 0..20 {
            assert!(get(&service, server.uri("/"), &n.to_string()).await.is_err());
        }
        is_calm(&downgrade);
    }
}

/// X4: callers who give up, and clients that go away, are none; not even where the server closes then.
#[tokio::test]
async fn local_cancels_never_downgrade() {
    for form in FORMS {
        let server = both().delay(Duration::from_secs(600)).start().await;
        let downgrade = after(1).build();
        let service = form.bare(&downgrade, server.identity());
        for n in 0..10 {
            let id = n.to_string();
            timeout(Duration::from_millis(20), get(&service, server.uri("/"), &id)).await.unwrap_err();
        }
        let seen = server.counters();
        assert!(seen.streams > 0 && seen.client_resets > 0, "{form:?}: {seen:?}");
        // All were given up: nobody waits on it.
        server.cut(Cut::Fin);
        while server.counters().open_connections > 0 {
            tokio::task::yield_now().await;
        }
        is_calm(&downgrade);

        let pending = tokio::spawn(service.clone().oneshot(clients::get(server.uri("/"), "pending")));
        while server.counters().streams == seen.streams {
            tokio::task::yield_now().await;
        }
        pending.abort();
        drop(service);
        while server.counters().open_connections > 0 {
            tokio::task::yield_now().await;
        }
        is_calm(&downgrade);
    }
}

/// X4: what fails before HTTP/2 is spoken.
#[tokio::test]
async fn connects_that_fail_never_downgrade() {
    for form in FORMS {
        let downgrade = after(1).build();
        let nobody = NobodyListens::bind();
        let uri = nobody.uri("/").to_string().replace("http:", "https:").parse().unwrap();
        let service = form.bare(&downgrade, &Identity::new());
        get(&service, uri, "1").await.unwrap_err();
        // Its certificate is not trusted.
        let stranger = both().start().await;
        get(&service, stranger.uri("/"), "2").await.unwrap_err();
        // It closes instead of a TLS handshake.
        let server = ScriptedServer::bind_tls().await;
        let service = form.bare(&downgrade, server.identity());
        let script = async { drop(server.accept_tcp().await) };
        let (response, ()) = tokio::join!(get(&service, server.uri("/"), "3"), script);
        response.unwrap_err();
        is_calm(&downgrade);
    }
}

/// An HTTP/1.1 connection that dies says nothing of HTTP/2.
#[tokio::test]
async fn connections_of_http1_never_downgrade() {
    let server = ScriptedServer::bind_tls_with(&Identity::new(), &[tls::HTTP_1_1]).await;
    for form in FORMS {
        let downgrade = after(1).build();
        let service = form.bare(&downgrade, server.identity());
        for abort in [true, false] {
            let script = async {
                let mut conn = server.accept_h1().await;
                conn.request().await;
                if abort { conn.abort() } else { conn.close().await }
            };
            let (response, ()) = tokio::join!(get(&service, server.uri("/"), "1"), script);
            response.unwrap_err();
        }
        is_calm(&downgrade);
    }
}

/// In the clear an error tells which version it is of: only a message of HTTP/1.1 is cut short.
#[tokio::test]
async fn messages_cut_short_in_the_clear_never_downgrade() {
    let server = ScriptedServer::bind().await;
    let downgrade = after(1).build();
    let client = || clients::builder().build(clients::http_connector());
    let service = Service::new(downgrade.layer().fallback(client()).layer(client()));
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        conn.close().await;
    };
    let (response, ()) = tokio::join!(get(&service, server.uri("/"), "1"), script);
    let error = response.unwrap_err();
    assert_eq!(Failure::of(&*error, BodyUse::Untouched).cause(), Cause::Closed);
    is_calm(&downgrade);
}

/// In the clear there is no ALPN: one client is left alone.
#[tokio::test]
async fn one_client_in_the_clear_is_left_alone() {
    let downgrade = after(1).build();
    let connector = downgrade.connector(clients::http_connector()).fallback(clients::http_connector());
    let layer = connector.layer();
    let service = Service::new(layer.layer(clients::builder().http2_only(true).build(connector)));
    let server = ScriptedServer::bind().await;
    for _ in 0..3 {
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            assert_eq!(request.authority, server.addr().to_string());
            conn.abort();
        };
        let (response, ()) = tokio::join!(get(&service, server.uri("/"), "1"), script);
        response.unwrap_err();
    }
    is_calm(&downgrade);
}

/// What this side's h2 finds wrong with one stream, a head that is too large for instance, leaves the connection to others.
#[tokio::test]
async fn stream_errors_never_downgrade() {
    let large = |received: &Received, _| match received.path.as_str() {
        "/large" => Reply::ok("").header("x-large", "x".repeat(20_000)),
        _ => Reply::ok(""),
    };
    let server = both().handler(large).start().await;
    let identity = server.identity();
    let blind = |downgrade: &Downgrade| {
        let http1 = clients::builder().build(identity.connector_h1());
        Service::new(downgrade.layer().fallback(http1).layer(clients::https(identity)))
    };
    for form in [Some(Form::OneClient), Some(Form::TwoClients), None] {
        let downgrade = after(1).build();
        let service = form.map_or_else(|| blind(&downgrade), |form| form.bare(&downgrade, identity));
        let before = server.counters().connections;
        for _ in 0..2 {
            let error = get(&service, server.uri("/large"), "1").await.unwrap_err();
            let cause = Failure::of(&*error, BodyUse::Untouched).cause();
            assert_eq!(cause, Cause::Local { reason: Reason::PROTOCOL_ERROR }, "{form:?}");
            is_calm(&downgrade);
        }
        get(&service, server.uri("/"), "2").await.unwrap();
        assert_eq!(server.counters().connections - before, 1, "{form:?}: it was of use all the time");
    }
}
