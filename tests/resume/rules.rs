//! Rule by rule, against the reference server; the clock is paused.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody};
use tokio::time::Instant;
use tower::retry::budget::Budget;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_redial::body::WrongLength;
use tower_redial::resume::{Decision, Incomplete, Progress, ResumeBody, ResumeLayer, Why};
use tower_redial::retry::Limits;

use crate::reference::{Ending, Kind, Lie, Script, Server, ServerDigest, Turn, content};
use crate::support::clients;

const SIZE: usize = 200;

type Answer = Response<ResumeBody<Server, Empty<Bytes>, Script>>;

fn ends(ending: Ending) -> Turn {
    Turn { ending, ..Turn::GOOD }
}

fn lies(lie: Lie) -> Turn {
    Turn { lie, ..Turn::GOOD }
}

fn server(kind: Kind, turns: &[Turn]) -> Server {
    Server::new(SIZE, kind, ServerDigest::None, turns.to_vec())
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://reference/file").body(Empty::new()).unwrap()
}

fn get_range(range: &str) -> Request<Empty<Bytes>> {
    Request::get("http://reference/file").header(RANGE, range).body(Empty::new()).unwrap()
}

async fn call(layer: &ResumeLayer, server: &Server, request: Request<Empty<Bytes>>) -> Answer {
    layer.layer(server.clone()).oneshot(request).await.unwrap()
}

async fn collect(layer: &ResumeLayer, server: &Server) -> Result<Collected<Bytes>, Incomplete> {
    let response = call(layer, server, get()).await;
    response.into_body().collect().await.map_err(|error| *error.downcast::<Incomplete>().expect("what was wrong"))
}

async fn whole(layer: &ResumeLayer, server: &Server) -> Bytes {
    collect(layer, server).await.expect("all of it").to_bytes()
}

async fn why(layer: &ResumeLayer, server: &Server) -> Why {
    collect(layer, server).await.expect_err("an error").why()
}

/// What a layer tells.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Breach>>>);

