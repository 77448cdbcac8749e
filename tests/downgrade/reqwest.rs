//! Two clients of reqwest's.

use std::time::Duration;

use ::reqwest::{Client, Request, redirect};
use http::{Method, Uri, Version, header};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_redial::downgrade::{EventKind, State, Trouble};
use tower_redial::{Cause, Failure, RetryOnCanceledLayer, fate};

use crate::setup::{Ill, after, both, is_over_http1, only, quiet, so_far};
use crate::support::tls::Trusting as _;
use crate::support::tls::{H2, HTTP_1_1, Identity};
use crate::support::{Cut, Fault, GoAway, GoAwayStyle, REQUEST_ID, Received, Reply, ScriptedServer, reason};

const REQUIRED: Fault = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };

/// A client that offers these protocols.
fn client(identity: &Identity, alpn: &[&[u8]]) -> Client {
    let mut tls = identity.client_config();
    tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let builder = Client::builder().no_proxy().retry(::reqwest::retry::never()).redirect(redirect::Policy::none());
    let builder = if alpn == [HTTP_1_1] { builder.http1_only() } else { builder };
    builder.tls_backend_preconfigured(tls).build().expect("a client")
}

fn clients(identity: &Identity) -> (Client, Client) {
    (client(identity, &[H2, HTTP_1_1]), client(identity, &[HTTP_1_1]))
}

fn request(method: Method, uri: &Uri, id: &str, body: &'static str) -> Request {
    let mut request = Request::new(method, uri.to_string().parse().expect("a URL"));
    request.headers_mut().insert(REQUEST_ID, id.parse().expect("an id"));
    if !body.is_empty() {
        *request.body_mut() = Some(body.into());
    }
    request
}

/// X1: under a retry layer that was told so, any method is resent over HTTP/1.1, and processed once.
#[tokio::test]
async fn http_1_1_required_is_resent_over_http1() {
    let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
    let downgrade = quiet().build();
    let (http2, http1) = clients(server.identity());
    let service = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new().single_hop(true).resend_http_1_1_required(true))
        .layer(downgrade.layer().fallback(http1))
        .service(http2);
    for (id, body) in [("1", "one"), ("2", "")] {
        let response = service.clone().oneshot(request(Method::POST, &server.uri("/"), id, body)).await.unwrap();
        assert_eq!((response.version(), response.text().await.unwrap().as_str()), (Version::HTTP_11, id));
        assert_eq!(server.ledger().times(id), 1);
    }
    assert_eq!((server.counters().streams, server.counters().http1_requests), (1, 2));
}

/// X1: where the layer above was not told, the error is reqwest's own, and the next request goes over HTTP/1.1.
#[tokio::test]
async fn without_resends_the_error_is_reqwests_own() {
    let server = both().choose(Ill::yes().with(REQUIRED)).start().await;
    let downgrade = quiet().build();
    let (http2, http1) = clients(server.identity());
    let service = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new().single_hop(true))
        .layer(downgrade.layer().fallback(http1))
        .service(http2);
    let error: ::reqwest::Error =
        service.clone().oneshot(request(Method::GET, &server.uri("/"), "1", "")).await.unwrap_err();
    assert_eq!(Failure::of(&error, fate::BodyUse::Untouched).cause(), Cause::Http11Required);
    service.clone().oneshot(request(Method::GET, &server.uri("/"), "2", "")).await.unwrap();
    assert_eq!((server.counters().streams, server.counters().http1_requests), (1, 1));
}

/// X2: from the errors alone.
#[tokio::test]
async fn deaths_are_seen_in_errors() {
    let ill = Ill::yes();
    let server = both().choose(ill.with(Fault::Cut { how: Cut::Fin, processed: false })).start().await;
    let lasting = Duration::from_millis(200);
    let downgrade = after(3).lasting(lasting).build();
    let mut events = downgrade.subscribe();
    let (http2, http1) = clients(server.identity());
    let service = downgrade.layer().fallback(http1).layer(http2);
    let get = |id: &str| service.clone().oneshot(request(Method::GET, &server.uri("/"), id, ""));
    for n in 0..3 {
        assert!(get(&n.to_string()).await.is_err());
    }
    for n in 0..10 {
        assert_eq!(get(&n.to_string()).await.unwrap().version(), Version::HTTP_11);
    }
    ill.cure();
    tokio::time::sleep(lasting).await;
    assert_eq!(get("cured").await.unwrap().version(), Version::HTTP_2);
    assert_eq!(only(&downgrade).state, State::Http2);
    let down = EventKind::Downgraded { reason: Trouble::Died, lasting };
    let died = |in_a_row| EventKind::Died { in_a_row };
    assert_eq!(so_far(&mut events), [died(1), died(2), down, EventKind::Probing, EventKind::Restored]);
}

