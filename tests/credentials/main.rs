//! Credentials: a resend goes to the caller's origin only, and what is logged or shown with `Debug` has no secret in it.

mod elsewhere;
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
#[cfg(feature = "resume")]
use http::header::RANGE;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use support::log::Log;
use support::message::Received;
use support::{Fault, FaultyServer, Reply, clients, reason};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};
use tracing::level_filters::LevelFilter;

const SECRET: &str = "hunter2";

/// One test at a time: a log line that another thread comes to first, where nobody listens, may stay unlogged.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn refuse_first(_: &Received, nth: u64) -> Option<Fault> {
    (nth % 2 == 1).then_some(Fault::Refuse)
}

/// Whatever the answer to a resend says of another origin, that one hears nothing of us.
#[tokio::test]
async fn a_resend_goes_to_no_other_origin() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let other = FaultyServer::builder().start().await;
    let elsewhere = other.uri("/elsewhere").to_string();
    for status in [200, 301, 302, 303, 307, 308, 421] {
        let (to, alternative) = (elsewhere.clone(), format!("h2=\"{}\"", other.addr()));
        let tempting = move |_: &Received, _| {
            let reply = Reply::new(status).header("location", &to).header("content-location", &to);
            reply.header("alt-svc", &alternative)
        };
        let server = FaultyServer::builder().choose(refuse_first).handler(tempting).start().await;
        let health = ConnectionHealth::default();
        let client = clients::builder().http2_only(true).build(health.connector(clients::http_connector()));
        let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
        for n in 0..3 {
            let mut request = clients::post(server.uri("/"), &n.to_string(), "body");
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
            let response = client.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
        assert_eq!((server.counters().refused, server.counters().streams), (3, 6), "each was resent, and here");
    }
    assert_eq!(other.counters().connections, 0);
}

/// However the answer to a request for the rest tempts: what is joined on comes from here, or nothing is.
#[cfg(feature = "resume")]
#[tokio::test]
async fn the_rest_of_a_download_is_asked_of_no_other_origin() {
    use tower_redial::resume::ResumeLayer;

    const HALF: usize = 1_000;
    let _alone = ONE_AT_A_TIME.lock().await;
    let content = Bytes::from(vec![b'.'; 2 * HALF]);
    let other = FaultyServer::builder().start().await;
    let elsewhere = other.uri("/elsewhere").to_string();
    for status in [206, 301, 302, 303, 307, 308, 421] {
        let (to, alternative, bytes) = (elsewhere.clone(), format!("h2=\"{}\"", other.addr()), content.clone());
        let tempting = move |request: &Received, _| {
            let reply = match request.headers.get(RANGE) {
                None => Reply::ok(bytes.clone()),
                Some(_) => Reply::new(status)
                    .header("content-range", format!("bytes {HALF}-{}/{}", 2 * HALF - 1, 2 * HALF))
                    .header("content-length", HALF.to_string())
                    .body(bytes.slice(HALF..)),
            };
            let reply = reply.header("etag", "\"v1\"").header("location", &to).header("content-location", &to);
            reply.header("alt-svc", &alternative)
        };
        let cut = |request: &Received, _| {
            (!request.headers.contains_key(RANGE)).then_some(Fault::ResetBody { after: HALF, reason: reason::CANCEL })
        };
        let server = FaultyServer::builder().choose(cut).handler(tempting).start().await;
        let client = ServiceBuilder::new().layer(ResumeLayer::new()).service(clients::h2());
        let mut request = clients::get(server.uri("/"), "1");
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
        let body = client.oneshot(request).await.unwrap().into_body().collect().await;
        assert_eq!(body.is_ok(), status == 206, "{status}: {body:?}");
        assert!(body.map_or(true, |body| body.to_bytes() == content));
        assert_eq!(server.counters().streams, 2, "the rest was asked for here");
    }
    assert_eq!(other.counters().connections, 0);
}

