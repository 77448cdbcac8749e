//! The service's contract: readiness, permits, time, budgets, cancellation. The inner service is played; what real
//! clients and servers do is in the other tests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::budget::Budget;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::fate::{Cause, Fate};
use tower_redial::retry::{
    Attempts, Backoff, Decision, Idempotent, Limits, NoRetry, ResendCount, Stop, Treatment, Typed,
};
use tower_redial::{ReplayBody, RetryOnCanceled, RetryOnCanceledLayer};

type Sent = Request<ReplayBody<Full<Bytes>>>;

/// What the played service does with one attempt.
#[derive(Clone, Copy, Debug)]
enum Play {
    /// 200, after having read the body.
    Answer,
    /// The connection is lost: `Unknown`.
    Lose,
    /// The connection is refused: `NotSent`, at a cost.
    Refuse,
    /// hyper gives the request back: `NotSent`.
    HandBack,
    /// An error that says nothing.
    Odd,
    /// Nothing ever happens.
    Hang,
    /// The body is read, then the connection is lost.
    ReadAndLose,
}

/// hyper's own `Canceled`, from a connection that is gone.
async fn handed_back() -> hyper::Error {
    let (io, _peer) = tokio::io::duplex(64);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(hyper_util::rt::TokioIo::new(io)).await.unwrap();
    drop(connection);
    let error = sender.send_request(Request::new(Empty::new())).await.unwrap_err();
    assert!(error.is_canceled());
    error
}

async fn play(play: Play, request: Sent) -> Result<Response<Bytes>, BoxError> {
    let read = async |request: Sent| request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    match play {
        Play::Answer => Ok(Response::new(read(request).await?)),
        Play::Lose => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
        Play::Refuse => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        Play::HandBack => Err(handed_back().await.into()),
        Play::Odd => Err("no idea".into()),
        Play::Hang => std::future::pending().await,
        Play::ReadAndLose => {
            read(request).await?;
            Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
        }
    }
}

/// When, and with which resend count, each attempt was made.
type Log = Arc<Mutex<Vec<(Duration, Option<u32>)>>>;

/// Plays `plays` one attempt after another, and then only answers.
fn player(plays: impl IntoIterator<Item = Play>) -> (impl InnerService, Log) {
    let plays = Arc::new(Mutex::new(plays.into_iter().collect::<VecDeque<_>>()));
    let log = Log::default();
    let began = Instant::now();
    let played = Arc::clone(&log);
    let service = service_fn(move |request: Sent| {
        let count = request.extensions().get::<ResendCount>().map(|count| count.get());
        played.lock().unwrap().push((began.elapsed(), count));
        play(plays.lock().unwrap().pop_front().unwrap_or(Play::Answer), request)
    });
    (service, log)
}

trait InnerService:
    Service<Sent, Response = Response<Bytes>, Error = BoxError, Future: Send> + Clone + Send + 'static
{
}

impl<S> InnerService for S where
    S: Service<Sent, Response = Response<Bytes>, Error = BoxError, Future: Send> + Clone + Send + 'static
{
}

fn request(method: Method) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("http://host/path").body(Full::new(Bytes::from("body"))).unwrap()
}

fn attempts(log: &Log) -> usize {
    log.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn what_goes_well_is_left_alone() {
    let (inner, log) = player([Play::Answer]);
    let response = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap();
    assert!(response.extensions().get::<Attempts>().is_none());
    assert_eq!(response.into_body(), "body");
    assert_eq!(*log.lock().unwrap(), [(Duration::ZERO, None)]);
}

/// Short for what `ServiceBuilder` does.
trait LayerOn {
    fn layer_on<S>(self, inner: S) -> RetryOnCanceled<S, tower_redial::retry::Boxed>;
}

impl LayerOn for RetryOnCanceledLayer<tower_redial::retry::Boxed> {
    fn layer_on<S>(self, inner: S) -> RetryOnCanceled<S, tower_redial::retry::Boxed> {
        ServiceBuilder::new().layer(self).service(inner)
    }
}

/// Each attempt that failed is told, and how often it was resent in all.
#[tokio::test(start_paused = true)]
async fn all_attempts_are_told() {
    let (inner, _) = player([Play::HandBack, Play::Lose, Play::HandBack]);
    let response = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::GET)).await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let causes: Vec<_> = attempts.iter().map(|attempt| (attempt.number(), attempt.failure().cause())).collect();
    assert_eq!(causes, [(1, Cause::HandedBack), (2, Cause::Closed), (3, Cause::HandedBack)]);
    assert_eq!(attempts.resends(), 3);
}

/// Whoever allows thousands of resends does not keep a record of each.
#[tokio::test(start_paused = true)]
async fn a_hundred_attempts_are_kept_and_all_are_counted() {
    let limits = Limits::transparent().max_resends(200).without_budget();
    let (inner, _) = player([Play::HandBack; 150]);
    let layer = RetryOnCanceledLayer::new().transparent(limits).retry_for(Duration::MAX);
    let response = layer.layer_on(inner).oneshot(request(Method::GET)).await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!((attempts.iter().count(), attempts.resends()), (100, 150));
}

