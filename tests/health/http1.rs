//! HTTP/1.1 passes through untouched; bytes, age and end are known all the same.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::ConnectionHealth;
use tower_redial::health::{Close, Drain, Protocol, State};

use crate::setup::{self, fetch, only};
use crate::support::bound::within;
use crate::support::tls::Trusting as _;
use crate::support::{Event, ScriptedServer, clients};

/// Answers each request of each connection, until the test ends.
async fn serve(server: &ScriptedServer, connections: usize, requests: usize) {
    let serve = async || {
        let mut conn = server.accept_h1().await;
        for _ in 0..requests {
            conn.request().await;
            conn.respond(200, &[], "ok").await;
        }
        conn
    };
    join_all((0..connections).map(|_| serve())).await;
}

/// Its bytes, protocol, requests and end are known, and its age has it replaced.
#[tokio::test]
async fn a_connection_is_recorded() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::default();
    let client = setup::h1(&health);
    let requests = async {
        for n in 0..3 {
            let response = client.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await.unwrap();
            let connection = setup::connection(&response);
            assert_eq!(http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes(), "ok");
            assert_eq!(connection.origin().to_string(), server.uri("/").to_string().trim_end_matches('/'));
        }
        let connection = only(&health);
        assert_eq!((connection.protocol, connection.requests, connection.state), (Protocol::Other, 3, State::Open));
        assert!(connection.bytes_received > 100 && connection.bytes_sent > 100, "{connection:?}");
        health.drain_all();
        assert_eq!(only(&health).state, State::Draining(Drain::Asked));
        fetch(&client, clients::get(server.uri("/"), "4")).await.unwrap();
    };
    let script = async {
        let mut first = server.accept_h1().await;
        for _ in 0..3 {
            first.request().await;
            first.respond(200, &[], "ok").await;
        }
        serve(&server, 1, 1).await;
    };
    within("both sides", async { tokio::join!(requests, script) }).await;
    let ended = health.snapshot().ended;
    assert!(ended.iter().any(|connection| connection.state == State::Closed(Close::Client)), "{ended:?}");
}

/// No stream limit holds requests back, once it is known that there are no streams.
#[tokio::test]
async fn nobody_is_held_back() {
    let server = ScriptedServer::bind().await;
    let health = ConnectionHealth::builder().max_wait(Duration::from_millis(500)).build();
    let client = setup::h1(&health);
    let uri = server.uri("/");
    let requests = (0..10).map(|n| fetch(&client, clients::get(uri.clone(), &n.to_string())));
    let all = async {
        let conns = join_all((0..10).map(async |_| {
            let mut conn = server.accept_h1().await;
            conn.request().await;
            conn
        }))
        .await;
        // All ten are there before the first is answered.
        for mut conn in conns {
            conn.respond(200, &[], "").await;
        }
    };
    let (responses, ()) = within("both sides", async { tokio::join!(join_all(requests), all) }).await;
    responses.into_iter().for_each(|response| drop(response.unwrap()));
}

/// ALPN decides; a server that offers both speaks HTTP/2, and its frames are seen through TLS.
#[tokio::test]
async fn alpn_decides() {
    let server = ScriptedServer::bind_tls().await;
    let health = ConnectionHealth::default();
    let client = setup::https(&health, server.identity());
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.respond(request.stream_id, 200, &[], "").await;
        conn.goaway(request.stream_id, 0).await;
        while !matches!(conn.next_event().await, Event::Closed(_)) {}
    };
    let ask = async {
        let response = client.clone().oneshot(clients::get(server.uri("/"), "1")).await.unwrap();
        let connection = setup::connection(&response).snapshot();
        assert_eq!((connection.protocol, connection.max_concurrent_streams), (Protocol::Http2, Some(100)));
    };
    within("both sides", async { tokio::join!(ask, script) }).await;

    let server = ScriptedServer::bind_tls_with(server.identity(), &[b"http/1.1"]).await;
    let ask = fetch(&client, clients::get(server.uri("/"), "2"));
    let (response, ()) = within("both sides", async { tokio::join!(ask, serve(&server, 1, 1)) }).await;
    response.unwrap();
    let protocols: Vec<_> = health.snapshot().connections.iter().map(|connection| connection.protocol).collect();
    assert_eq!(protocols, [Protocol::Other]);
}

/// TLS above the wrapper: it sees ciphertext, switches its scanner off, and changes nothing.
#[tokio::test]
async fn ciphertext_passes_through() {
    let server = ScriptedServer::bind_tls().await;
    let health = ConnectionHealth::default();
    let below = health.connector(clients::http_connector());
    let connector = server.identity().connector_over(below);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let client = ServiceBuilder::new().layer(health.layer()).service(client);
    let script = async {
        let mut conn = server.accept().await;
        for _ in 0..2 {
            let request = conn.request().await;
            conn.respond(request.stream_id, 200, &[], "").await;
        }
        conn
    };
    let ask = async {
        for n in 0..2 {
            client.clone().oneshot(clients::get(server.uri("/"), &n.to_string())).await.unwrap();
        }
        let connection = only(&health);
        assert_eq!((connection.protocol, connection.open_streams), (Protocol::Other, 0));
        assert!(connection.bytes_received > 1_000, "{connection:?}");
    };
    within("both sides", async { tokio::join!(ask, script) }).await;
}