/// reqwest follows redirects and leaves credentials behind. A resend begins where the caller's request did, so that it still does.
#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_redirects_target_is_given_no_credentials() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let leaked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&leaked);
    let look = move |request: &Received, _: Bytes| {
        let secrets = request.headers.values().filter(|value| value.as_bytes() == SECRET.as_bytes());
        *count.lock().unwrap() += secrets.count();
        Reply::ok("")
    };
    // Each is refused once before it gets through: what is refused says so before the head is looked at, so that is looked at too.
    let refused = Arc::clone(&leaked);
    let refuse = move |request: &Received, nth| {
        let secrets = request.headers.values().filter(|value| value.as_bytes() == SECRET.as_bytes());
        *refused.lock().unwrap() += secrets.count();
        refuse_first(request, nth)
    };
    let target = FaultyServer::builder().choose(refuse).handler(look).start().await;
    for status in [301, 302, 303, 307, 308] {
        let to = target.uri("/target").to_string();
        let first =
            FaultyServer::builder().handler(move |_, _| Reply::new(status).header("location", &to)).start().await;
        let client = clients::reqwest().http2_prior_knowledge().build().unwrap();
        let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
        let mut request = reqwest::Request::new(Method::GET, first.uri("/").to_string().parse().unwrap());
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            request.headers_mut().insert(name, HeaderValue::from_static(SECRET));
        }
        let response = client.oneshot(request).await.unwrap();
        assert_eq!((response.status(), response.url().path()), (StatusCode::OK, "/target"));
        assert_eq!(first.counters().streams, 2, "the resend began at the first hop");
    }
    assert_eq!((target.counters().refused, target.counters().streams), (5, 10));
    assert_eq!(*leaked.lock().unwrap(), 0);
}

/// Secrets in fields, query, user information and bodies are neither logged at any level nor shown by services, futures in flight,
/// snapshots, events or attempts.
#[tokio::test]
async fn secrets_are_shown_to_nobody() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let server = FaultyServer::builder().choose(refuse_first).handler(|_, _| Reply::ok(SECRET)).start().await;
    let health = ConnectionHealth::default();
    let mut shown = Vec::new();
    let mut events = health.subscribe();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let layer = RetryOnCanceledLayer::new().on_retry(move |event| tell.lock().unwrap().push(format!("{event:?}")));
    let client = clients::builder().http2_only(true).build(health.connector(clients::http_connector()));
    let client = ServiceBuilder::new().layer(layer.clone()).layer(health.layer()).service(client);
    let uri: Uri = format!("http://user:{SECRET}@{}/path?token={SECRET}", server.addr()).parse().unwrap();
    let mut request: Request<_> = clients::post(uri, "1", SECRET);
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        request.headers_mut().insert(name, HeaderValue::from_static(SECRET));
    }
    let mut ready = client.clone();
    let future = ready.ready().await.unwrap().call(request);
    shown.push(format!("{layer:?} {health:?} {events:?} {future:?}"));
    let response = future.await.unwrap();
    assert_eq!(response.extensions().get::<tower_redial::retry::Attempts>().unwrap().resends(), 1);
    let attempts = response.extensions().get::<tower_redial::retry::Attempts>();
    let connection = response.extensions().get::<tower_redial::health::Connection>();
    shown.push(format!("{attempts:?} {connection:?} {:?}", response.body()));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), SECRET);
    let snapshot = health.snapshot();
    shown.push(format!("{snapshot:?}"));
    #[cfg(feature = "serde")]
    shown.push(serde_json::to_string(&snapshot).unwrap());
    while let Some(Some(notice)) = events.next().now_or_never() {
        shown.push(format!("{notice:?}"));
        #[cfg(feature = "serde")]
        if let tower_redial::health::Notice::Event(event) = notice {
            shown.push(serde_json::to_string(&event).unwrap());
        }
    }
    shown.extend(told.lock().unwrap().drain(..));
    let logged = log.lines().into_iter().filter(|line| line.contains("tower_redial"));
    shown.extend(logged);
    assert!(shown.len() >= 6, "{shown:#?}");
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// The error of a download, in a chain of errors.
#[cfg(feature = "resume")]
fn incomplete<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a tower_redial::resume::Incomplete {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.find_map(|error| error.downcast_ref()).expect("it is in the chain")
}