/// M1, C15: a request that came back is sent again, whatever its method; the response tells of it.
#[tokio::test(start_paused = true)]
async fn a_request_that_came_back_is_resent() {
    let (inner, log) = player([Play::HandBack]);
    let response = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap();
    let attempts: Vec<_> = response
        .extensions()
        .get::<Attempts>()
        .unwrap()
        .iter()
        .map(|attempt| (attempt.number(), attempt.failure().fate(), attempt.failure().cause(), attempt.waited()))
        .collect();
    assert_eq!(attempts, [(1, Fate::NotSent, Cause::HandedBack, Duration::ZERO)]);
    assert_eq!(response.extensions().get::<Attempts>().unwrap().resends(), 1);
    assert_eq!(response.into_body(), "body");
    assert_eq!(*log.lock().unwrap(), [(Duration::ZERO, None), (Duration::ZERO, Some(1))]);
}

/// C5: a lost connection resends GET, and gives the very error back for POST.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_resends_what_is_idempotent() {
    let (inner, log) = player([Play::ReadAndLose]);
    let response = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::PUT)).await.unwrap();
    assert_eq!(response.into_body(), "body", "read once and replayed");
    assert_eq!(attempts(&log), 2);

    let (inner, log) = player([Play::ReadAndLose]);
    let error = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    let error = error.downcast_ref::<io::Error>().expect("the inner error, unchanged");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(attempts(&log), 1);
}

