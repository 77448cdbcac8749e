//! How long is waited, for whom, and what is held meanwhile; the clock is paused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::RANGE;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_redial::resume::{Incomplete, ResumeLayer, Why};
use tower_redial::retry::{Backoff, Limits};

use crate::reference::{Ending, Kind, Lie, Server, ServerDigest, Turn, content};

const SIZE: usize = 200;
const SECOND: Duration = Duration::from_secs(1);

fn server(kind: Kind, turns: &[Turn]) -> Server {
    Server::new(SIZE, kind, ServerDigest::None, turns.to_vec())
}

fn ends(ending: Ending) -> Turn {
    Turn { ending, ..Turn::GOOD }
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://reference/file").body(Empty::new()).unwrap()
}

fn layer() -> ResumeLayer {
    ResumeLayer::new().stall_timeout(5 * SECOND)
}

async fn collect<B>(body: B) -> Result<Bytes, Incomplete>
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    let collected = body.collect().await.map_err(|error| *error.downcast::<Incomplete>().expect("what was wrong"))?;
    Ok(collected.to_bytes())
}

/// Each head and each piece comes just in time: nothing is broken off, and each wait begins anew.
#[tokio::test(start_paused = true)]
async fn what_moves_has_not_stalled() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80)), Turn::GOOD]).slow(4 * SECOND);
    let began = Instant::now();
    let body = layer().layer(server.clone()).oneshot(get()).await.unwrap().into_body();
    assert_eq!(collect(body).await.unwrap(), content(1, SIZE));
    // Three pieces and an error, then four and the end; and two heads.
    let took = began.elapsed();
    assert_eq!((server.requests(), took.as_secs()), (2, (1 + 4 + 1 + 5) * 4), "{took:?}");
}

/// Frames without a byte are no sign of life, and a wait for ever is one.
#[tokio::test(start_paused = true)]
async fn empty_frames_are_no_sign_of_life() {
    let asked = Arc::new(AtomicBool::new(false));
    let trickle = service_fn(move |_: Request<Empty<Bytes>>| {
        let again = asked.swap(true, Ordering::Relaxed);
        async move {
            let frames = stream::unfold(again, |again| async move {
                sleep(2 * SECOND).await;
                let bytes = if again { Bytes::from_static(b"done") } else { Bytes::new() };
                Some((Ok::<_, BoxError>(Frame::data(bytes)), again))
            });
            let response = Response::builder().header("etag", "\"a\"").header("content-length", "4");
            Ok::<_, BoxError>(response.body(Box::pin(StreamBody::new(frames)))?)
        }
    });
    let mut body = layer().layer(trickle.clone()).oneshot(get()).await.unwrap().into_body();
    let began = Instant::now();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "done");
    assert_eq!(began.elapsed().as_secs(), 5 + 1 + 1);

    let patient = ResumeLayer::new().stall_timeout(Duration::MAX);
    let silent = server(Kind::Strong, &[ends(Ending::Stalled(80))]);
    let body = patient.layer(silent).oneshot(get()).await.unwrap().into_body();
    assert!(timeout(1_000_000 * SECOND, collect(body)).await.is_err());
}

/// A reader who was away has not waited: what came meanwhile counts from when it looks.
#[tokio::test(start_paused = true)]
async fn a_reader_who_was_away_has_not_waited() {
    // The head of the rest takes two wake-ups, and the reader sleeps between them.
    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]);
    let below = server.clone();
    let two_steps = service_fn(move |request: Request<Empty<Bytes>>| {
        let below = below.clone();
        async move {
            for _ in 0..2 {
                sleep(SECOND).await;
            }
            below.oneshot(request).await
        }
    });
    let mut body = layer().layer(two_steps).oneshot(get()).await.unwrap().into_body();
    let mut got = Vec::new();
    loop {
        // Asked once, and then not for a minute.
        let polled = futures_util::future::poll_immediate(body.frame()).await;
        match polled {
            Some(Some(frame)) => got.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            Some(None) => break,
            None => sleep(60 * SECOND).await,
        }
    }
    assert_eq!((got, server.requests()), (content(1, SIZE).to_vec(), 2));
}