/// The error of a download shows where it broke, and not what broke it: that is a client's error, which may hold the URL. Nor do
/// the other futures and bodies show what they carry.
#[cfg(all(feature = "reqwest", feature = "resume"))]
#[tokio::test]
async fn what_is_under_way_or_broken_shows_no_secret() {
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use tower::service_fn;
    use tower_redial::body::WholeBodyLayer;
    use tower_redial::resume::ResumeLayer;
    use tower_redial::retry::Limits;

    let _alone = ONE_AT_A_TIME.lock().await;
    let broken = Fault::ResetBody { after: 10, reason: reason::CANCEL };
    let content = |_: &Received, _| Reply::ok(vec![b'.'; 100]).header("etag", "\"v1\"");
    let server = FaultyServer::builder().choose(move |_, _| Some(broken)).handler(content).start().await;
    let uri: Uri = format!("http://user:{SECRET}@{}/path?token={SECRET}", server.addr()).parse().unwrap();

    let client = clients::reqwest().http2_prior_knowledge().build().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let resume = ResumeLayer::new()
        .limits(Limits::after_loss().max_resends(0))
        .on_resume(move |event| tell.lock().unwrap().push(format!("{event:?}")));
    let mut client = ServiceBuilder::new().layer(resume).layer(RetryOnCanceledLayer::new()).service(client);
    let request = reqwest::Request::new(Method::GET, uri.to_string().parse().unwrap());
    let future = client.ready().await.unwrap().call(request);
    let mut shown = vec![format!("{client:?} {future:?}")];
    let response = future.await.unwrap();
    let error = response.bytes().await.unwrap_err();
    let incomplete = incomplete(&error);
    // What broke it is there, with whatever it says of itself, for who asks for it.
    assert!(std::error::Error::source(incomplete).unwrap().is::<reqwest::Error>());
    assert!(!told.lock().unwrap().is_empty());
    shown.append(&mut told.lock().unwrap());
    shown.push(format!("{incomplete:?} {incomplete}"));

    // Whatever the client's error says of itself.
    let says_all = service_fn(|_: Request<Full<Bytes>>| async {
        let broken = std::io::Error::other(format!("http://user:{SECRET}@host/ broke"));
        let frames = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"..."))), Err(broken)]);
        let response = http::Response::builder().header("content-length", 100).header("etag", "\"v1\"");
        Ok::<_, tower::BoxError>(response.body(StreamBody::new(frames)).unwrap())
    });
    let resume = ResumeLayer::new().limits(Limits::after_loss().max_resends(0));
    let client = ServiceBuilder::new().layer(resume).service(says_all);
    let body = client.oneshot(clients::get(uri.clone(), "1")).await.unwrap().into_body();
    let error: tower::BoxError = body.collect().await.unwrap_err();
    assert!(std::error::Error::source(self::incomplete(&*error)).unwrap().to_string().contains(SECRET));
    shown.push(format!("{:?} {}", self::incomplete(&*error), self::incomplete(&*error)));

    let mut whole = ServiceBuilder::new().layer(WholeBodyLayer::new()).layer(ResumeLayer::new()).service(clients::h2());
    let mut request = clients::post(uri, "1", SECRET);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
    let future = whole.ready().await.unwrap().call(request);
    shown.push(format!("{whole:?} {future:?}"));
    let (body, rewind) = tower_redial::body::replay(http_body_util::Full::new(Bytes::from(SECRET)), 100);
    shown.push(format!("{body:?} {rewind:?}"));
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Nor do the labels of metrics.
#[cfg(feature = "metrics")]
#[test]
fn labels_of_metrics_have_no_secret() {
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let server = FaultyServer::builder().choose(refuse_first).start().await;
            let health = ConnectionHealth::default();
            let client = clients::builder().http2_only(true).build(health.connector(clients::http_connector()));
            let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(health.layer()).service(client);
            let uri = format!("http://user:{SECRET}@{}/path?token={SECRET}", server.addr()).parse().unwrap();
            let mut request = clients::post(uri, "1", SECRET);
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
            client.oneshot(request).await.unwrap();
        });
    });
    let metrics = recorder.snapshotter().snapshot().into_vec();
    assert!(metrics.len() >= 4, "{metrics:?}");
    let shown = format!("{metrics:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("/path"), "{shown}");
}