/// Concrete error types stay what they are, with no turbofish anywhere.
#[tokio::test(start_paused = true)]
async fn a_concrete_error_type_stays() {
    let inner = service_fn(|_: Sent| async { Err::<Response<()>, _>(io::Error::from(io::ErrorKind::BrokenPipe)) });
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(inner);
    let error: io::Error = service.oneshot(request(Method::POST)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// The whole sequence of a request that always comes back: bounded, at once, then ever slower.
#[tokio::test(start_paused = true)]
async fn resends_are_bounded_and_backed_off() {
    let (inner, log) = player([Play::HandBack; 20]);
    let began = Instant::now();
    let error = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    assert!(error.downcast_ref::<hyper::Error>().unwrap().is_canceled(), "the last attempt's error, unchanged");
    let log = log.lock().unwrap();
    assert_eq!(
        log.iter().map(|(_, count)| *count).collect::<Vec<_>>(),
        [None, Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]
    );
    let waits: Vec<_> = log.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert_eq!(waits[0], 0);
    for (wait, full) in waits[1..].iter().zip([25, 50, 100, 200, 250]) {
        assert!((full / 2..=full + 1).contains(wait), "{waits:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// C21: a connect that failed is resent whatever the method, but paced and counted like a loss.
#[tokio::test(start_paused = true)]
async fn a_failed_connect_is_resent_like_a_loss() {
    let (inner, log) = player([Play::Refuse; 9]);
    RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    let log = log.lock().unwrap();
    let waits: Vec<_> = log.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert_eq!(waits.len(), 2);
    assert!((25..=51).contains(&waits[0]) && (50..=101).contains(&waits[1]), "{waits:?}");
}

/// T14: clients that failed together do not come back together.
#[tokio::test(start_paused = true)]
async fn waits_are_spread() {
    let mut waits = Vec::new();
    for _ in 0..200 {
        let (inner, log) = player([Play::Lose]);
        RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::GET)).await.unwrap();
        let log = log.lock().unwrap();
        waits.push(log[1].0.as_micros() / 1_000);
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 10, "{waits:?}");
    assert!(waits.iter().all(|wait| (25..=51).contains(wait)), "{waits:?}");
}

/// W4, W5: no resend begins after `retry_for`, and none is waited for in vain.
#[tokio::test(start_paused = true)]
async fn no_resend_begins_after_retry_for() {
    let seconds = Duration::from_secs;
    let patient = Limits::after_loss().max_resends(100).backoff(Backoff::new(seconds(4), seconds(4)));
    let stops = Stops::default();
    let layer = RetryOnCanceledLayer::new().after_loss(patient).retry_for(seconds(10)).on_retry(stops.record());
    let (inner, log) = player([Play::Lose; 100]);
    let began = Instant::now();
    layer.layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert!(log.lock().unwrap().iter().all(|(at, _)| *at <= seconds(10)));
    assert!(began.elapsed() <= seconds(10));
    assert!(matches!(stops.only(), Stop::OutOfTime { wait } if wait > seconds(1)), "{:?}", stops.only());
}

/// Why requests were not resent.
#[derive(Clone, Default)]
struct Stops(Arc<Mutex<Vec<Stop>>>);

impl Stops {
    fn record(&self) -> impl Fn(&tower_redial::retry::Event<'_>) + Send + Sync + 'static {
        let stops = Arc::clone(&self.0);
        move |event| {
            if let Decision::Stop(stop) = event.decision() {
                stops.lock().unwrap().push(stop);
            }
        }
    }

    fn only(&self) -> Stop {
        let stops = self.0.lock().unwrap();
        assert_eq!(stops.len(), 1, "{stops:?}");
        stops[0]
    }
}

/// Each failed attempt is told of once, with its number, its decision and why.
#[tokio::test(start_paused = true)]
async fn every_decision_is_told_once() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let layer = RetryOnCanceledLayer::new().on_retry(move |event| {
        assert_eq!(event.method(), Method::GET);
        assert_eq!(event.uri().path(), "/path");
        assert!(event.body_error().is_none());
        let resent = matches!(event.decision(), Decision::Resend { .. });
        told.lock().unwrap().push((event.attempt(), event.failure().cause(), resent));
    });
    let (inner, _) = player([Play::HandBack, Play::Lose, Play::Lose, Play::Odd]);
    layer.layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(
        *events.lock().unwrap(),
        [(1, Cause::HandedBack, true), (2, Cause::Closed, true), (3, Cause::Closed, true), (4, Cause::Other, false)]
    );
}

/// T7, T8: a request that a layer above is resending is not resent here; and all the other reasons.
#[tokio::test(start_paused = true)]
async fn each_reason_to_stop_is_told() {
    let lost = |method| (vec![Play::ReadAndLose; 9], request(method));
    let mut with_no_retry = request(Method::GET);
    with_no_retry.extensions_mut().insert(NoRetry);
    let mut nested = request(Method::GET);
    nested.extensions_mut().insert(ResendCount::new(1));
    let layer = RetryOnCanceledLayer::new;
    for (expected, layer, (plays, request)) in [
        (Stop::Permanent, layer(), (vec![Play::Odd], request(Method::GET))),
        (Stop::NotIdempotent, layer(), lost(Method::POST)),
        (Stop::MaxResends, layer(), lost(Method::GET)),
        (Stop::BodyUsed, layer().replay_limit(3), lost(Method::PUT)),
        (Stop::NoRetry, layer(), (vec![Play::HandBack], with_no_retry)),
        (Stop::Nested, layer(), (vec![Play::Lose], nested)),
        (Stop::NotSingleHop, layer().single_hop(false), (vec![Play::HandBack], request(Method::POST))),
        (Stop::ObserveOnly, layer().observe_only(true), (vec![Play::HandBack], request(Method::POST))),
        (Stop::BudgetExhausted, layer().after_loss(Limits::after_loss().budget_per_origin(0.0, 0)), lost(Method::GET)),
        (Stop::NoRetry, layer().treatment(|_| Treatment::NoRetry), (vec![Play::HandBack], request(Method::GET))),
        (Stop::NotIdempotent, layer().idempotent_methods([Method::PUT]), lost(Method::GET)),
    ] {
        let stops = Stops::default();
        let (inner, _) = player(plays);
        layer.on_retry(stops.record()).layer_on(inner).oneshot(request).await.unwrap_err();
        assert_eq!(stops.only(), expected);
    }
}

/// The caller's word for one request: an extension, a header, or the predicate.
#[tokio::test(start_paused = true)]
async fn a_post_may_be_declared_idempotent() {
    let mut by_extension = request(Method::POST);
    by_extension.extensions_mut().insert(Idempotent);
    let mut by_header = request(Method::POST);
    by_header.headers_mut().insert("idempotency-key", "\"8e03978e\"".parse().unwrap());
    let by_path = |head: &http::request::Parts| {
        if head.uri.path() == "/path" { Treatment::Idempotent } else { Treatment::ByRequest }
    };
    for (layer, request) in [
        (RetryOnCanceledLayer::new(), by_extension),
        (RetryOnCanceledLayer::new(), by_header),
        (RetryOnCanceledLayer::new().treatment(by_path), request(Method::POST)),
    ] {
        let (inner, log) = player([Play::ReadAndLose]);
        layer.layer_on(inner).oneshot(request).await.unwrap();
        assert_eq!(attempts(&log), 2);
    }
}

/// W3: a timeout below is resent for idempotent requests where that was asked for, and only there.
#[tokio::test(start_paused = true)]
async fn timeouts_below_are_resent_where_asked() {
    for (asked, method, expected) in
        [(true, Method::GET, 2), (true, Method::POST, 1), (false, Method::GET, 1), (false, Method::POST, 1)]
    {
        let (inner, log) = player([Play::Hang]);
        let service = ServiceBuilder::new()
            .layer(RetryOnCanceledLayer::new().resend_timeouts(asked))
            .layer(TimeoutLayer::new(Duration::from_secs(1)))
            .service(inner);
        let result = service.oneshot(request(method)).await;
        assert_eq!(attempts(&log), expected);
        assert_eq!(result.is_ok(), expected == 2);
        if let Err(error) = result {
            assert!(error.is::<tower::timeout::error::Elapsed>());
        }
    }
}

/// S3, S4: what one attempt's layers put into the head is not there for the next: each is signed anew.
#[tokio::test(start_paused = true)]
async fn attempts_do_not_share_extensions() {
    #[derive(Clone)]
    struct Mark;
    #[derive(Clone, PartialEq, Debug)]
    struct Mine(u8);
    let (inner, _) = player([Play::HandBack]);
    let service = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .map_request(|mut request: Sent| {
            assert_eq!(request.extensions().get::<Mine>(), Some(&Mine(7)), "the caller's are in every attempt");
            assert!(request.extensions_mut().insert(Mark).is_none());
            request.headers_mut().append("x-signed", "yes".parse().unwrap());
            assert_eq!(request.headers().get_all("x-signed").iter().count(), 1, "signed anew each time");
            request
        })
        .service(inner);
    let mut request = request(Method::POST);
    request.extensions_mut().insert(Mine(7));
    service.oneshot(request).await.unwrap();
}

/// S2: the permit goes back before the wait, so that even a single one is no deadlock, on either side of the layer.
#[tokio::test(start_paused = true)]
async fn no_permit_is_held_while_waiting() {
    let (inner, _) = player([Play::Lose, Play::Hang]);
    let limited = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).service(inner);
    let service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(limited.clone());
    let mut first = task::spawn(service.clone().oneshot(request(Method::GET)));
    assert_pending!(first.poll());

    // The first waits for its backoff: its permit is free.
    let mut other = limited;
    poll_fn(|cx| other.poll_ready(cx)).await.unwrap();
    drop(other);

    let (inner, log) = player([Play::HandBack, Play::Lose, Play::HandBack]);
    let service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(RetryOnCanceledLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(inner);
    for _ in 0..5 {
        service.clone().oneshot(request(Method::GET)).await.unwrap();
    }
    assert_eq!(attempts(&log), 8);
}

/// A request that is finished holds nothing, even if its future is kept.
#[tokio::test(start_paused = true)]
async fn a_finished_future_holds_no_permit() {
    let stops = Stops::default();
    let (inner, _) = player([Play::Lose]);
    let mut limited = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).service(inner);
    // The resend is ready, and holds its permit, when the budget turns it down.
    let layer =
        RetryOnCanceledLayer::new().after_loss(Limits::after_loss().budget_per_origin(0.0, 0)).on_retry(stops.record());
    let mut service = ServiceBuilder::new().layer(layer).service(limited.clone());
    let mut future = task::spawn(service.ready().await.unwrap().call(request(Method::GET)));
    while future.poll().is_pending() {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert_eq!(stops.only(), Stop::BudgetExhausted);
    drop(service);
    poll_fn(|cx| limited.poll_ready(cx)).await.unwrap();
    assert_pending!(future.poll(), "polled once too often it just waits");
}

/// A service that checks tower's contract: called only when ready, and a clone is not ready because the original is.
struct Strict<S> {
    inner: S,
    ready: bool,
    unready_polls: Arc<AtomicUsize>,
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false, unready_polls: Arc::clone(&self.unready_polls) }
    }
}

impl<S: InnerService> Service<Sent> for Strict<S> {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.unready_polls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Sent) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        self.inner.call(request)
    }
}

