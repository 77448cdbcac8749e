//! The layers as middleware, with others on both sides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{Extensions, Method, Uri};
use reqwest::multipart::{Form, Part};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower_redial::RetryOnCanceledLayer;
use tower_redial::fate::Verdict;
use tower_redial::retry::{Attempts, Idempotent, NoRetry, ResendCount, Stop};

use crate::setup::{self, Decisions, request, stream, with_body};
use crate::support::bound::within;
use crate::support::{Cut, Fault, FaultyServer, REQUEST_ID};

/// Cuts or refuses the first `count` requests.
async fn failing(count: u64, fault: Fault) -> FaultyServer {
    FaultyServer::builder().choose(move |_, nth| (nth <= count).then_some(fault)).start().await
}

const CUT: Fault = Fault::Cut { how: Cut::Fin, processed: true };

/// What a middleware of the test's own saw.
#[derive(Clone, Default)]
struct Seen {
    requests: Arc<AtomicU64>,
    marks: Arc<Mutex<Vec<Option<Mark>>>>,
    counts: Arc<Mutex<Vec<Option<u32>>>>,
}

/// What one attempt leaves in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark(u64);

/// What the caller put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Given;

#[async_trait]
impl Middleware for Seen {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(extensions.get::<Given>().is_some(), "what the caller put there is there");
        self.counts.lock().unwrap().push(extensions.get::<ResendCount>().map(|count| count.get()));
        let before = extensions.insert(Mark(number));
        let result = next.run(request, extensions).await;
        self.marks.lock().unwrap().push(before);
        self.marks.lock().unwrap().push(extensions.get::<Mark>().copied());
        result
    }
}

fn client(above: &Seen, below: &Seen, layer: RetryOnCanceledLayer) -> ClientWithMiddleware {
    ClientBuilder::new(setup::client()).with(above.clone()).with(layer).with(below.clone()).build()
}

/// S3: those before it see the request once, those after it each attempt; what one attempt leaves in the extensions is not
/// there for the next, and what the last one leaves is there for those before.
#[tokio::test]
async fn each_attempt_has_extensions_of_its_own() {
    let server = failing(2, CUT).await;
    let (above, below) = (Seen::default(), Seen::default());
    let client = client(&above, &below, RetryOnCanceledLayer::new());
    let mut extensions = Extensions::new();
    extensions.insert(Given);
    let get = request(Method::GET, &server.uri("/"), "1");
    let response = within("a response", client.execute_with_extensions(get, &mut extensions)).await.unwrap();
    assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 2);

    assert_eq!((above.requests.load(Ordering::Relaxed), below.requests.load(Ordering::Relaxed)), (1, 3));
    // Below: as it came from above before, its own after, each time.
    let from_above = Some(Mark(1));
    let expected = [from_above, Some(Mark(1)), from_above, Some(Mark(2)), from_above, Some(Mark(3))];
    assert_eq!(*below.marks.lock().unwrap(), expected);
    assert_eq!(*below.counts.lock().unwrap(), [None, Some(1), Some(2)]);
    // Above: nothing before, the last attempt's after.
    assert_eq!(*above.marks.lock().unwrap(), [None, Some(Mark(3))]);
    assert_eq!(extensions.get::<Mark>(), Some(&Mark(3)));

    // Our own mark stays below: whoever uses the extensions once more is resent for as well.
    assert!(extensions.get::<ResendCount>().is_none());
    let server = failing(1, CUT).await;
    let get = request(Method::GET, &server.uri("/"), "2");
    let response = within("a response", client.execute_with_extensions(get, &mut extensions)).await.unwrap();
    assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 1);
}

