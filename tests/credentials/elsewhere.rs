//! Other stacks that are tempted to go to another origin.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::{ConnectionHealth, Downgrade, RetryOnCanceledLayer};

use crate::support::bound::within;
use crate::support::message::Received;
use crate::support::tls::{Identity, Trusting as _};
use crate::support::{Fault, FaultyServer, Reply, clients};
use crate::{ONE_AT_A_TIME, SECRET, refuse_first};

type Client = BoxCloneService<Request<Full<Bytes>>, StatusCode, BoxError>;

/// Lets a client send POSTs to a server which refuses each once and answers it then with what names another origin. That one is never
/// connected to.
async fn tempt(client: &Client, tls: Option<&Identity>) {
    let other = match tls {
        Some(identity) => FaultyServer::builder().tls(identity.clone()).http1().start().await,
        None => FaultyServer::builder().start().await,
    };
    let elsewhere = other.uri("/elsewhere").to_string();
    for status in [200, 301, 302, 303, 307, 308, 421] {
        let (to, alternative) = (elsewhere.clone(), format!("h2=\"{}\"", other.addr()));
        let tempting = move |request: &Received, _| {
            assert_eq!(request.headers[AUTHORIZATION], SECRET, "the caller's own origin gets what it sent");
            let reply = Reply::new(status).header("location", &to).header("content-location", &to);
            reply.header("alt-svc", &alternative)
        };
        let server = FaultyServer::builder().choose(refuse_first).handler(tempting);
        let server = match tls {
            Some(identity) => server.tls(identity.clone()).http1().start().await,
            None => server.start().await,
        };
        for n in 0..3 {
            let mut request = clients::post(server.uri("/"), &n.to_string(), "body");
            for name in [AUTHORIZATION, COOKIE] {
                request.headers_mut().insert(name, HeaderValue::from_static(SECRET));
            }
            assert_eq!(client.clone().oneshot(request).await.unwrap(), status);
        }
        assert_eq!((server.counters().refused, server.ledger().distinct()), (3, 3), "each was resent, and here");
    }
    assert_eq!(other.counters().connections, 0);
}

#[cfg(feature = "connect")]
#[tokio::test]
async fn a_pool_goes_to_no_other_origin() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let pool = tower_redial::connect::Pool::builder(&ConnectionHealth::default(), clients::http_connector()).build();
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(pool);
    let client = client.map_response(|response: http::Response<_>| response.status()).map_err(Into::into);
    tempt(&BoxCloneService::new(client), None).await;
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_renewed_client_goes_to_no_other_origin() {
    use tower_redial::reqwest::Renew;

    let _alone = ONE_AT_A_TIME.lock().await;
    let make = || {
        let client = clients::reqwest().http2_prior_knowledge().redirect(reqwest::redirect::Policy::none());
        client.build().map_err(BoxError::from)
    };
    let renew = Renew::builder().build(make).unwrap();
    let layer = RetryOnCanceledLayer::<tower_redial::retry::Typed>::new().single_hop(true);
    let client = ServiceBuilder::new().layer(layer).service(renew.clone());
    let client = client
        .map_request(|request: Request<Full<Bytes>>| {
            reqwest::Request::try_from(request.map(reqwest::Body::wrap)).unwrap()
        })
        .map_response(|response: reqwest::Response| response.status())
        .map_err(BoxError::from);
    let client = BoxCloneService::new(client);
    tempt(&client, None).await;
    let before = renew.generation();
    renew.renew();
    let renewed = async {
        while renew.generation() == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within("a new client", renewed).await;
    tempt(&client, None).await;
}

/// Over HTTP/2 first, and over HTTP/1.1 where that is asked for: the same origin.
#[tokio::test]
async fn a_downgrade_goes_to_no_other_origin() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let identity = Identity::new();
    let downgrade = Downgrade::default();
    let connector = downgrade.connector(identity.connector()).fallback(identity.connector_h1());
    let stack = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(connector.layer());
    let client = stack.service(clients::builder().build(connector));
    let client = client.map_response(|response: http::Response<_>| response.status()).map_err(Into::into);
    tempt(&BoxCloneService::new(client), Some(&identity)).await;
}

/// HTTP_1_1_REQUIRED: what is sent again over HTTP/1.1 goes where it was to go, whatever it finds there; and what is under way shows
/// no secret.
#[tokio::test]
async fn over_http1_it_goes_to_the_same_origin() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let identity = Identity::new();
    let other = FaultyServer::builder().tls(identity.clone()).http1().start().await;
    let elsewhere = other.uri("/elsewhere").to_string();
    for status in [200, 301, 302, 303, 307, 308] {
        let to = elsewhere.clone();
        let tempting =
            move |_: &Received, _| Reply::new(status).header("location", &to).header("content-location", &to);
        let required = |_: &Received, nth| {
            (nth == 1).then_some(Fault::Reset { reason: crate::reason::HTTP_1_1_REQUIRED, processed: false })
        };
        let server =
            FaultyServer::builder().tls(identity.clone()).http1().choose(required).handler(tempting).start().await;
        let downgrade = Downgrade::default();
        let connector = downgrade.connector(identity.connector()).fallback(identity.connector_h1());
        let mut client = ServiceBuilder::new()
            .layer(RetryOnCanceledLayer::new())
            .layer(connector.layer())
            .service(clients::builder().build(connector));
        let uri = format!("https://user:{SECRET}@{}/?token={SECRET}", server.addr()).parse().unwrap();
        let mut request = clients::post(uri, "1", SECRET);
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
        let future = client.ready().await.unwrap().call(request);
        let shown = format!("{client:?} {future:?} {downgrade:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        let response = future.await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(server.counters().http1_requests, 1, "{:?}", server.counters());
        let shown = format!("{:?}", downgrade.snapshot());
        assert!(!shown.contains(SECRET), "{shown}");
    }
    assert_eq!((other.counters().connections, other.counters().http1_connections), (0, 0));
}
