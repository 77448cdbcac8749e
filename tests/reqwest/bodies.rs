//! What reqwest can clone is cloned, streams are wrapped, and nothing else of a request changes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri};
use reqwest::multipart::{Form, Part};
use reqwest::{Request, Response};
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::retry::{Attempts, Stop};

use crate::setup::{self, Decisions, build, request, stream, with_body};
use crate::support::bound::within;
use crate::support::{FaultyServer, H2Conn, Received, ScriptedServer, clients, reason};

type Play = dyn Fn(&Uri) -> Request;
type MakeBody = fn() -> Option<reqwest::Body>;

/// Takes a request and its body.
async fn take(conn: &mut H2Conn) -> (Received, Bytes) {
    let request = conn.request().await;
    let body = if request.end_stream { Bytes::new() } else { conn.read_body(request.stream_id).await.data };
    (request, body)
}

/// Plays: the first attempt arrives whole and is refused, the second one is answered. Both as they arrived.
async fn refused_once(
    request: impl FnOnce(&Uri) -> Request,
) -> (Result<Response, reqwest::Error>, [(Received, Bytes); 2]) {
    let server = ScriptedServer::bind().await;
    let client = build(clients::reqwest().redirect(reqwest::redirect::Policy::none()));
    let client = ServiceBuilder::new().layer(Decisions::default().layer().single_hop(true)).service(client);
    let script = async {
        let mut conn = server.accept().await;
        let first = take(&mut conn).await;
        conn.reset(first.0.stream_id, reason::REFUSED_STREAM).await;
        let second = take(&mut conn).await;
        conn.respond(second.0.stream_id, 200, &[], "").await;
        (conn, [first, second])
    };
    let request = request(&server.uri("/"));
    let (response, (_conn, attempts)) =
        within("both sides", async { tokio::join!(client.oneshot(request), script) }).await;
    (response, attempts)
}

/// B1, B2, B11: whatever its body is, the second attempt is the first one again, to the byte and the header.
#[tokio::test]
async fn the_second_attempt_is_the_first_again() {
    let form = || {
        let file = Part::stream(stream(b"the contents of a file", 5)).file_name("file.txt");
        Form::new().text("name", "value").part("file", file)
    };
    let multipart = move |uri: &Uri| {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(crate::support::tls::trust_nobody());
        let request = builder.build().unwrap().post(uri.to_string()).header("x-request-id", "1").multipart(form());
        request.build().unwrap()
    };
    let plays: [(&str, Box<Play>); 5] = [
        ("no body", Box::new(|uri| request(Method::POST, uri, "1"))),
        ("in memory", Box::new(|uri| with_body(Method::POST, uri, "1", "a body"))),
        ("larger than what is recorded", Box::new(|uri| with_body(Method::POST, uri, "1", vec![7; 300_000]))),
        ("a stream", Box::new(|uri| with_body(Method::POST, uri, "1", stream(b"a body in parts", 4)))),
        ("a form with a file", Box::new(multipart)),
    ];
    for (what, play) in plays {
        let (response, [first, second]) = refused_once(play).await;
        let response = response.unwrap();
        assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 1, "{what}");
        assert_eq!(first.1, second.1, "{what}");
        assert_eq!(first.0.headers, second.0.headers, "{what}");
    }
}

/// Nothing on the wire tells that the layer is there.
#[tokio::test]
async fn the_wire_is_as_without_the_layer() {
    let bodies: [(&str, MakeBody); 3] =
        [("no body", || None), ("in memory", || Some("a body".into())), ("a stream", || Some(stream(b"a body", 2)))];
    for (what, body) in bodies {
        for single_hop in [false, true] {
            let mut arrived = Vec::new();
            for layered in [false, true] {
                let server = ScriptedServer::bind().await;
                let mut request = request(Method::POST, &server.uri("/"), "1");
                *request.body_mut() = body();
                let layer = Decisions::default().layer().single_hop(single_hop);
                let send = async {
                    match layered {
                        true => ServiceBuilder::new().layer(layer).service(setup::client()).oneshot(request).await,
                        false => setup::client().execute(request).await,
                    }
                };
                let script = async {
                    let mut conn = server.accept().await;
                    let (request, body) = take(&mut conn).await;
                    conn.respond(request.stream_id, 200, &[], "").await;
                    (conn, request.headers, body)
                };
                let (response, (_conn, mut headers, body)) =
                    within("both sides", async { tokio::join!(send, script) }).await;
                response.unwrap();
                headers.remove("host");
                arrived.push((headers, body));
            }
            assert_eq!(arrived[0], arrived[1], "{what}, single_hop {single_hop}");
        }
    }
}

/// B3, B11: a stream that is longer than what is recorded is sent once, untouched, and ends in reqwest's own error.
#[tokio::test]
async fn a_stream_that_cannot_be_sent_again_is_sent_once() {
    static LONG: [u8; 100_000] = [7; 100_000];
    let server = ScriptedServer::bind().await;
    let decisions = Decisions::default();
    let client = ServiceBuilder::new().layer(decisions.layer()).service(setup::client());
    let script = async {
        let mut conn = server.accept().await;
        let (request, body) = take(&mut conn).await;
        conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
        (conn, body)
    };
    let put = with_body(Method::PUT, &server.uri("/"), "1", stream(&LONG, 10_000));
    let (result, (_conn, body)) = within("both sides", async { tokio::join!(client.oneshot(put), script) }).await;
    let error = result.unwrap_err();
    assert!(error.is_request() && error.url().is_some(), "{error:?}");
    assert_eq!(body, LONG.as_slice());
    assert_eq!(decisions.seen(), (0, Some(Stop::BodyUsed)));
}

/// The timeout that a request carries is that of each attempt.
#[tokio::test]
async fn a_requests_own_timeout_is_kept() {
    let silent = |_: &Received, _| Some(crate::support::Fault::Silence { processed: false });
    let server = FaultyServer::builder().choose(silent).start().await;
    let decisions = Decisions::default();
    let client = ServiceBuilder::new().layer(decisions.layer().resend_timeouts(true)).service(setup::client());
    let mut get = request(Method::GET, &server.uri("/"), "1");
    *get.timeout_mut() = Some(Duration::from_millis(50));
    let error = within("an error", client.oneshot(get)).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(decisions.seen(), (2, Some(Stop::MaxResends)));
}
