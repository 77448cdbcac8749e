//! A connection that is not to be used again says so, and whoever holds it gets another.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::pool::singleton::Singleton;
use hyper_util::rt::TokioIo;
use tower::reconnect::Reconnect;
use tower::{BoxError, Service, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::connect::{Http2Settings, HttpConnection, MakeConnection};
use tower_redial::fate::{BodyUse, Cause, Failure, Fate};
use tower_redial::health::{Close, Drain, State};

use crate::setup::{self, Connection, text, until, verdict};
use crate::support::bound::within;
use crate::support::script::DEFAULT_SETTINGS;
use crate::support::tls::Trusting as _;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{NobodyListens, ScriptedServer, clients, reason, tls};

type Made = MakeConnection<HttpConnector, Full<Bytes>>;

fn make(health: &ConnectionHealth) -> Made {
    MakeConnection::new(health, clients::http_connector()).prior_knowledge(true)
}

/// A caller's wish and age: ready no more, what is open finishes, and the connection closes.
#[tokio::test]
async fn what_is_drained_is_not_ready() {
    for age in [None, Some(Duration::from_millis(50))] {
        let server = ScriptedServer::bind().await;
        let health = ConnectionHealth::builder().max_age(age).build();
        let (mut connection, mut conn): (Connection, _) = setup::pair_of(&health, &server, DEFAULT_SETTINGS).await;
        let response = tokio::spawn(connection.ready().await.unwrap().call(clients::get(server.uri("/"), "1")));
        conn.request().await;
        if age.is_none() {
            connection.handle().drain();
        }
        let drain = if age.is_some() { Drain::Age } else { Drain::Asked };
        until(&connection, |state| state == State::Draining(drain)).await;
        assert!(within("readiness", connection.ready()).await.unwrap_err().is_unsent());
        assert!(!connection.is_ready());
        conn.respond(1, 200, &[], "finished").await;
        assert_eq!(text(response.await.unwrap()).await, "finished");
        conn.until_closed().await;
        until(&connection, |state| state == State::Closed(Close::Client)).await;
    }
}

/// K1, K10: a silent connection is not ready; what is open fails when it is given up, without a proof.
#[tokio::test]
async fn what_is_silent_is_not_ready() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder()
        .probe_after(Duration::from_millis(50))
        .probe_timeout(Duration::from_millis(50))
        .dead_after(Duration::from_millis(300))
        .build();
    let (mut connection, mut conn): (Connection, _) = setup::pair_of(&health, &server, DEFAULT_SETTINGS).await;
    conn.manual();
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::post(server.uri("/"), "1", "")));
    conn.request().await;
    let waiting = tokio::spawn({
        // Its slot is held before the silence.
        let mut held = connection.clone();
        held.ready().await.unwrap();
        let silent = connection.clone();
        let uri = server.uri("/");
        async move {
            until(&silent, |state| !state.admits()).await;
            held.call(clients::post(uri, "2", "")).await
        }
    });
    until(&connection, |state| state == State::Silent).await;
    assert!(connection.ready().await.unwrap_err().is_unsent());
    let error = within("an answer", waiting).await.unwrap().unwrap_err();
    assert!(error.take_unsent::<Full<Bytes>>().is_some());
    let error = within("an answer", response).await.unwrap().unwrap_err();
    assert_eq!(verdict(&error), (Fate::Unknown, Cause::Silent));
    assert_eq!(connection.state(), State::Closed(Close::Dead));
    conn.until_closed().await;
    assert!(conn.unheard().is_empty());
}

/// K3: one that is heard again is ready again.
#[tokio::test]
async fn what_is_heard_again_is_ready_again() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder()
        .probe_after(Duration::from_millis(50))
        .probe_timeout(Duration::from_millis(50))
        .dead_after(Duration::from_secs(60))
        .build();
    let (mut connection, mut conn): (Connection, _) = setup::pair_of(&health, &server, DEFAULT_SETTINGS).await;
    conn.manual();
    let response = tokio::spawn(connection.ready().await.unwrap().call(clients::post(server.uri("/"), "1", "")));
    conn.request().await;
    until(&connection, |state| state == State::Silent).await;
    assert!(connection.ready().await.is_err());
    conn.respond(1, 200, &[], "").await;
    response.await.unwrap().unwrap();
    until(&connection, |state| state == State::Open).await;
    connection.ready().await.unwrap();
}

