//! Bodies that end early, or never: an error, never a clean end.

#[path = "support/mod.rs"]
mod support;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{poll, stream};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use support::bound::within;
use support::{H2Conn, ScriptedServer, clients, reason};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::body::{Whole, WholeBodyLayer, WrongLength};

/// A body that gives these parts, and trailers if it is told so.
fn parts(parts: &[&'static str], trailers: bool) -> impl Body<Data = Bytes, Error = BoxError> + Unpin + use<> {
    let mut frames: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
    if trailers {
        frames.push(Ok(Frame::trailers(HeaderMap::new())));
    }
    StreamBody::new(stream::iter(frames))
}

fn wrong(error: &BoxError) -> (u64, u64) {
    let error = error.downcast_ref::<WrongLength>().unwrap_or_else(|| panic!("{error:?}"));
    (error.expected(), error.received())
}

#[tokio::test]
async fn a_body_is_as_long_as_was_said_or_fails() {
    let whole = Whole::new(parts(&["ab", "", "cd"], true), Some(4)).collect().await.unwrap();
    assert!(whole.trailers().is_some());
    assert_eq!(whole.to_bytes(), "abcd");
    // Nothing is known: nothing is checked.
    assert_eq!(Whole::new(parts(&["ab"], false), None).collect().await.unwrap().to_bytes(), "ab");
    for (given, trailers, expected, received) in [
        (&["ab", "c"][..], false, 4, 3),
        // They are the end too.
        (&["ab", "c"], true, 4, 3),
        (&[], false, 1, 0),
        (&["ab", "cd"], false, 3, 4),
        (&["ab"], true, 0, 2),
    ] {
        let error = Whole::new(parts(given, trailers), Some(expected)).collect().await.unwrap_err();
        assert_eq!(wrong(&error), (expected, received), "{given:?}");
        let how = if received < expected { "ended after" } else { "is longer than" };
        assert!(error.to_string().contains(how), "{error}");
    }
}

/// Whoever polls on gets the error again.
#[tokio::test]
async fn an_error_stays_one() {
    for (given, expected) in [(&["a"][..], 2), (&["abc"], 2)] {
        let mut body = Whole::new(parts(given, true), Some(expected));
        let mut errors = 0;
        for _ in 0..4 {
            match body.frame().await {
                Some(Ok(frame)) => assert!(frame.is_data() && errors == 0),
                Some(Err(_)) => errors += 1,
                None => panic!("a clean end of {given:?}"),
            }
        }
        assert!(errors >= 3);
    }
}

/// Who asks whether it has ended, instead of polling, is not told so before all has come.
#[tokio::test]
async fn it_has_not_ended_before_its_time() {
    let mut body = Whole::new(Full::new(Bytes::from("ab")), Some(3));
    assert_eq!(body.size_hint().exact(), Some(3));
    body.frame().await.unwrap().unwrap();
    assert!(body.get_ref().is_end_stream() && !body.is_end_stream());
    assert_eq!((body.expected(), body.received(), body.size_hint().exact()), (Some(3), 2, Some(1)));
    let mut body = Whole::new(Full::new(Bytes::from("ab")), Some(2));
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
}

/// It is ready when the service inside is.
#[tokio::test]
async fn readiness_is_that_of_the_service_inside() {
    let service = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))));
    let service = ServiceBuilder::new().layer(WholeBodyLayer::new()).concurrency_limit(1).service(service);
    let (mut one, mut other) = (service.clone(), service);
    assert!(poll!(one.ready()).is_ready());
    assert!(poll!(other.ready()).is_pending());
}

/// Without the field the body's own length counts, if it has one.
#[tokio::test]
async fn a_body_may_know_its_length_itself() {
    let response = Whole::of(Response::new(Full::new(Bytes::from("ab"))), &Method::GET);
    assert_eq!(response.body().size_hint().exact(), Some(2));
    let head = Response::builder().header("content-length", "7").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(Whole::of(head, &Method::HEAD).into_body().collect().await.unwrap().to_bytes(), "");
}

/// How a peer cuts a body so that hyper takes it for whole.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// RST_STREAM(NO_ERROR).
    Reset,
    /// GOAWAY(NO_ERROR) with a last stream below it, and the end of the connection.
    GoAway,
}

async fn half_a_response(server: &ScriptedServer, cut: Cut) -> H2Conn {
    let mut conn = server.accept().await;
    let request = conn.request().await;
    conn.head(request.stream_id, 200, &[("content-length", "10")]).await;
    conn.data(request.stream_id, "half ", false).await;
    // What was sent has arrived before it is cut.
    conn.round_trip().await;
    match cut {
        Cut::Reset => conn.reset(request.stream_id, reason::NO_ERROR).await,
        Cut::GoAway => {
            conn.goaway(0, reason::NO_ERROR).await;
            conn.half_close().await;
        }
    }
    conn
}

/// hyper takes NO_ERROR for an end: half a body is reported as a whole one. Not with the layer.
#[tokio::test]
async fn half_a_body_is_no_body() {
    for cut in [Cut::Reset, Cut::GoAway] {
        let server = ScriptedServer::bind().await;
        let request = || clients::get(server.uri("/"), "1");
        let bare = async { clients::h2().oneshot(request()).await.unwrap().into_body().collect().await };
        let both = async { tokio::join!(bare, half_a_response(&server, cut)) };
        let (bare, _conn) = within("the bare client", both).await;
        assert_eq!(bare.unwrap().to_bytes(), "half ", "what hyper gives for {cut:?}");

        let client = ServiceBuilder::new().layer(WholeBodyLayer::new()).service(clients::h2());
        let checked = async { client.oneshot(request()).await.unwrap().into_body().collect().await };
        let both = async { tokio::join!(checked, half_a_response(&server, cut)) };
        let (checked, _conn) = within("the checked client", both).await;
        assert_eq!(wrong(&checked.unwrap_err()), (10, 5), "{cut:?}");
    }
}

/// The same through reqwest, as a service and as middleware; all else of the response stays.
#[cfg(feature = "reqwest-middleware")]
#[tokio::test]
async fn half_a_body_is_no_body_through_reqwest() {
    let client = || clients::reqwest().http2_prior_knowledge().build().unwrap();
    let layered = |client| ServiceBuilder::new().layer(WholeBodyLayer::new()).service(client);
    for middleware in [false, true] {
        let server = ScriptedServer::bind().await;
        let url: reqwest::Url = server.uri("/file").to_string().parse().unwrap();
        let request = reqwest::Request::new(Method::GET, url.clone());
        let send = async {
            let response = match middleware {
                false => layered(client()).oneshot(request).await.unwrap(),
                true => {
                    let builder = reqwest_middleware::ClientBuilder::new(client());
                    builder.with(WholeBodyLayer::new()).build().execute(request).await.unwrap()
                }
            };
            assert_eq!((response.url(), response.content_length()), (&url, Some(10)));
            assert!(response.remote_addr().is_some());
            response.bytes().await
        };
        let both = async { tokio::join!(send, half_a_response(&server, Cut::Reset)) };
        let (bytes, _conn) = within("a response", both).await;
        let error: BoxError = bytes.unwrap_err().into();
        let mut source = Some(&*error as &(dyn std::error::Error + 'static));
        while let Some(error) = source.filter(|error| !error.is::<WrongLength>()) {
            source = error.source();
        }
        assert!(source.is_some(), "{error:?}");
    }
}