/// S1: readiness is asked for before every attempt, of the very service that is then called.
#[tokio::test(start_paused = true)]
async fn readiness_is_asked_for_before_every_attempt() {
    let (inner, log) = player([Play::HandBack, Play::Lose, Play::HandBack]);
    let unready_polls = Arc::new(AtomicUsize::new(5));
    let strict = Strict { inner, ready: false, unready_polls: Arc::clone(&unready_polls) };
    let mut service = RetryOnCanceledLayer::new().layer_on(strict);
    for _ in 0..3 {
        service.ready().await.unwrap().call(request(Method::GET)).await.unwrap();
        unready_polls.store(3, Ordering::SeqCst);
    }
    assert_eq!(attempts(&log), 6);
}

/// Counts its clones.
struct Counted<S> {
    inner: S,
    clones: Arc<AtomicUsize>,
}

impl<S: Clone> Clone for Counted<S> {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self { inner: self.inner.clone(), clones: Arc::clone(&self.clones) }
    }
}

impl<S: InnerService> Service<Sent> for Counted<S> {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Sent) -> S::Future {
        self.inner.call(request)
    }
}

/// One clone for all requests, and one for each of those that are resent.
#[tokio::test(start_paused = true)]
async fn a_request_that_goes_well_clones_no_client() {
    let (inner, log) = player([Play::Answer, Play::Answer, Play::HandBack, Play::Lose, Play::Answer, Play::Lose]);
    let clones = Arc::new(AtomicUsize::new(0));
    let counted = Counted { inner, clones: Arc::clone(&clones) };
    let mut service = RetryOnCanceledLayer::new().layer_on(counted);
    for expected in [1, 1, 2, 3, 3] {
        service.ready().await.unwrap().call(request(Method::GET)).await.unwrap();
        assert_eq!(clones.load(Ordering::SeqCst), expected);
    }
    assert_eq!(attempts(&log), 8);
}