/// K14: a peer that never sends SETTINGS.
#[tokio::test]
async fn a_peer_without_settings_is_given_up() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().handshake_timeout(Duration::from_millis(100)).build();
    let client = setup::connect(&health, &server, Default::default());
    let (mut connection, _conn): (Connection, _) = tokio::join!(client, server.accept_mute());
    let request = clients::post(server.uri("/"), "1", "");
    let error = within("an answer", connection.ready().await.unwrap().call(request)).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::Unknown, Cause::Silent));
    assert!(connection.ready().await.unwrap_err().is_unsent());
}

/// Two connections in turn, the first shut down after a request; each answers with its number.
async fn two_connections(server: &ScriptedServer) {
    for n in 1..=2 {
        let mut conn = server.accept().await;
        let received = conn.request().await;
        conn.respond(received.stream_id, 200, &[], n.to_string()).await;
        if n == 1 {
            conn.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
            conn.until_closed().await;
        }
    }
}

/// G1: tower's `Reconnect` gets another connection when one drains.
#[tokio::test]
async fn reconnect_moves_on() {
    let server = ScriptedServer::bind().await;
    let uri = server.uri("/");
    let health = ConnectionHealth::default();
    let mut client = Reconnect::new(make(&health), uri.clone());
    let requests = async {
        for n in 1..=2 {
            let response: Result<_, BoxError> =
                client.ready().await.unwrap().call(clients::post(uri.clone(), "1", "")).await;
            let body = http_body_util::BodyExt::collect(response.unwrap().into_body()).await.unwrap().to_bytes();
            assert_eq!(body, n.to_string());
            let drained = async {
                while health.snapshot().connections.iter().any(|connection| connection.state.admits()) && n == 1 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            within("the GOAWAY", drained).await;
        }
    };
    within("both sides", async { tokio::join!(requests, two_connections(&server)) }).await;
}

/// G1: so does hyper-util's `singleton`, by its error for one caller.
#[tokio::test]
async fn a_singleton_moves_on() {
    let server = ScriptedServer::bind().await;
    let uri = server.uri("/");
    let health = ConnectionHealth::default();
    let make = make(&health).map_response(|made: HttpConnection<Full<Bytes>>| match made {
        HttpConnection::Http2(connection) => connection,
        HttpConnection::Http1(_) => unreachable!("prior knowledge"),
    });
    let mut pool = Singleton::new(make);
    let requests = async {
        let mut first = pool.ready().await.unwrap().call(uri.clone()).await.unwrap();
        let response = first.ready().await.unwrap().call(clients::post(uri.clone(), "1", "")).await;
        assert_eq!(text(response).await, "1");
        while first.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(pool.is_empty());
        let mut second = pool.ready().await.unwrap().call(uri.clone()).await.unwrap();
        let response = second.ready().await.unwrap().call(clients::post(uri.clone(), "2", "")).await;
        assert_eq!(text(response).await, "2");
    };
    within("both sides", async { tokio::join!(requests, two_connections(&server)) }).await;
}

/// ALPN decides: HTTP/2, or HTTP/1.1, whose unsent requests come back too.
#[tokio::test]
async fn alpn_decides() {
    for alpn in [tls::H2, tls::HTTP_1_1] {
        let identity = tls::Identity::new();
        let server = ScriptedServer::bind_tls_with(&identity, &[alpn]).await;
        let uri = server.uri("/path?query");
        let health = ConnectionHealth::default();
        let mut make = MakeConnection::new(&health, identity.connector());
        let client = async {
            let mut connection: HttpConnection<Full<Bytes>> =
                make.ready().await.unwrap().call(uri.clone()).await.unwrap();
            assert_eq!(matches!(connection, HttpConnection::Http2(_)), alpn == tls::H2);
            let response = connection.ready().await.unwrap().call(clients::post(uri.clone(), "1", "body")).await;
            let body = http_body_util::BodyExt::collect(response.unwrap().into_body()).await.unwrap().to_bytes();
            assert_eq!(body, "answer");
            connection
        };
        let script = async {
            if alpn == tls::H2 {
                let mut conn = server.accept().await;
                let received = conn.request().await;
                conn.respond(received.stream_id, 200, &[], "answer").await;
                conn.until_closed().await;
            } else {
                let mut conn = server.accept_h1().await;
                let received = conn.request().await;
                assert_eq!((received.path.as_str(), received.authority), ("/path?query", server.addr().to_string()));
                conn.respond(200, &[], "answer").await;
                conn.close().await;
            }
        };
        let client = async {
            let mut connection = client.await;
            if alpn == tls::H2 {
                return;
            }
            while !matches!(connection.state(), State::Closed(_)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(connection.ready().await.unwrap_err().is_unsent());
            let error = connection.call(clients::post(uri.clone(), "2", "body")).await.unwrap_err();
            let request = error.take_unsent::<Full<Bytes>>().expect("it is here");
            assert_eq!((request.uri(), request.headers().contains_key("host")), (&uri, false));
        };
        within("both sides", async { tokio::join!(client, script) }).await;
    }
}

/// G7, C5: HTTP/1.1 connections that are closed as requests are handed to them: each request ends, and those that were not sent come
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn http1_requests_all_end() {
    let server = ScriptedServer::bind().await;
    let uri = server.uri("/");
    let client = tokio::spawn(async move {
        let health = ConnectionHealth::default();
        let mut unsent = 0;
        for n in 0..200 {
            let mut make = MakeConnection::<_, Full<Bytes>>::new(&health, clients::http_connector());
            let mut connection = make.ready().await.unwrap().call(uri.clone()).await.unwrap();
            for request in 0..3 {
                let request = clients::post(uri.clone(), &format!("{n}-{request}"), "body");
                match within("an answer", connection.call(request)).await {
                    Ok(response) => drop(http_body_util::BodyExt::collect(response.into_body()).await),
                    Err(error) => {
                        assert_eq!(error.is_unsent(), error.take_unsent::<Full<Bytes>>().is_some());
                        unsent += usize::from(error.is_unsent());
                    }
                }
            }
        }
        unsent
    });
    let script = async {
        loop {
            let mut conn = server.accept_h1().await;
            conn.request().await;
            conn.respond(200, &[], "answer").await;
        }
    };
    let unsent = tokio::select! { unsent = client => unsent.unwrap(), () = script => unreachable!() };
    assert!(unsent > 0);
}

/// An HTTP/1.1 connection that is cut: what it had taken may have been processed, what waited behind comes back as it was.
#[tokio::test]
async fn what_waits_on_http1_comes_back() {
    let server = ScriptedServer::bind().await;
    let uri = server.uri("/path?query");
    let health = ConnectionHealth::default();
    let mut make = MakeConnection::<_, Full<Bytes>>::new(&health, clients::http_connector());
    let connect = async { make.ready().await.unwrap().call(uri.clone()).await.unwrap() };
    let (mut connection, mut conn) = tokio::join!(connect, server.accept_h1());
    let [taken, waiting] = ["1", "2"].map(|id| tokio::spawn(connection.call(clients::post(uri.clone(), id, "body"))));
    conn.request().await;
    conn.abort();
    let error = within("the one that was taken", taken).await.unwrap().unwrap_err();
    assert_eq!((verdict(&error).0, error.is_unsent()), (Fate::Unknown, false));
    let error = within("the one that waited", waiting).await.unwrap().unwrap_err();
    assert_eq!((verdict(&error).0, error.is_unsent()), (Fate::NotSent, true));
    let request = error.take_unsent::<Full<Bytes>>().expect("it is here");
    assert_eq!((request.uri(), request.headers().contains_key("host")), (&uri, false));
}

/// A connection that cannot even begin: there is no runtime for its task, or its transport is gone already.
#[test]
fn a_handshake_that_fails_at_once() {
    let health = ConnectionHealth::default();
    let settings = Http2Settings::default();
    let uri = "http://host.invalid/".parse().unwrap();
    let begin = || {
        let (near, far) = tokio::io::duplex(1024);
        drop(far);
        Connection::<Full<Bytes>>::handshake(health.monitor(TokioIo::new(near), &uri), &settings)
    };
    let outside = begin().now_or_never().expect("it does not wait").unwrap_err();
    assert_eq!(verdict(&outside), (Fate::Permanent, Cause::Request));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gone = runtime.block_on(begin()).unwrap_err();
    assert_eq!(verdict(&gone), (Fate::NotSent, Cause::Connect));
}

/// C21: nobody listens; the certificate is not trusted.
#[tokio::test]
async fn no_connection_comes_to_be() {
    let nobody = NobodyListens::bind();
    let health = ConnectionHealth::default();
    let mut make: Made = make(&health);
    let error = make.ready().await.unwrap().call(nobody.uri("/")).await.unwrap_err();
    assert_eq!(verdict(&error), (Fate::NotSent, Cause::Connect));

    let server = ScriptedServer::bind_tls().await;
    let mut make = MakeConnection::<_, Full<Bytes>>::new(&health, tls::Identity::new().connector());
    let client = async { make.ready().await.unwrap().call(server.uri("/")).await.unwrap_err() };
    let (error, _) = tokio::join!(client, async {
        let tcp = server.accept_tcp().await;
        drop(crate::support::Socket::accept_tls(tcp, server.identity(), &[tls::H2]).await);
    });
    let failure = Failure::of(&error, BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause()), (Fate::Permanent, Cause::Certificate));
}