/// How it broke, what was decided, and how far it was.
type Breach = (&'static str, Decision, u64);

impl Told {
    fn layer(&self) -> ResumeLayer {
        let told = Arc::clone(&self.0);
        ResumeLayer::new().on_resume(move |event| {
            told.lock().unwrap().push((event.broke().label(), event.decision(), event.received()));
            assert_eq!((event.expected(), event.uri().path()), (SIZE as u64, "/file"));
        })
    }

    fn all(&self) -> Vec<Breach> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_says_how_often_the_rest_was_asked_for_before() {
    let turns = [ends(Ending::Failed(80)), ends(Ending::Short(40)), ends(Ending::Stalled(30)), Turn::GOOD];
    let server = server(Kind::Strong, &turns);
    let told = Arc::new(Mutex::new(Vec::new()));
    let resumes = Arc::clone(&told);
    let layer = ResumeLayer::new().on_resume(move |event| resumes.lock().unwrap().push(event.resumes()));
    call(&layer, &server, get()).await.into_body().collect().await.unwrap();
    assert_eq!(*told.lock().unwrap(), [0, 1, 2]);
}

/// R1: the rest is asked for with `Range` and `If-Range`, and nothing of it shows.
#[tokio::test(start_paused = true)]
async fn the_rest_is_asked_for_and_joined_on() {
    let turns = [ends(Ending::Failed(80)), ends(Ending::Short(40)), ends(Ending::Stalled(30)), Turn::GOOD];
    let server = server(Kind::Strong, &turns);
    let told = Told::default();
    let response = call(&told.layer(), &server, get()).await;
    assert_eq!((response.status(), response.body().size_hint().exact()), (StatusCode::OK, Some(SIZE as u64)));
    assert_eq!(response.headers()["content-length"], "200");
    let progress = response.extensions().get::<Progress>().unwrap().clone();
    assert_eq!((progress.expected(), progress.received(), progress.resumes()), (200, 0, 0));
    let collected = response.into_body().collect().await.unwrap();
    assert!(collected.trailers().is_none());
    assert_eq!(collected.to_bytes(), content(1, SIZE));
    assert_eq!((progress.received(), progress.resumes(), progress.kept()), (200, 3, 80 + 120 + 150));

    let asked: Vec<_> =
        server.seen().iter().map(|head| (head.get(RANGE).cloned(), head.get(IF_RANGE).cloned())).collect();
    let rest = |range: &str| (Some(range.parse().unwrap()), Some("\"v1\"".parse().unwrap()));
    assert_eq!(asked, [(None, None), rest("bytes=80-"), rest("bytes=120-"), rest("bytes=150-")]);
    assert!(server.seen().iter().all(|head| head[ACCEPT_ENCODING] == "identity"));
    let told: Vec<_> = told
        .all()
        .into_iter()
        .map(|(label, decision, at)| {
            assert!(
                matches!(decision, Decision::Resume { waited } if (25..=50).contains(&waited.as_millis())),
                "{decision:?}"
            );
            (label, at)
        })
        .collect();
    assert_eq!(told, [("other", 80), ("short", 120), ("stalled", 150)]);
}

/// R1: also by a date that is old enough; and what is broken before the first byte.
#[tokio::test(start_paused = true)]
async fn a_date_and_a_first_byte() {
    let server = server(Kind::Modified, &[ends(Ending::Failed(0)), ends(Ending::Failed(1)), Turn::GOOD]);
    assert_eq!(whole(&ResumeLayer::new(), &server).await, content(1, SIZE));
    assert_eq!(server.seen()[1][RANGE], "bytes=0-");
    assert_eq!(server.seen()[2][IF_RANGE], "Wed, 21 Oct 2015 08:00:01 GMT");
}

/// R2: without a strong validator nothing is asked for, and the reader hears why, how far it got, and what broke it.
#[tokio::test(start_paused = true)]
async fn a_weak_validator_is_none() {
    for kind in [Kind::Weak, Kind::JustModified, Kind::WeakAndModified, Kind::Nothing] {
        let server = server(kind, &[ends(Ending::Failed(80))]);
        let error = collect(&ResumeLayer::new(), &server).await.unwrap_err();
        assert_eq!((error.why(), error.received(), error.expected()), (Why::NoValidator, 80, Some(200)), "{kind:?}");
        assert_eq!((error.resumes(), server.requests()), (0, 1));
        let said = "the download ended after 80 of 200 bytes: it has no strong validator to be resumed by";
        assert_eq!(error.to_string(), said);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the connection is gone");
    }
}

/// R3: what has changed is not joined on, whatever the server sends of it.
#[tokio::test(start_paused = true)]
async fn another_version_is_an_error() {
    for restart in [false, true] {
        let changed = Turn { changes: true, ..Turn::GOOD };
        let server = server(Kind::Strong, &[ends(Ending::Failed(80)), changed]);
        assert_eq!(why(&ResumeLayer::new().allow_restart(restart), &server).await, Why::Changed);
    }
}

/// R3: a server that ignores ranges sends the same again: an error, unless the caller put up with it.
#[tokio::test(start_paused = true)]
async fn a_range_that_is_ignored() {
    let turns = [ends(Ending::Failed(80)), Turn { lie: Lie::Ignores, ending: Ending::Short(120), changes: false }];
    assert_eq!(why(&ResumeLayer::new(), &server(Kind::Strong, &turns)).await, Why::RangeIgnored);

    let server = server(Kind::Strong, &[turns[0], turns[1], turns[1], lies(Lie::Ignores)]);
    let response = call(&ResumeLayer::new().allow_restart(true), &server, get()).await;
    let progress = response.extensions().get::<Progress>().unwrap().clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), content(1, SIZE));
    // The third brought nothing new, and nothing was saved by any.
    assert_eq!((progress.resumes(), progress.kept()), (3, 0));
}

/// R3: a caller's range is found again in all of it, and what follows it is not read.
#[tokio::test(start_paused = true)]
async fn a_range_within_a_restart() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(10)), lies(Lie::Ignores)]);
    let response = call(&ResumeLayer::new().allow_restart(true), &server, get_range("bytes=50-99")).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), content(1, SIZE).slice(50..100));
    assert!(server.given() <= 10 + 100 + 37, "{}", server.given());
}