/// Resends go where requests go, also when that was changed.
#[tokio::test(start_paused = true)]
async fn resends_follow_a_service_that_was_replaced() {
    let [(first, one), (second, two)] = [Play::Answer, Play::HandBack].map(|play| player([play]));
    let mut service = RetryOnCanceledLayer::new().layer_on(first.boxed_clone());
    let mut other = service.clone();
    service.ready().await.unwrap().call(request(Method::POST)).await.unwrap();
    *service.get_mut() = second.boxed_clone();
    service.ready().await.unwrap().call(request(Method::POST)).await.unwrap();
    assert_eq!((attempts(&one), attempts(&two)), (1, 2));
    other.ready().await.unwrap().call(request(Method::POST)).await.unwrap();
    assert_eq!((attempts(&one), attempts(&two)), (2, 2));
}

/// A service whose readiness is played: `None` is ready, an error kind is an error, for each time it is asked.
#[derive(Clone)]
struct Readiness<S> {
    inner: S,
    plays: Arc<Mutex<VecDeque<Option<BoxedKind>>>>,
}

#[derive(Clone, Copy)]
enum BoxedKind {
    Lost,
    Dead,
    Never,
}

impl<S: InnerService> Service<Sent> for Readiness<S> {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.plays.lock().unwrap().pop_front().flatten() {
            None => self.inner.poll_ready(cx),
            Some(BoxedKind::Lost) => Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into())),
            Some(BoxedKind::Dead) => Poll::Ready(Err("closed for good".into())),
            Some(BoxedKind::Never) => Poll::Pending,
        }
    }

    fn call(&mut self, request: Sent) -> S::Future {
        self.inner.call(request)
    }
}

fn with_readiness(plays: Vec<Play>, readiness: Vec<Option<BoxedKind>>) -> (Readiness<impl InnerService>, Log) {
    let (inner, log) = player(plays);
    (Readiness { inner, plays: Arc::new(Mutex::new(readiness.into())) }, log)
}

/// A first `poll_ready` that fails is the caller's to see.
#[tokio::test(start_paused = true)]
async fn an_unready_service_fails_before_the_first_attempt() {
    let (inner, log) = with_readiness(vec![], vec![Some(BoxedKind::Lost)]);
    let error = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(attempts(&log), 0);
}

/// An error of readiness before a resend proves that nothing was sent: POST goes on, bounded like a connect.
#[tokio::test(start_paused = true)]
async fn an_unready_service_is_asked_again_like_a_connect() {
    let (inner, log) = with_readiness(vec![Play::HandBack], vec![None, Some(BoxedKind::Lost), None]);
    let response = RetryOnCanceledLayer::new().layer_on(inner).oneshot(request(Method::POST)).await.unwrap();
    let fates: Vec<_> = response
        .extensions()
        .get::<Attempts>()
        .unwrap()
        .iter()
        .map(|attempt| (attempt.failure().fate(), attempt.failure().cause()))
        .collect();
    assert_eq!(fates, [(Fate::NotSent, Cause::HandedBack)], "what was never called is no attempt");
    assert_eq!(attempts(&log), 2);

    let always = [vec![None], vec![Some(BoxedKind::Lost); 50]].concat();
    let (inner, log) = with_readiness(vec![Play::HandBack], always);
    let stops = Stops::default();
    let began = Instant::now();
    let layer = RetryOnCanceledLayer::new().on_retry(stops.record());
    let error = layer.layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    assert!(error.downcast_ref::<hyper::Error>().unwrap().is_canceled(), "the error of the attempt that was made");
    assert_eq!((attempts(&log), stops.only()), (1, Stop::NotReady));
    assert!(began.elapsed() >= Duration::from_millis(75), "after two waits");
}

/// T13: a service that is of no use any more leaves the caller with the error of the attempt before.
#[tokio::test(start_paused = true)]
async fn a_dead_service_gives_the_last_attempts_error() {
    let stops = Stops::default();
    let (inner, _) = with_readiness(vec![Play::HandBack], vec![None, Some(BoxedKind::Dead)]);
    let layer = RetryOnCanceledLayer::new().on_retry(stops.record());
    let error = layer.layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    assert!(error.downcast_ref::<hyper::Error>().unwrap().is_canceled());
    assert_eq!(stops.only(), Stop::NotReady);
}

/// Law 3: a service that never gets ready ends the request when its time is over.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_is_not_waited_for_for_ever() {
    let stops = Stops::default();
    let (inner, _) = with_readiness(vec![Play::HandBack], [vec![None], vec![Some(BoxedKind::Never); 50]].concat());
    let layer = RetryOnCanceledLayer::new().retry_for(Duration::from_secs(7)).on_retry(stops.record());
    let began = Instant::now();
    let error = layer.layer_on(inner).oneshot(request(Method::POST)).await.unwrap_err();
    assert!(error.downcast_ref::<hyper::Error>().unwrap().is_canceled());
    assert!(began.elapsed() >= Duration::from_secs(7) && began.elapsed() < Duration::from_secs(8));
    assert!(matches!(stops.only(), Stop::OutOfTime { .. }));
}