/// A service that is never ready for the rest is as good as one that does not answer.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_not_waited_for() {
    #[derive(Clone)]
    struct Busy(Server, Arc<AtomicBool>);

    impl Service<Request<Empty<Bytes>>> for Busy {
        type Response = <Server as Service<Request<Empty<Bytes>>>>::Response;
        type Error = BoxError;
        type Future = <Server as Service<Request<Empty<Bytes>>>>::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if self.1.load(Ordering::Relaxed) { Poll::Pending } else { self.0.poll_ready(cx) }
        }

        fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
            self.1.store(true, Ordering::Relaxed);
            self.0.call(request)
        }
    }

    let busy = Busy(server(Kind::Strong, &[ends(Ending::Failed(80))]), Arc::default());
    let layer = layer().limits(Limits::after_loss().max_resends(3));
    let began = Instant::now();
    let body = layer.layer(busy).oneshot(get()).await.unwrap().into_body();
    assert_eq!(collect(body).await.unwrap_err().why(), Why::NoProgress);
    assert_eq!(began.elapsed().as_secs(), 15);
}

/// The time that a service takes to be ready is not that which an answer may take.
#[tokio::test(start_paused = true)]
async fn a_late_service_leaves_the_answer_its_time() {
    /// Ready at once for the first request, and four seconds late for others.
    struct Late(Server, Option<Pin<Box<Sleep>>>, Arc<AtomicBool>);

    impl Clone for Late {
        fn clone(&self) -> Self {
            Self(self.0.clone(), None, Arc::clone(&self.2))
        }
    }

    impl Service<Request<Empty<Bytes>>> for Late {
        type Response = <Server as Service<Request<Empty<Bytes>>>>::Response;
        type Error = BoxError;
        type Future = <Server as Service<Request<Empty<Bytes>>>>::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if self.2.load(Ordering::Relaxed) {
                ready!(self.1.get_or_insert_with(|| Box::pin(sleep(4 * SECOND))).as_mut().poll(cx));
            }
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
            self.2.store(true, Ordering::Relaxed);
            self.1 = None;
            self.0.call(request)
        }
    }

    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]).slow(4 * SECOND);
    let body = layer().layer(Late(server.clone(), None, Arc::default())).oneshot(get()).await.unwrap().into_body();
    assert_eq!((collect(body).await.unwrap(), server.requests()), (content(1, SIZE), 2));
}

/// Neither a body, nor a permit, nor a place in a queue is kept while a download waits; and the service is asked first.
#[tokio::test(start_paused = true)]
async fn nothing_is_held_while_it_waits() {
    let away = Turn { lie: Lie::Error, ..Turn::GOOD };
    let slowly = Backoff::new(100 * SECOND, 100 * SECOND);
    for budget in [true, false] {
        let server = server(Kind::Strong, &[ends(Ending::Failed(80)), away, ends(Ending::Failed(0))]);
        let limited = ConcurrencyLimit::new(server.clone(), 1);
        let limits = Limits::after_loss().max_resends(3).backoff(slowly);
        let limits = if budget { limits.budget_per_origin(0.0, 0) } else { limits.without_budget() };
        let body = layer().limits(limits).layer(limited.clone()).oneshot(get()).await.unwrap().into_body();
        let reading = tokio::spawn(collect(body));
        for _ in 0..3 {
            sleep(30 * SECOND).await;
            assert_eq!(server.alive(), 0);
            let mut other = limited.clone();
            assert!(timeout(SECOND, other.ready()).await.is_ok(), "the permit is free");
        }
        reading.abort();
    }
}

/// Answers with nothing, of this length and this digest.
fn empty(
    length: Option<&'static str>,
    digest: Option<&'static str>,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<Empty<Bytes>>, Error = BoxError, Future: Send> + Clone {
    service_fn(move |_: Request<Empty<Bytes>>| async move {
        let mut response = Response::builder().header("etag", "\"a\"");
        for (name, value) in [("content-length", length), ("repr-digest", digest)] {
            if let Some(value) = value {
                response = response.header(name, value);
            }
        }
        Ok(response.body(Empty::new())?)
    })
}

/// The two ways of reading agree on how far it is: `size_hint` and `is_end_stream` beside the frames.
#[tokio::test(start_paused = true)]
async fn what_is_left_is_said_at_any_time() {
    let turns = [ends(Ending::Failed(80)), Turn { lie: Lie::Ignores, ..ends(Ending::Trailers) }];
    let server = server(Kind::Strong, &turns).slow(SECOND);
    let mut body = layer().allow_restart(true).layer(server.clone()).oneshot(get()).await.unwrap().into_body();
    let mut left = SIZE as u64;
    loop {
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left), false));
        match futures_util::future::poll_immediate(body.frame()).await {
            None => sleep(SECOND / 4).await,
            Some(frame) => match frame.unwrap().unwrap().into_data() {
                Ok(data) => left -= data.len() as u64,
                Err(_) => break,
            },
        }
    }
    assert_eq!((left, body.size_hint().exact(), body.is_end_stream()), (0, Some(0), true));
    assert_eq!(server.alive(), 0, "what was read is let go of, whoever still holds this");
    assert!(body.frame().await.is_none());
}