/// R4: any other range than the rest is an error.
#[tokio::test(start_paused = true)]
async fn another_range_is_an_error() {
    for (lie, expected) in [
        (Lie::OtherStart(1), Why::WrongRange),
        (Lie::OtherEnd, Why::WrongRange),
        (Lie::OtherTotal, Why::WrongRange),
        (Lie::NoTotal, Why::WrongRange),
        (Lie::NoContentRange, Why::WrongRange),
        (Lie::Multipart, Why::WrongRange),
        (Lie::OtherValidator, Why::Changed),
        (Lie::NoValidator, Why::Unproven),
        (Lie::WrongLength, Why::Changed),
        (Lie::Encoded, Why::Encoded),
        (Lie::Status(416), Why::Status(StatusCode::RANGE_NOT_SATISFIABLE)),
        (Lie::Status(503), Why::Status(StatusCode::SERVICE_UNAVAILABLE)),
        (Lie::Redirect, Why::Status(StatusCode::FOUND)),
    ] {
        let server = server(Kind::Strong, &[ends(Ending::Failed(80)), lies(lie)]);
        let error = collect(&ResumeLayer::new(), &server).await.unwrap_err();
        assert_eq!((error.why(), error.received(), error.resumes()), (expected, 80, 1), "{lie:?}");
        assert_eq!(
            std::error::Error::source(&error).map(ToString::to_string).as_deref(),
            Some("the connection is gone")
        );
        assert_eq!(server.requests(), 2, "{lie:?}");
    }
}

/// R4: more than was said is an error too, in the first response and in the rest.
#[tokio::test(start_paused = true)]
async fn too_much_is_an_error() {
    let long = ends(Ending::Long(0));
    assert_eq!(why(&ResumeLayer::new(), &server(Kind::Strong, &[long])).await, Why::TooLong);
    let error =
        collect(&ResumeLayer::new(), &server(Kind::Strong, &[ends(Ending::Failed(80)), long])).await.unwrap_err();
    assert_eq!((error.why(), error.resumes()), (Why::TooLong, 1));
    assert!(error.received() < SIZE as u64);
}

/// R5: bytes that a coding is applied to are not counted by anybody. Whoever sets `Accept-Encoding` keeps it.
#[tokio::test(start_paused = true)]
async fn only_identity_is_resumed() {
    let encoded = Turn { lie: Lie::Encoded, ending: Ending::Failed(80), changes: false };
    let server = server(Kind::Strong, &[encoded]);
    let mut request = get();
    request.headers_mut().insert(ACCEPT_ENCODING, "br".parse().unwrap());
    let error = call(&ResumeLayer::new(), &server, request).await.into_body().collect().await.unwrap_err();
    let error = error.downcast::<Incomplete>().unwrap();
    assert_eq!((error.why(), error.received(), error.expected()), (Why::Encoded, 80, Some(200)));
    assert_eq!((server.requests(), &server.seen()[0][ACCEPT_ENCODING]), (1, &"br".parse().unwrap()));
}

/// R5: reqwest and others take the length away with the coding.
#[tokio::test(start_paused = true)]
async fn what_a_layer_below_may_have_decoded_is_not_resumed() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]);
    let below = server.clone();
    let decoding = service_fn(move |request: Request<Empty<Bytes>>| {
        let below = below.clone();
        async move {
            let mut response = below.oneshot(request).await?;
            response.headers_mut().remove("content-length");
            Ok::<_, BoxError>(response)
        }
    });
    let error = ResumeLayer::new().layer(decoding).oneshot(get()).await.unwrap().collect().await.unwrap_err();
    let error = error.downcast::<Incomplete>().unwrap();
    assert_eq!((error.why(), error.received(), error.expected(), server.requests()), (Why::NoLength, 80, None, 1));
    assert_eq!(error.to_string(), "the download ended after 80 bytes: its length is not known");
}

/// R6: what brings nothing comes to an end; what moves forward goes on, up to a bound for all.
#[tokio::test(start_paused = true)]
async fn resumes_are_bounded_by_progress() {
    let limits = || Limits::after_loss().max_resends(3);
    let nothing = ends(Ending::Failed(0));
    let layer = ResumeLayer::new().limits(limits());
    let turns = [&[ends(Ending::Failed(80))][..], &[nothing; 3]].concat();
    let server_ = server(Kind::Strong, &turns);
    let error = collect(&layer, &server_).await.unwrap_err();
    assert_eq!((error.why(), error.resumes(), error.received()), (Why::NoProgress, 3, 80));

    // One byte each, with two attempts before it that bring nothing.
    let little = [nothing, lies(Lie::Error), ends(Ending::Failed(1))].repeat(50);
    assert_eq!(whole(&layer, &server(Kind::Strong, &little)).await, content(1, SIZE));
    let error = collect(&layer.clone().max_resumes(100), &server(Kind::Strong, &little)).await.unwrap_err();
    assert_eq!((error.why(), error.resumes(), error.received()), (Why::MaxResumes, 100, 33));

    for off in [layer.clone().max_resumes(0), layer.clone().limits(limits().max_resends(0))] {
        let server = server(Kind::Strong, &turns);
        assert_eq!((collect(&off, &server).await.unwrap_err().received(), server.requests()), (80, 1));
    }
}