/// X3 and X4: what needs HTTP/2 stays with it, and a graceful GOAWAY and a timeout of reqwest's are no sign.
#[tokio::test]
async fn what_is_no_sign_changes_nothing() {
    let server = both()
        .goaway(GoAway::every(2).style(GoAwayStyle::LowLast))
        .choose(|received, _| (received.path == "/ill").then_some(REQUIRED))
        .start()
        .await;
    let downgrade = after(1).build();
    let (http2, http1) = clients(server.identity());
    let service = downgrade.layer().fallback(http1).layer(http2);
    let mut failed = 0;
    for n in 0..20 {
        let get = request(Method::GET, &server.uri("/"), &n.to_string(), "");
        failed += u32::from(service.clone().oneshot(get).await.is_err());
    }
    assert!(failed > 5, "{failed} met a GOAWAY");
    assert!(downgrade.snapshot().origins.is_empty(), "{:?}", downgrade.snapshot());

    service.clone().oneshot(request(Method::GET, &server.uri("/ill"), "ill", "")).await.unwrap_err();
    let http2 = server.counters().streams;
    let mut explicit = request(Method::GET, &server.uri("/"), "explicit", "");
    *explicit.version_mut() = Version::HTTP_2;
    let mut grpc = request(Method::POST, &server.uri("/"), "grpc", "message");
    grpc.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    for request in [explicit, grpc] {
        let _ = service.clone().oneshot(request).await;
    }
    assert_eq!((server.counters().streams, server.counters().http1_requests), (http2 + 2, 0));
}

/// The layer as the last middleware.
#[cfg(feature = "reqwest-middleware")]
#[tokio::test]
async fn it_is_middleware_too() {
    let ill = Ill::yes();
    let server = both().choose(ill.with(REQUIRED)).start().await;
    let lasting = Duration::from_millis(200);
    let downgrade = quiet().lasting(lasting).build();
    let (http2, http1) = clients(server.identity());
    let client = reqwest_middleware::ClientBuilder::new(http2)
        .with(RetryOnCanceledLayer::new().single_hop(true).resend_http_1_1_required(true))
        .with(downgrade.layer().fallback(http1))
        .build();
    for id in ["1", "2"] {
        let response = client.execute(request(Method::POST, &server.uri("/"), id, "body")).await.unwrap();
        assert_eq!((response.version(), response.text().await.unwrap().as_str()), (Version::HTTP_11, id));
        assert_eq!(server.ledger().times(id), 1);
    }
    ill.cure();
    tokio::time::sleep(lasting).await;
    let response = client.execute(request(Method::GET, &server.uri("/"), "3", "")).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!((server.counters().streams, server.counters().http1_requests), (2, 2));
    assert_eq!(only(&downgrade).state, State::Http2);
}

/// X5: fields about a connection.
#[tokio::test]
async fn headers_are_those_of_http1() {
    let connection = |received: &Received, _| {
        let said = received.headers.get(header::CONNECTION).map_or("", |value| value.to_str().unwrap());
        Reply::ok(format!("{}, {said}", received.authority))
    };
    let server = both().choose(Ill::yes().with(REQUIRED)).handler(connection).start().await;
    let downgrade = quiet().build();
    let (http2, http1) = clients(server.identity());
    let service = downgrade.layer().fallback(http1).layer(http2);
    for n in 0..2 {
        let mut get = request(Method::GET, &server.uri("/"), "1", "");
        get.headers_mut().insert(header::TE, "trailers".parse().unwrap());
        let response = service.clone().oneshot(get).await;
        if n == 1 {
            assert_eq!(response.unwrap().text().await.unwrap(), format!("{}, te", server.addr()));
        }
    }
}

/// X4: an HTTP/1.1 connection that dies says nothing of HTTP/2, whatever its error looks like.
#[tokio::test]
async fn connections_of_http1_never_downgrade() {
    let server = ScriptedServer::bind_tls_with(&Identity::new(), &[HTTP_1_1]).await;
    let downgrade = after(1).build();
    let (http2, http1) = clients(server.identity());
    let service = downgrade.layer().fallback(http1).layer(http2);
    for abort in [true, false] {
        let script = async {
            let mut conn = server.accept_h1().await;
            conn.request().await;
            if abort { conn.abort() } else { conn.close().await }
        };
        let get = service.clone().oneshot(request(Method::GET, &server.uri("/"), "1", ""));
        let (response, ()) = tokio::join!(get, script);
        response.unwrap_err();
    }
    assert!(downgrade.snapshot().origins.is_empty(), "{:?}", downgrade.snapshot());
}

/// X2: every way to die before a response.
#[tokio::test]
async fn every_death_counts() {
    for way in 0..4 {
        let server = ScriptedServer::bind_tls().await;
        let downgrade = after(1).build();
        let (http2, http1) = clients(server.identity());
        let service = downgrade.layer().fallback(http1).layer(http2);
        let script = async {
            match way {
                0 => return server.accept_mute().await.close().await,
                3 => return drop(server.accept_socket().await),
                _ => {}
            }
            let mut conn = server.accept().await;
            conn.request().await;
            if way == 1 { conn.goaway(0, reason::INTERNAL_ERROR).await } else { conn.abort() }
        };
        let get = service.clone().oneshot(request(Method::GET, &server.uri("/"), "1", ""));
        let (response, ()) = tokio::join!(get, script);
        response.unwrap_err();
        assert!(is_over_http1(&downgrade), "{way}");
    }
}