/// A gRPC call through any client, with this time for all of it.
fn grpc(timeout: &str) -> Request<Full<Bytes>> {
    let call = Request::post("http://host/shop.Catalog/Get").header("content-type", "application/grpc+proto");
    call.header("grpc-timeout", timeout).body(Full::new(Bytes::from("body"))).unwrap()
}

/// W4, W5: no wait goes beyond the time that a gRPC call has, be it a backoff or one for the service to get ready.
#[tokio::test(start_paused = true)]
async fn a_grpc_call_waits_no_longer_than_its_timeout() {
    let slow =
        Limits::after_loss().max_resends(100).backoff(Backoff::new(Duration::from_secs(1), Duration::from_secs(1)));
    let layer = RetryOnCanceledLayer::new().after_loss(slow).idempotent_grpc_methods(["shop.Catalog/Get"]);
    let stops = Stops::default();
    let (inner, log) = player([Play::Lose; 100]);
    let began = Instant::now();
    layer.clone().on_retry(stops.record()).layer_on(inner).oneshot(grpc("4S")).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(attempts(&log) >= 4 && log.lock().unwrap().iter().all(|(at, _)| *at < Duration::from_secs(4)));
    assert!(matches!(stops.only(), Stop::OutOfTime { .. }));

    let stops = Stops::default();
    let (inner, _) = with_readiness(vec![Play::HandBack], [vec![None], vec![Some(BoxedKind::Never); 50]].concat());
    let began = Instant::now();
    layer.on_retry(stops.record()).layer_on(inner).oneshot(grpc("2S")).await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_secs(3));
    assert!(matches!(stops.only(), Stop::OutOfTime { .. }));
}

/// A timeout that is none counts for nothing, and so does one of a request that is no gRPC call.
#[tokio::test(start_paused = true)]
async fn a_grpc_timeout_that_is_none_is_left_alone() {
    for (kind, timeout) in [("application/grpc", "soon"), ("application/grpc", "123456789n"), ("text/plain", "1n")] {
        let (inner, log) = player([Play::HandBack]);
        let mut call = grpc(timeout);
        call.headers_mut().insert("content-type", kind.parse().unwrap());
        RetryOnCanceledLayer::new().layer_on(inner).oneshot(call).await.unwrap();
        assert_eq!(attempts(&log), 2, "{kind}, {timeout}");
    }
}

/// T12: what a load shedder below turns away is not sent again.
#[tokio::test(start_paused = true)]
async fn shed_load_is_not_resent() {
    let (inner, log) = player([Play::Hang]);
    let stops = Stops::default();
    let mut service = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new().on_retry(stops.record()))
        .load_shed()
        .concurrency_limit(1)
        .service(inner);
    let mut first = task::spawn(service.ready().await.unwrap().call(request(Method::GET)));
    assert_pending!(first.poll());
    let error = service.ready().await.unwrap().call(request(Method::GET)).await.unwrap_err();
    assert!(error.is::<tower::load_shed::error::Overloaded>());
    assert_eq!(stops.only(), Stop::Permanent);
    assert_eq!(attempts(&log), 1);
}

/// A budget that counts.
#[derive(Default)]
struct Counting {
    deposits: AtomicUsize,
    withdrawals: AtomicUsize,
}

impl Budget for Counting {
    fn deposit(&self) {
        self.deposits.fetch_add(1, Ordering::SeqCst);
    }

