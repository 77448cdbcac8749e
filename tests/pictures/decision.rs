//! The decision: what is sent again, of each kind of request and after each kind of failure, as the layer decides over a real
//! client and real frames.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_redial::fate::{Fate, Verdict};
use tower_redial::retry::{Boxed, Decision, Stop};
use tower_redial::{ReplayBody, RetryOnCanceledLayer};

use crate::page::{Anchor, GREEN, GREY, LINE, Page, RED};
use crate::support::bound::within;
use crate::support::{NobodyListens, ScriptedServer, reason};

type Body = BoxBody<Bytes, Infallible>;
type Seen = Arc<Mutex<Option<(Fate, Decision)>>>;
type Sent = Request<ReplayBody<Body>>;

/// What fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Refused,
    HandedBack,
    RefusedStream,
    GoAway,
    Cut,
    Silent,
    Timeout,
    Odd,
}

impl Failure {
    const ALL: [Self; 8] = [
        Self::Refused,
        Self::HandedBack,
        Self::RefusedStream,
        Self::GoAway,
        Self::Cut,
        Self::Silent,
        Self::Timeout,
        Self::Odd,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "no connection came to be",
            Self::HandedBack => "the client gave it back",
            Self::RefusedStream => "RST_STREAM(REFUSED_STREAM)",
            Self::GoAway => "GOAWAY below its stream",
            Self::Cut => "the connection was lost",
            Self::Silent => "the connection fell silent",
            Self::Timeout => "a timeout",
            Self::Odd => "any other error",
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Idempotent,
    Keyed,
    WithBody,
    WithoutBody,
    TooLong,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Idempotent, Self::Keyed, Self::WithBody, Self::WithoutBody, Self::TooLong];

    const fn name(self) -> [&'static str; 2] {
        match self {
            Self::Idempotent => ["GET, HEAD, PUT,", "DELETE, OPTIONS"],
            Self::Keyed => ["POST with an", "Idempotency-Key"],
            Self::WithBody => ["POST", "with a body"],
            Self::WithoutBody => ["POST", "without a body"],
            Self::TooLong => ["PUT, its body beyond", "replay_limit"],
        }
    }

    /// The methods that the column speaks of.
    fn methods(self) -> &'static [Method] {
        match self {
            Self::Idempotent => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS],
            Self::TooLong => &[Method::PUT],
            Self::Keyed | Self::WithBody | Self::WithoutBody => &[Method::POST],
        }
    }

    fn request(self, method: Method, uri: Uri) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(uri);
        if self == Self::Keyed {
            request = request.header("idempotency-key", "1");
        }
        let body = match self {
            Self::WithoutBody => Empty::new().boxed(),
            Self::TooLong => Full::from(vec![0; 2 * LIMIT]).boxed(),
            Self::Idempotent | Self::Keyed | Self::WithBody => Full::from("a body").boxed(),
        };
        request.body(body).expect("a request")
    }
}

const LIMIT: usize = 1024;

/// What the layer decides, and what it says that the failure proved.
async fn decided(failure: Failure, kind: Kind, method: Method) -> (Fate, Decision) {
    let seen = Seen::default();
    let client = || Client::builder(TokioExecutor::new()).http2_only(true).retry_canceled_requests(false).build_http();
    match failure {
        Failure::Refused => {
            let nobody = NobodyListens::bind();
            fails(observing(&seen).layer(client()), kind.request(method, nobody.uri("/"))).await;
        }
        Failure::RefusedStream | Failure::GoAway | Failure::Cut => {
            let server = ScriptedServer::bind().await;
            let script = async {
                let mut connection = server.accept().await;
                let received = connection.request().await;
                if !received.end_stream {
                    connection.read_body(received.stream_id).await;
                }
                match failure {
                    Failure::RefusedStream => connection.reset(received.stream_id, reason::REFUSED_STREAM).await,
                    Failure::GoAway => connection.goaway(0, reason::NO_ERROR).await,
                    _ => {}
                }
                if failure != Failure::RefusedStream {
                    connection.close().await;
                    return None;
                }
                Some(connection)
            };
            tokio::join!(fails(observing(&seen).layer(client()), kind.request(method, server.uri("/"))), script);
        }
        Failure::Timeout => {
            let server = ScriptedServer::bind().await;
            let service = ServiceBuilder::new()
                .layer(observing::<Boxed>(&seen))
                .timeout(Duration::from_millis(300))
                .service(client());
            let script = async {
                let mut connection = server.accept().await;
                connection.request().await;
                connection
            };
            // On a slow machine the time may be over before the request is there.
            let fails = std::pin::pin!(fails(service, kind.request(method, server.uri("/"))));
            let script = std::pin::pin!(async {
                let _connection = script.await;
                std::future::pending::<()>().await;
            });
            futures_util::future::select(fails, script).await;
        }
        Failure::HandedBack | Failure::Silent | Failure::Odd => {
            let service = service_fn(move |request: Sent| async move {
                if failure != Failure::HandedBack {
                    drop(request.into_body().collect().await);
                }
                let error: BoxError = match failure {
                    Failure::HandedBack => Verdict::not_sent("given back").into(),
                    Failure::Silent => Verdict::connection_silent("silence").into(),
                    _ => "something else".into(),
                };
                Err::<http::Response<()>, _>(error)
            });
            fails(
                observing::<Boxed>(&seen).layer(service),
                kind.request(method, Uri::from_static("http://localhost/")),
            )
            .await;
        }
    }
    let seen = seen.lock().expect("no panic").take();
    seen.unwrap_or_else(|| panic!("{failure:?} of {kind:?} was not decided about"))
}