/// What is idempotent, and what is not to be resent, is said by extensions.
#[tokio::test]
async fn extensions_say_what_may_be_resent() {
    let (mut idempotent, mut never) = (Extensions::new(), Extensions::new());
    idempotent.insert(Idempotent);
    never.insert(NoRetry);
    let cases = [(None, idempotent), (Some(Stop::NotIdempotent), Extensions::new()), (Some(Stop::NoRetry), never)];
    for (stop, mut extensions) in cases {
        let server = failing(1, CUT).await;
        let decisions = Decisions::default();
        let client = ClientBuilder::new(setup::client()).with(decisions.layer()).build();
        let post = with_body(Method::POST, &server.uri("/"), "1", "a body");
        let result = within("an end", client.execute_with_extensions(post, &mut extensions)).await;
        assert_eq!(result.is_ok(), stop.is_none(), "{result:?}");
        assert_eq!(decisions.seen(), (usize::from(stop.is_none()), stop));
    }
}

/// T7: of two of these layers only the outer one resends.
#[tokio::test]
async fn attempts_do_not_multiply() {
    let server = failing(u64::MAX, CUT).await;
    let (outer, inner) = (Decisions::default(), Decisions::default());
    let client = ClientBuilder::new(setup::client()).with(outer.layer()).with(inner.layer()).build();
    let error = within("an error", client.execute(request(Method::GET, &server.uri("/"), "1"))).await.unwrap_err();
    assert!(matches!(error, reqwest_middleware::Error::Reqwest(_)), "{error:?}");
    // The first attempt is the inner layer's to resend; then the outer one's mark is on the request.
    assert_eq!((outer.seen(), inner.seen()), ((2, Some(Stop::MaxResends)), (2, Some(Stop::MaxResends))));
    assert_eq!(server.ledger().times("1"), 5);
}

/// B2, B11: a one-shot stream and a multipart form are sent again, where reqwest-retry refuses them before the first attempt.
#[tokio::test]
async fn streams_and_forms_are_resent() {
    let put =
        |client: &ClientWithMiddleware, uri: &Uri, id: &'static str| client.put(uri.to_string()).header(REQUEST_ID, id);
    let form = || {
        let file = Part::stream(stream(b"the contents of a file", 5)).file_name("file.txt");
        Form::new().text("name", "value").part("file", file)
    };
    let server = failing(0, CUT).await;
    let backoff = ExponentialBackoff::builder().build_with_max_retries(3);
    let middleware = RetryTransientMiddleware::new_with_policy(backoff);
    let neighbour = ClientBuilder::new(setup::client()).with(middleware).build();
    let requests = [
        put(&neighbour, &server.uri("/"), "1").body(stream(b"parts", 2)),
        put(&neighbour, &server.uri("/"), "2").multipart(form()),
    ];
    for request in requests {
        assert!(within("an error", request.send()).await.unwrap_err().is_middleware());
    }
    assert_eq!(server.ledger().total_seen(), 0);

    let server = FaultyServer::builder().choose(|_, nth| (nth % 2 == 1).then_some(CUT)).start().await;
    let client = ClientBuilder::new(setup::client()).with(RetryOnCanceledLayer::new()).build();
    let requests = [
        put(&client, &server.uri("/"), "1").body(stream(b"parts", 2)),
        put(&client, &server.uri("/"), "2").multipart(form()),
    ];
    for request in requests {
        let response = within("a response", request.send()).await.unwrap();
        assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 1);
    }
    assert_eq!((server.ledger().times("1"), server.ledger().times("2")), (2, 2));
}

/// An error of a middleware below counts for what it proves, and comes out as it went in.
#[tokio::test]
async fn a_middlewares_error_is_read() {
    struct HoldBack(AtomicU64);
    #[async_trait]
    impl Middleware for HoldBack {
        async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(reqwest_middleware::Error::middleware(Verdict::not_sent("held back")));
            }
            next.run(request, extensions).await
        }
    }
    let server = failing(0, CUT).await;
    let client = |layer| ClientBuilder::new(setup::client()).with(layer).with(HoldBack(AtomicU64::new(0))).build();
    let layer = RetryOnCanceledLayer::new().single_hop(true);
    let post = || with_body(Method::POST, &server.uri("/"), "1", "a body");
    within("a response", client(layer).execute(post())).await.unwrap();
    assert_eq!(server.ledger().times("1"), 1);

    let error = within("an error", client(RetryOnCanceledLayer::new()).execute(post())).await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error:?}") };
    assert!(error.downcast_ref::<Verdict>().is_some());
}