    fn withdraw(&self) -> bool {
        self.withdrawals.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// T3, T4, T11: a token is taken at the moment of sending, so that there is none to give back; only a success pays.
#[tokio::test(start_paused = true)]
async fn tokens_are_taken_when_a_resend_is_sent() {
    let budget = Arc::new(Counting::default());
    let counts = || (budget.deposits.load(Ordering::SeqCst), budget.withdrawals.load(Ordering::SeqCst));
    let layer = || {
        let limits = Limits::after_loss().budget(Arc::clone(&budget) as Arc<_>);
        RetryOnCanceledLayer::new().after_loss(limits.clone()).transparent(limits)
    };

    let (inner, _) = player([Play::Lose, Play::Odd]);
    layer().layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(counts(), (0, 1), "a failure pays nothing");

    let (inner, _) = player([Play::Lose]);
    let service = layer().layer_on(inner);
    let mut dropped = task::spawn(service.clone().oneshot(request(Method::GET)));
    assert_pending!(dropped.poll());
    drop(dropped);
    assert_eq!(counts(), (0, 1), "a request that was dropped while it waited took nothing");

    service.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(counts(), (1, 1), "one deposit, though both lanes share the budget");
}

/// A success pays each budget once: both where they are two, the one where it is shared.
#[tokio::test(start_paused = true)]
async fn a_success_pays_each_budget_once() {
    let [transparent, after_loss] = [(); 2].map(|()| Arc::new(Counting::default()));
    let layer = RetryOnCanceledLayer::new()
        .transparent(Limits::transparent().budget(Arc::clone(&transparent) as Arc<_>))
        .after_loss(Limits::after_loss().budget(Arc::clone(&after_loss) as Arc<_>));
    let (inner, _) = player([]);
    layer.layer_on(inner).oneshot(request(Method::GET)).await.unwrap();
    assert_eq!([&transparent, &after_loss].map(|budget| budget.deposits.load(Ordering::SeqCst)), [1, 1]);

    // At a fifth, five successes are one resend.
    let shared = Limits::after_loss().budget_per_origin(0.2, 0);
    let layer = RetryOnCanceledLayer::new().after_loss(shared.clone()).transparent(shared);
    let (inner, _) = player([]);
    let service = layer.clone().layer_on(inner);
    for _ in 0..5 {
        service.clone().oneshot(request(Method::GET)).await.unwrap();
    }
    let (inner, log) = player([Play::Lose, Play::Answer, Play::Lose]);
    let service = layer.layer_on(inner);
    service.clone().oneshot(request(Method::GET)).await.unwrap();
    service.oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(attempts(&log), 3);
}

/// T5: what was provably not processed does not draw on the budget for losses, but has a bound of its own.
#[tokio::test(start_paused = true)]
async fn transparent_resends_leave_the_other_budget_alone() {
    let [transparent, after_loss] = [(); 2].map(|()| Arc::new(Counting::default()));
    let layer = || {
        RetryOnCanceledLayer::new()
            .transparent(Limits::transparent().budget(Arc::clone(&transparent) as Arc<_>))
            .after_loss(Limits::after_loss().budget(Arc::clone(&after_loss) as Arc<_>))
    };
    let withdrawn = || [&transparent, &after_loss].map(|budget| budget.withdrawals.load(Ordering::SeqCst));
    let (inner, _) = player([Play::HandBack; 20]);
    layer().layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(withdrawn(), [6, 0]);
    let (inner, _) = player([Play::Lose; 20]);
    layer().layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(withdrawn(), [6, 2]);
}

/// T1: while everything fails, the extra load is what the budget allows.
#[tokio::test(start_paused = true)]
async fn an_outage_costs_the_budgets_extra_load() {
    const RATE: usize = 100;
    const SECONDS: usize = 60;
    let (inner, log) = player(std::iter::repeat_n(Play::Lose, 10 * RATE * SECONDS));
    let service = RetryOnCanceledLayer::new().layer_on(inner);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..SECONDS * RATE {
        requests.spawn(service.clone().oneshot(request(Method::GET)));
        tokio::time::sleep(Duration::from_secs(1) / RATE as u32).await;
    }
    while requests.join_next().await.is_some() {}
    let extra = attempts(&log) - SECONDS * RATE;
    let floor = 10 * (SECONDS + 10 + 1);
    assert!(extra <= floor, "{extra} resends, nothing but the floor of {floor} was there");
    assert!(extra >= 10 * SECONDS, "{extra} resends: the floor is there to be used");
}

/// W7: dropping the future lets go of everything at once: the attempt, the body, the permit.
#[tokio::test(start_paused = true)]
async fn dropping_the_future_stops_everything() {
    struct Guarded(Arc<AtomicBool>);
    impl Drop for Guarded {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    impl http_body::Body for Guarded {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// Keeps the body somewhere else, as the task of a connection does.
    type Kept = Arc<Mutex<Vec<ReplayBody<Guarded>>>>;
    for lose in [false, true] {
        let kept = Kept::default();
        let keep = Arc::clone(&kept);
        let inner = service_fn(move |request: Request<ReplayBody<Guarded>>| {
            keep.lock().unwrap().push(request.into_body());
            async move {
                if lose {
                    return Err::<Response<()>, _>(io::Error::from(io::ErrorKind::ConnectionReset));
                }
                std::future::pending().await
            }
        });
        let mut limited = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).service(inner);
        let mut service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(limited.clone());
        let dropped = Arc::new(AtomicBool::new(false));
        let request = Request::put("/").body(Guarded(Arc::clone(&dropped))).unwrap();
        let mut future = task::spawn(service.ready().await.unwrap().call(request));
        assert_pending!(future.poll());
        assert!(!dropped.load(Ordering::SeqCst));
        drop(future);
        assert!(dropped.load(Ordering::SeqCst), "though a connection's task still holds the attempt's half");
        drop(service);
        poll_fn(|cx| limited.poll_ready(cx)).await.unwrap();
    }
}

/// C22: however deep an error is wrapped, and whether it is boxed, its fate is the same.
#[tokio::test(start_paused = true)]
async fn wrapped_errors_keep_their_fate() {
    #[derive(Debug)]
    struct Wrapped(BoxError);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }
    let (inner, log) = player([Play::HandBack]);
    let service = ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .map_err(Wrapped)
        .map_err(|error| Box::new(Wrapped(Box::new(error))) as BoxError)
        .map_err(Wrapped)
        .service(inner);
    service.oneshot(request(Method::POST)).await.unwrap();
    assert_eq!(attempts(&log), 2);
}

/// Outside a runtime there is nothing to wait with: what can be resent at once is, the rest ends in its error.
#[test]
fn without_a_runtime_nothing_panics() {
    let lost = || io::Error::from(io::ErrorKind::ConnectionReset);
    let stops = Stops::default();
    let inner = service_fn(move |_: Sent| std::future::ready(Err::<Response<()>, _>(lost())));
    let mut service = ServiceBuilder::new().layer(RetryOnCanceledLayer::new().on_retry(stops.record())).service(inner);
    let mut future = Box::pin(service.call(request(Method::GET)));
    let polled = future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(_))));
    assert_eq!(stops.only(), Stop::NoTimer);
}