/// What is only observed is not sent again: one attempt is enough.
fn observing<M>(seen: &Seen) -> RetryOnCanceledLayer<M> {
    let told = Arc::clone(seen);
    RetryOnCanceledLayer::new().replay_limit(LIMIT).observe_only(true).on_retry(move |event| {
        let decision = match event.decision() {
            Decision::Stop(Stop::ObserveOnly) => Decision::Resend { waited: Duration::ZERO },
            other => other,
        };
        *told.lock().expect("no panic") = Some((event.failure().fate(), decision));
    })
}

async fn fails<S, R>(service: S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = http::Response<R>>,
{
    assert!(within("a failure", service.oneshot(request)).await.is_err());
}

/// The reason in the words of the settings that change it.
fn because(stop: Stop) -> &'static str {
    match stop {
        Stop::Permanent => "would fail again",
        Stop::NotIdempotent => "may be processed",
        Stop::BodyUsed => "its body is gone",
        Stop::Timeout => "resend_timeouts",
        other => panic!("{other}: say what it is"),
    }
}

#[tokio::test]
async fn what_is_sent_again() {
    const LEFT: f64 = 24.0;
    const TOP: f64 = 96.0;
    const NAME: f64 = 330.0;
    const CELL: (f64, f64) = (148.0, 42.0);
    let mut page = Page::new(LEFT * 2.0 + NAME + 5.0 * CELL.0, TOP + 52.0 + 8.0 * CELL.1 + 83.0, "What is sent again");
    page.heading((LEFT, 34.0), "What is sent again");
    let what = "RetryOnCanceled with its defaults, as long as limits, time and budget allow; by its own decisions, over hyper-util.";
    page.text((LEFT, 54.0), Anchor::Start, &format!("style=\"fill:{GREY}\""), what);
    for (column, kind) in Kind::ALL.into_iter().enumerate() {
        let x = LEFT + NAME + CELL.0 * (column as f64 + 0.5);
        for (line, text) in kind.name().into_iter().enumerate() {
            page.text((x, TOP + 12.0 + LINE * line as f64), Anchor::Middle, "font-weight=\"bold\"", text);
        }
    }
    for (row, failure) in Failure::ALL.into_iter().enumerate() {
        let y = TOP + 44.0 + CELL.1 * row as f64;
        page.text((LEFT, y + 18.0), Anchor::Start, "font-weight=\"bold\"", failure.name());
        let mut fates = Vec::new();
        for (column, kind) in Kind::ALL.into_iter().enumerate() {
            let mut decision = None;
            for method in kind.methods() {
                let (fate, decided) = decided(failure, kind, method.clone()).await;
                if !fates.contains(&fate) {
                    fates.push(fate);
                }
                assert!(decision.replace(decided).is_none_or(|before| before == decided), "{failure:?} of {method}");
            }
            let decision = decision.expect("a method");
            let x = LEFT + NAME + CELL.0 * column as f64;
            let (fill, lines) = match decision {
                Decision::Resend { .. } => (GREEN, vec!["sent again"]),
                Decision::Stop(stop) => (RED, vec!["returned", because(stop)]),
                other => panic!("{other:?}: it has no place in the picture"),
            };
            page.rect((x + 2.0, y), (CELL.0 - 4.0, CELL.1 - 4.0), fill);
            let top = y + 24.0 - 8.0 * (lines.len() - 1) as f64;
            for (line, text) in lines.into_iter().enumerate() {
                let style = if line == 0 { "" } else { "font-size=\"11\"" };
                page.text((x + CELL.0 / 2.0, top + 15.0 * line as f64), Anchor::Middle, style, text);
            }
        }
        let fates: Vec<_> = fates.into_iter().map(|fate| format!("Fate::{fate:?}")).collect();
        let proves = fates.join(", or ");
        page.text((LEFT, y + 33.0), Anchor::Start, &format!("font-size=\"11\" style=\"fill:{GREY}\""), &proves);
    }
    let below = TOP + 44.0 + 8.0 * CELL.1 + 22.0;
    let notes = [
        "A GOAWAY without a body: hyper says the same of a stream above and below the last that the server took; connect::Pool knows its stream.",
        "Given back, silence and any other error are played by a service in memory, the rest by a server's own frames.",
        "resend_timeouts(true) sends again what is idempotent. A body that nobody has polled is whole, however long it is.",
    ];
    page.lines((LEFT, below), Anchor::Start, &notes.map(str::to_owned));
    crate::check("decision.svg", &page.finish());
}