/// Grants so many, and counts.
struct Purse(Mutex<(u32, u32)>);

impl Budget for Purse {
    fn deposit(&self) {
        self.0.lock().unwrap().1 += 1;
    }

    fn withdraw(&self) -> bool {
        let mut purse = self.0.lock().unwrap();
        let left = purse.0 > 0;
        purse.0 = purse.0.saturating_sub(1);
        left
    }
}

/// R6: each attempt is paid for out of the budget, which a clone of the limits shares; progress is a success to it.
#[tokio::test(start_paused = true)]
async fn resumes_are_paid_for() {
    let purse = Arc::new(Purse(Mutex::new((2, 0))));
    let limits = Limits::after_loss().max_resends(4).budget(Arc::clone(&purse) as _);
    let layer = ResumeLayer::new().limits(limits);
    let server_ = server(Kind::Strong, &[ends(Ending::Failed(80)), ends(Ending::Failed(0)), ends(Ending::Failed(0))]);
    let began = Instant::now();
    let error = collect(&layer, &server_).await.unwrap_err();
    assert_eq!((error.why(), error.resumes(), server_.requests()), (Why::BudgetExhausted, 2, 3));
    assert_eq!(purse.0.lock().unwrap().1, 1);
    // It waited for the budget as it would have between attempts.
    assert!(began.elapsed() >= Duration::from_millis(25 + 50 + 100 + 200), "{:?}", began.elapsed());

    *purse.0.lock().unwrap() = (1, 0);
    assert_eq!(whole(&layer, &server(Kind::Strong, &[ends(Ending::Failed(80))])).await, content(1, SIZE));
    assert_eq!(*purse.0.lock().unwrap(), (0, 2));
}

/// R6: nothing waits longer than it should, and nothing for ever.
#[tokio::test(start_paused = true)]
async fn a_stall_is_broken_off() {
    let stalls = [ends(Ending::Stalled(80)), ends(Ending::Stalled(0)), Turn::GOOD];
    let layer = ResumeLayer::new().stall_timeout(Duration::from_secs(7));
    let began = Instant::now();
    assert_eq!(whole(&layer, &server(Kind::Strong, &stalls)).await, content(1, SIZE));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(14) && took < Duration::from_secs(15), "{took:?}");

    // All is there but its end.
    let began = Instant::now();
    assert_eq!(whole(&layer, &server(Kind::Strong, &[ends(Ending::NoEnd)])).await, content(1, SIZE));
    assert_eq!(began.elapsed().as_secs(), 7);

    // Without a validator it may be a stream that has nothing to say.
    let unresumable = server(Kind::Weak, &[ends(Ending::Stalled(80))]);
    let waits = collect(&layer, &unresumable);
    assert!(tokio::time::timeout(Duration::from_secs(3600), waits).await.is_err());
}

/// R6: the head of the answer, or the service's readiness, may stand still as well.
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_asked_for_again() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]);
    let (below, silenced) = (server.clone(), Arc::new(AtomicBool::new(false)));
    let silent = service_fn(move |request: Request<Empty<Bytes>>| {
        let (below, silenced) = (below.clone(), Arc::clone(&silenced));
        async move {
            if request.headers().contains_key(RANGE) && !silenced.swap(true, Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            below.oneshot(request).await
        }
    });
    let layer = ResumeLayer::new().stall_timeout(Duration::from_secs(7));
    let began = Instant::now();
    let body = layer.layer(silent).oneshot(get()).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), content(1, SIZE));
    assert_eq!((began.elapsed().as_secs(), server.requests()), (7, 2));
}

/// What is read slowly has not stalled.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_no_stall() {
    let server = server(Kind::Strong, &[]);
    let layer = ResumeLayer::new().stall_timeout(Duration::from_secs(1));
    let mut body = call(&layer, &server, get()).await.into_body();
    let mut got = 0;
    while let Some(frame) = body.frame().await {
        got += frame.unwrap().into_data().unwrap().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!((got, server.requests(), body.is_end_stream()), (SIZE, 1, true));
}

