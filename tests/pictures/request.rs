//! The life of a request: every change of state that its future makes, as its `Debug` names them, and every reason to end it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use http_body_util::Full;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, Service};
use tower_redial::fate::Verdict;
use tower_redial::retry::{Boxed, Decision, Limits, NoRetry, ResendCount};
use tower_redial::{ReplayBody, RetryOnCanceledLayer};

use crate::page::{Anchor, BLUE, GREEN, GREY, LINE, Page, RED, YELLOW};

type Sent = Request<ReplayBody<Full<Bytes>>>;

/// What the played service does next.
#[derive(Clone, Copy, Debug)]
enum Play {
    Answer,
    GiveBack,
    Lose,
    TimeOut,
    Odd,
    /// It never is.
    NeverReady,
    /// It finds no way to its server.
    Unreachable,
    /// It is of no more use.
    Broken,
}

/// The play, and whether the service was asked whether it is ready. It is not at once, so that the state of one that asks is seen.
#[derive(Clone, Debug)]
struct Played(Arc<Mutex<(VecDeque<Play>, bool)>>);

impl Played {
    fn new(plays: &[Play]) -> Self {
        Self(Arc::new(Mutex::new((plays.iter().copied().collect(), false))))
    }
}

impl Service<Sent> for Played {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let (plays, asked) = &mut *self.0.lock().expect("no panic");
        *asked = !*asked;
        if *asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match plays.front() {
            Some(Play::NeverReady) => Poll::Pending,
            Some(Play::Unreachable) => {
                plays.pop_front();
                Poll::Ready(Err(Verdict::not_connected("nobody is there").into()))
            }
            Some(Play::Broken) => Poll::Ready(Err("closed for good".into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, _: Sent) -> Self::Future {
        let play = self.0.lock().expect("no panic").0.pop_front().expect("a play for each attempt");
        let result: Result<_, BoxError> = match play {
            Play::Answer => Ok(Response::new(())),
            Play::GiveBack => Err(Verdict::not_sent("given back").into()),
            Play::Lose => Err(Verdict::connection_lost("lost").into()),
            Play::TimeOut => Err(Elapsed::new().into()),
            Play::Odd => Err("something else".into()),
            Play::NeverReady | Play::Unreachable | Play::Broken => {
                panic!("{play:?} is for a service that is asked whether it is ready")
            }
        };
        async move {
            // So that the attempt is seen.
            tokio::task::yield_now().await;
            result
        }
        .boxed()
    }
}

/// What was seen: changes of state, and why they came.
#[derive(Debug, Default)]
struct Seen {
    changes: BTreeMap<(String, String), BTreeSet<String>>,
    stops: BTreeSet<&'static str>,
}

type Layered = RetryOnCanceledLayer<Boxed>;
type Scene = (Layered, Request<Full<Bytes>>, &'static [Play]);

/// Every end that a request can have.
fn scenes() -> Vec<Scene> {
    use Play::{Answer, Broken, GiveBack, Lose, NeverReady, Odd, TimeOut, Unreachable};
    let layer = Layered::new;
    let get = || Request::get("http://host/").body(Full::default()).expect("a request");
    let post = || Request::post("http://host/").body(Full::from("one")).expect("a request");
    let with = |mut request: Request<Full<Bytes>>, put: fn(&mut http::Extensions)| {
        put(request.extensions_mut());
        request
    };
    let none = || Limits::after_loss().budget_per_origin(0.0, 0);
    vec![
        (layer(), get(), &[Answer]),
        (layer(), get(), &[GiveBack, Answer]),
        (layer(), get(), &[Lose, Answer]),
        (layer(), get(), &[Lose, Lose, Answer]),
        (layer(), get(), &[Lose, Lose, Lose]),
        (layer(), post(), &[Lose]),
        (layer(), get(), &[TimeOut]),
        (layer(), get(), &[Odd]),
        (layer(), get(), &[Lose, NeverReady]),
        (layer(), get(), &[Lose, Broken]),
        (layer(), get(), &[Lose, Unreachable, Answer]),
        (layer().retry_for(Duration::ZERO), get(), &[Lose]),
        (layer().after_loss(none()), get(), &[Lose]),
        (layer().single_hop(false), post(), &[GiveBack]),
        (layer().observe_only(true), get(), &[Lose]),
        (
            layer(),
            with(get(), |extensions| {
                extensions.insert(NoRetry);
            }),
            &[Lose],
        ),
        (
            layer(),
            with(get(), |extensions| {
                extensions.insert(ResendCount::new(1));
            }),
            &[Lose],
        ),
    ]
}

/// The name of the state that a future shows.
fn state(future: &impl std::fmt::Debug) -> String {
    let shown = format!("{future:?}");
    let (_, rest) = shown.split_once("state: \"").expect("its state is shown");
    rest.split_once('"').expect("a name").0.to_owned()
}

async fn play(seen: &Mutex<Seen>, (layer, request, plays): Scene) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let layer = layer.on_retry(move |event| tells.lock().expect("no panic").push(event.decision()));
    let mut service = layer.layer(Played::new(plays));
    let mut future = pin!(service.call(request));
    let result = poll_fn(|cx| {
        let before = state(&*future);
        let polled = future.as_mut().poll(cx);
        let after = match &polled {
            Poll::Pending => state(&*future),
            Poll::Ready(Ok(_)) => "Answered".to_owned(),
            Poll::Ready(Err(_)) => "Returned".to_owned(),
        };
        let mut seen = seen.lock().expect("no panic");
        let mut reasons = BTreeSet::new();
        for decision in told.lock().expect("no panic").drain(..) {
            match decision {
                Decision::Stop(stop) => {
                    seen.stops.insert(stop.label());
                    reasons.insert(stop.label().to_owned());
                }
                Decision::Resend { .. } => {}
                other => panic!("{other:?}: it has no place in the picture"),
            }
        }
        if before != after {
            seen.changes.entry((before, after)).or_default().extend(reasons);
        }
        polled
    })
    .await;
    drop::<Result<Response<()>, BoxError>>(result);
}

fn described(stop: &str) -> &'static str {
    match stop {
        "permanent" => "it would fail again",
        "not_idempotent" => "not idempotent, and may be processed",
        "not_single_hop" => "the proof may be about a later hop",
        "max_resends" => "it was resent as often as it may be",
        "out_of_time" => "retry_for, or grpc-timeout, is over",
        "budget_exhausted" => "the budget has nothing left",
        "no_retry" => "the caller said so: NoRetry, treatment",
        "timeout" => "resend_timeouts is off",
        "nested" => "a layer above resends it",
        "observe_only" => "observe_only is on",
        "not_ready" => "the client is of no more use",
        other => panic!("{other}: say what it is"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_request() {
    let seen = Mutex::default();
    for scene in scenes() {
        play(&seen, scene).await;
    }
    let Seen { changes, stops } = seen.into_inner().expect("no panic");
    let mut page = Page::new(1050.0, 550.0, "The life of a request");
    page.heading((24.0, 34.0), "The life of a request");
    let what =
        "RetryOnCanceled: every change of state of its future, and every reason to give the client's own error back.";
    page.text((24.0, 54.0), Anchor::Start, &format!("style=\"fill:{GREY}\""), what);
    let size = (180.0, 62.0);
    page.state((60.0, 130.0), size, BLUE, "Attempting", &["the client has it"]);
    page.state((430.0, 130.0), size, GREEN, "Answered", &["Attempts says what was"]);
    page.state((60.0, 290.0), size, YELLOW, "Waiting", &["the backoff"]);
    page.state((60.0, 450.0), size, YELLOW, "Readying", &["is the client ready?"]);
    page.state((430.0, 290.0), size, RED, "Returned", &["the client's own error"]);
    let mut drawn = BTreeSet::new();
    let mut edge = |from: &str, to: &str, arrow: &[(f64, f64)], label: (f64, f64), anchor: Anchor, text: &str| {
        assert!(changes.contains_key(&(from.to_owned(), to.to_owned())), "{from} to {to} does not happen any more");
        drawn.insert((from.to_owned(), to.to_owned()));
        page.arrow(arrow);
        page.text(label, anchor, "", text);
    };
    let start = Anchor::Start;
    edge("Attempting", "Answered", &[(240.0, 161.0), (430.0, 161.0)], (250.0, 153.0), start, "a response");
    edge("Attempting", "Waiting", &[(150.0, 192.0), (150.0, 290.0)], (158.0, 232.0), start, "failed: resend");
    edge("Waiting", "Readying", &[(150.0, 352.0), (150.0, 450.0)], (142.0, 404.0), Anchor::End, "it is over");
    edge(
        "Readying",
        "Attempting",
        &[(60.0, 481.0), (30.0, 481.0), (30.0, 161.0), (60.0, 161.0)],
        (14.0, 152.0),
        start,
        "resent",
    );
    edge(
        "Attempting",
        "Readying",
        &[(90.0, 192.0), (90.0, 240.0), (46.0, 240.0), (46.0, 466.0), (60.0, 466.0)],
        (52.0, 272.0),
        start,
        "at once",
    );
    edge("Attempting", "Returned", &[(240.0, 180.0), (480.0, 290.0)], (372.0, 226.0), start, "failed: stop");
    edge(
        "Readying",
        "Returned",
        &[(240.0, 481.0), (520.0, 481.0), (520.0, 352.0)],
        (250.0, 473.0),
        start,
        "stop: no time, no budget, not ready",
    );
    edge("Readying", "Waiting", &[(200.0, 450.0), (200.0, 352.0)], (208.0, 384.0), start, "an error: asked again");
    let left: Vec<_> = changes.keys().filter(|change| !drawn.contains(*change)).collect();
    assert!(left.is_empty(), "changes without an arrow: {left:?}");

    page.text((660.0, 116.0), Anchor::Start, "font-weight=\"bold\"", "why it is returned (Stop)");
    for (n, stop) in stops.iter().enumerate() {
        let y = 142.0 + 1.6 * LINE * n as f64;
        page.text((660.0, y), Anchor::Start, "font-family=\"monospace\"", stop);
        page.text((800.0, y), Anchor::Start, "font-size=\"12\"", described(stop));
    }
    let y = 142.0 + 1.6 * LINE * stops.len() as f64;
    // Each of these takes a client or a runtime that this play has not.
    for (stop, what) in [("body_used", "its body cannot be sent again"), ("no_timer", "there is no tokio runtime")] {
        let y = y + if stop == "body_used" { 0.0 } else { 1.6 * LINE };
        page.text((660.0, y), Anchor::Start, "font-family=\"monospace\"", stop);
        page.text((800.0, y), Anchor::Start, "font-size=\"12\"", what);
    }
    crate::check("request.svg", &page.finish());
}