/// What is empty, and is not to be checked, has ended before anybody asks for a frame.
#[tokio::test(start_paused = true)]
async fn an_empty_body_has_ended_from_the_start() {
    for length in [Some("0"), None] {
        let body = layer().layer(empty(length, None)).oneshot(get()).await.unwrap().into_body();
        assert!(body.is_end_stream(), "{length:?}");
    }
}

/// Nobody is told that it has ended before it is checked, though it may be empty.
#[tokio::test(start_paused = true)]
async fn an_end_is_checked_before_it_is_said() {
    const OTHER: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    for length in [Some("0"), None] {
        let body = layer().layer(empty(length, Some(OTHER))).oneshot(get()).await.unwrap().into_body();
        assert!(!body.is_end_stream(), "{length:?}");
        assert_eq!(collect(body).await.unwrap_err().why(), Why::Digest, "{length:?}");
    }
}

/// What a rest's trailers say of its own content is not said of the whole.
#[tokio::test(start_paused = true)]
async fn a_rests_own_digest_is_not_the_wholes() {
    for cut in [false, true] {
        let parts = service_fn(move |request: Request<Empty<Bytes>>| async move {
            let mut trailers = HeaderMap::new();
            trailers.insert("content-digest", "of this message".parse()?);
            trailers.insert("x-other", "of the whole".parse()?);
            let response = Response::builder().header("etag", "\"a\"");
            let (response, frames) = match request.headers().contains_key(RANGE) {
                false if cut => (response.header("content-length", "4"), vec![Ok(Frame::data(Bytes::from("on")))]),
                false => {
                    let data = Frame::data(Bytes::from("once"));
                    (response.header("content-length", "4"), vec![Ok(data), Ok(Frame::trailers(trailers))])
                }
                true => {
                    let response = response.status(206).header("content-length", "2");
                    let data = Frame::data(Bytes::from("ce"));
                    (response.header("content-range", "bytes 2-3/4"), vec![Ok(data), Ok(Frame::trailers(trailers))])
                }
            };
            Ok::<_, BoxError>(response.body(StreamBody::new(stream::iter::<Vec<Result<_, BoxError>>>(frames)))?)
        });
        let collected = layer().layer(parts).oneshot(get()).await.unwrap().collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!((trailers.contains_key("content-digest"), trailers.contains_key("x-other")), (!cut, true));
        assert_eq!(collected.to_bytes(), "once");
    }
}

/// A rest that never ends ends at its length.
#[tokio::test(start_paused = true)]
async fn a_rest_without_an_end_is_an_error() {
    let endless = service_fn(|request: Request<Empty<Bytes>>| async move {
        let response = Response::builder().header("etag", "\"a\"");
        let (response, more) = match request.headers().contains_key(RANGE) {
            false => (response.header("content-length", "1000000"), 1),
            true => {
                let response = response.status(206).header("content-range", "bytes 1000-999999/1000000");
                (response.header("content-length", "999000"), usize::MAX)
            }
        };
        let frames = stream::repeat_with(|| Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[7; 1000]))));
        Ok::<_, BoxError>(response.body(StreamBody::new(futures_util::StreamExt::take(frames, more)))?)
    });
    let body = layer().layer(endless).oneshot(get()).await.unwrap().into_body();
    let error = collect(body).await.unwrap_err();
    assert_eq!((error.why(), error.received(), error.resumes()), (Why::TooLong, 1_000_000, 1));
}

/// A download may be begun in one runtime and read on in another.
#[test]
fn a_download_outlives_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let server = server(Kind::Strong, &[ends(Ending::Failed(80)), ends(Ending::Failed(10))]).slow(SECOND);
    let first = runtime();
    let (body, begun) = first.block_on(async {
        let mut body = layer().layer(server).oneshot(get()).await.unwrap().into_body();
        let begun = body.frame().await.unwrap().unwrap().into_data().unwrap();
        (body, begun)
    });
    drop(first);
    let rest = runtime().block_on(async { body.collect().await.unwrap().to_bytes() });
    assert_eq!([begun, rest].concat(), content(1, SIZE));
}