/// The caller's own range is resumed inside itself.
#[tokio::test(start_paused = true)]
async fn a_callers_range_is_honoured() {
    for (range, first, last, rest) in [
        ("bytes=50-", 50, 199, "bytes=60-"),
        ("bytes=50-99", 50, 99, "bytes=60-99"),
        ("bytes=-100", 100, 199, "bytes=110-"),
        ("bytes=150-900", 150, 199, "bytes=160-"),
    ] {
        let server = server(Kind::Strong, &[ends(Ending::Failed(10))]);
        let response = call(&ResumeLayer::new(), &server, get_range(range)).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), content(1, SIZE).slice(first..=last));
        assert_eq!(server.seen()[1][RANGE], rest);
    }
}

/// Several ranges, other methods, and requests with a body go through untouched.
#[tokio::test(start_paused = true)]
async fn what_is_no_download_goes_through_untouched() {
    let server_ = || server(Kind::Strong, &[ends(Ending::Short(80))]);
    let several = server_();
    let response = call(&ResumeLayer::new(), &several, get_range("bytes=0-1,5-9")).await;
    assert!(several.seen()[0].get(ACCEPT_ENCODING).is_none() && response.extensions().get::<Progress>().is_none());
    let mut body = response.into_body();
    let error = loop {
        if let Err(error) = body.frame().await.unwrap() {
            break error;
        }
    };
    // Its length is checked all the same.
    assert_eq!(error.downcast_ref::<WrongLength>().unwrap().received(), 80);
    assert_eq!(several.requests(), 1);

    for (method, body) in [(Method::POST, ""), (Method::PUT, ""), (Method::GET, "a body")] {
        let below = server_();
        let seen = below.clone();
        let any = service_fn(move |request: Request<Full<Bytes>>| seen.clone().oneshot(request.map(|_| Empty::new())));
        let request = Request::builder().method(method).uri("http://reference/").body(Full::from(body)).unwrap();
        let error = ResumeLayer::new().layer(any).oneshot(request).await.unwrap().collect().await.unwrap_err();
        assert!(error.is::<WrongLength>(), "{error}");
        assert!(below.requests() == 1 && below.seen()[0].get(ACCEPT_ENCODING).is_none());
    }
}

/// The caller's conditions are about all of it, and would answer the request for the rest with a 304 or a 412.
#[tokio::test(start_paused = true)]
async fn conditions_are_not_sent_again() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]);
    let mut request = get();
    let conditions = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    for name in &conditions {
        request.headers_mut().insert(name, "\"v0\"".parse().unwrap());
    }
    request.headers_mut().insert("x-mine", "kept".parse().unwrap());
    let body = call(&ResumeLayer::new(), &server, request).await.into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), content(1, SIZE));
    let [first, rest] = &server.seen()[..] else { panic!("two requests") };
    assert!(conditions.iter().all(|name| first.contains_key(name) && !rest.contains_key(name)));
    assert_eq!(rest["x-mine"], "kept");
}

#[tokio::test(start_paused = true)]
async fn trailers_come_at_the_end_of_what_was_resumed() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80)), ends(Ending::Trailers)]);
    let collected = collect(&ResumeLayer::new(), &server).await.unwrap();
    assert!(collected.trailers().is_some());
    assert_eq!(collected.to_bytes(), content(1, SIZE));
}

/// All bytes are there, and more was promised.
#[tokio::test(start_paused = true)]
async fn trailers_that_were_announced_are_missed() {
    for announced in [false, true] {
        let below = server(Kind::Strong, &[ends(Ending::Failed(SIZE))]);
        let announcing = service_fn(move |request: Request<Empty<Bytes>>| {
            let below = below.clone();
            async move {
                let mut response = below.oneshot(request).await?;
                if announced {
                    response.headers_mut().insert("trailer", "digest".parse()?);
                }
                Ok::<_, BoxError>(response)
            }
        });
        let ended = ResumeLayer::new().layer(announcing).oneshot(get()).await.unwrap().collect().await;
        match ended {
            Ok(collected) => assert!(!announced && collected.to_bytes() == content(1, SIZE)),
            Err(error) => {
                let error = error.downcast::<Incomplete>().unwrap();
                assert_eq!((error.why(), error.received(), announced), (Why::NoTrailers, SIZE as u64, true));
            }
        }
    }
}