/// A runtime whose timer was not enabled is no better than none, and no reason to panic.
#[test]
fn a_runtime_without_its_timer_is_no_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let stops = Stops::default();
        let inner = service_fn(move |_: Sent| {
            std::future::ready(Err::<Response<()>, _>(io::Error::from(io::ErrorKind::ConnectionReset)))
        });
        let layer = RetryOnCanceledLayer::new().on_retry(stops.record());
        ServiceBuilder::new().layer(layer).service(inner).oneshot(request(Method::GET)).await.unwrap_err();
        assert_eq!(stops.only(), Stop::NoTimer);
    });
}

/// A clock that went on unseen, a suspended machine's for instance, is seen before the resend.
#[tokio::test(start_paused = true)]
async fn no_resend_begins_late_because_nobody_polled() {
    let (inner, log) = player([Play::Lose]);
    let stops = Stops::default();
    let layer = RetryOnCanceledLayer::new().retry_for(Duration::from_secs(1)).on_retry(stops.record());
    let mut future = task::spawn(layer.layer_on(inner).oneshot(request(Method::GET)));
    assert_pending!(future.poll());
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let _ = tokio_test::assert_ready!(future.poll()).unwrap_err();
    assert_eq!((attempts(&log), stops.only()), (1, Stop::OutOfTime { wait: Duration::ZERO }));
}

/// Who sets no wait and no bound still lets others have their turn.
#[tokio::test]
async fn endless_resends_do_not_keep_the_task() {
    let endless = || {
        Limits::after_loss()
            .max_resends(u32::MAX)
            .backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
            .without_budget()
    };
    for failure in [Play::Lose, Play::HandBack] {
        let called = AtomicUsize::new(0);
        let inner = service_fn(|request: Sent| {
            let calls = called.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(calls < 1_000, "it goes on and on");
            play(failure, request)
        });
        let layer = RetryOnCanceledLayer::new().transparent(endless()).after_loss(endless()).retry_for(Duration::MAX);
        let service = ServiceBuilder::new().layer(layer).service(inner);
        let mut future = Box::pin(service.oneshot(request(Method::GET)));
        for _ in 0..900 {
            assert!(futures_util::poll!(&mut future).is_pending());
        }
    }
}

/// No setting panics.
#[tokio::test(start_paused = true)]
async fn no_setting_panics() {
    let extreme = |limits: Limits| {
        limits.max_resends(2).backoff(Backoff::new(Duration::MAX, Duration::MAX)).budget_per_origin(f32::NAN, u32::MAX)
    };
    let (inner, _) = player([Play::Lose; 2]);
    let layer = RetryOnCanceledLayer::new()
        .transparent(extreme(Limits::transparent()))
        .after_loss(extreme(Limits::after_loss()))
        .retry_for(Duration::MAX)
        .replay_limit(usize::MAX)
        .idempotent_methods([Method::GET]);
    let mut waiting = task::spawn(layer.layer_on(inner).oneshot(request(Method::GET)));
    assert_pending!(waiting.poll());

    let (inner, log) = player([Play::Lose]);
    let layer = RetryOnCanceledLayer::new().retry_for(Duration::ZERO).replay_limit(0);
    layer.layer_on(inner).oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(attempts(&log), 1);
}

/// Nothing that may be secret is in what is printed.
#[tokio::test(start_paused = true)]
async fn debug_shows_no_secret() {
    let printed = Arc::new(Mutex::new(String::new()));
    let print = Arc::clone(&printed);
    let layer = RetryOnCanceledLayer::new().on_retry(move |event| {
        print.lock().unwrap().push_str(&format!("{event:?}"));
    });
    let (inner, _) = player([Play::HandBack]);
    let mut request = request(Method::GET);
    *request.uri_mut() = "http://host/path?token=hunter2".parse().unwrap();
    request.headers_mut().insert("authorization", "hunter2".parse().unwrap());
    let mut service = layer.layer_on(inner);
    let future = service.call(request);
    printed.lock().unwrap().push_str(&format!("{future:?}"));
    let response = future.await.unwrap();
    printed.lock().unwrap().push_str(&format!("{response:?}"));
    let printed = printed.lock().unwrap();
    assert!(printed.contains("Event") && printed.contains("ResponseFuture"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

/// Everything a caller may have to name can be named.
#[expect(dead_code, reason = "that it compiles is the test")]
struct Named {
    layer: RetryOnCanceledLayer<Typed>,
    service: RetryOnCanceled<hyper_util::client::legacy::Client<(), ReplayBody<Full<Bytes>>>>,
}