/// RFC 9530: the whole is checked, however it came; what is a part of it, or is said not to be, is not.
#[tokio::test(start_paused = true)]
async fn the_digest_of_the_whole_is_checked() {
    let serve = |digest, turns: &[Turn]| Server::new(SIZE, Kind::Strong, digest, turns.to_vec());
    let cut = [ends(Ending::Failed(80))];
    assert_eq!(whole(&ResumeLayer::new(), &serve(ServerDigest::Right, &cut)).await, content(1, SIZE));
    for turns in [&cut[..], &[]] {
        let told = Told::default();
        let error = collect(&told.layer(), &serve(ServerDigest::Wrong, turns)).await.unwrap_err();
        // What would have been the last of it is not given.
        assert!(error.why() == Why::Digest && error.received() < SIZE as u64, "{error}");
        assert!(matches!(told.all().last(), Some(("at_the_end", Decision::Stop(Why::Digest), _))));
    }
    let unchecked = ResumeLayer::new().check_digest(false);
    assert_eq!(whole(&unchecked, &serve(ServerDigest::Wrong, &cut)).await, content(1, SIZE));
    let part = call(&ResumeLayer::new(), &serve(ServerDigest::Wrong, &[]), get_range("bytes=1-")).await;
    assert_eq!(part.into_body().collect().await.unwrap().to_bytes(), content(1, SIZE).slice(1..));
    // Also where nothing could be resumed.
    let weak = Server::new(SIZE, Kind::Weak, ServerDigest::Wrong, vec![]);
    assert_eq!(why(&ResumeLayer::new(), &weak).await, Why::Digest);
}

/// A failure that another attempt cannot help ends it at once.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_is_not_asked_for_again() {
    let server = server(Kind::Strong, &[ends(Ending::Failed(80))]);
    let below = server.clone();
    let once = service_fn(move |request: Request<Empty<Bytes>>| {
        let below = below.clone();
        async move {
            if !request.headers().contains_key(RANGE) {
                return below.oneshot(request).await;
            }
            let nowhere = Request::get("/no/authority").body(Empty::<Bytes>::new())?;
            Err(clients::h1().request(nowhere).await.unwrap_err().into())
        }
    });
    let told = Told::default();
    let error = told.layer().layer(once).oneshot(get()).await.unwrap().collect().await.unwrap_err();
    let error = error.downcast::<Incomplete>().unwrap();
    assert_eq!((error.why(), error.resumes()), (Why::Permanent, 1));
    assert!(error.source().unwrap().is::<hyper_util::client::legacy::Error>());
    assert!(matches!(told.all()[..], [(..), ("request", Decision::Stop(Why::Permanent), 80)]));
}

/// Why a connection was lost is seen through the error that a client puts around it.
#[tokio::test(start_paused = true)]
async fn a_cause_is_found_below_a_clients_own_error() {
    #[derive(Debug)]
    struct Clients(io::Error);

    impl fmt::Display for Clients {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("error decoding response body")
        }
    }

    impl Error for Clients {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let broken = service_fn(|_: Request<Empty<Bytes>>| async {
        let reset = Clients(io::ErrorKind::ConnectionReset.into());
        let frames = [Ok(Frame::data(Bytes::from(vec![0; 80]))), Err(BoxError::from(reset))];
        let body = StreamBody::new(stream::iter(frames));
        Ok::<_, BoxError>(Response::builder().header("etag", "\"a\"").header("content-length", SIZE).body(body)?)
    });
    let told = Told::default();
    let body = told.layer().layer(broken).oneshot(get()).await.unwrap().into_body();
    body.collect().await.unwrap_err();
    assert!(matches!(told.all()[0], ("closed", Decision::Resume { .. }, 80)));
}

/// The request's own failure is the client's own error.
#[tokio::test]
async fn what_has_no_response_is_not_a_download() {
    let server = server(Kind::Strong, &[lies(Lie::Error)]);
    let error = ResumeLayer::new().layer(server).oneshot(get()).await.unwrap_err();
    assert!(error.is::<io::Error>());
}

/// Without a runtime nothing can be waited for, and nothing panics.
#[test]
fn without_a_runtime_nothing_is_resumed_that_waits() {
    let told = Told::default();
    let layer = told.layer();
    let done = futures_util::FutureExt::now_or_never(async {
        let broken = collect(&layer, &server(Kind::Strong, &[ends(Ending::Failed(80))])).await;
        (whole(&layer, &server(Kind::Strong, &[])).await, broken.unwrap_err().why())
    });
    assert_eq!(done, Some((content(1, SIZE), Why::NoTimer)));
    assert!(matches!(told.all()[..], [("other", Decision::Stop(Why::NoTimer), 80)]));
}
