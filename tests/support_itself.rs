//! The test support tests itself, with bare hyper-util clients and bare sockets: what it counts is what every other
//! test believes.

mod support;

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use support::{
    Cut, CutOff, CuttingProxy, End, Event, Fault, FaultyServer, Frame, GoAway, GoAwayStyle, Ledger, ProcessAt,
    REQUEST_ID, Reply, ScriptedServer, bound, clients,
    files::{self, File},
    hpack, reason, setting,
    tls::{self, Identity},
    wire::MAX_STREAM_ID,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::{TcpListener, TcpStream},
};

type Body = Full<Bytes>;

async fn collect(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

/// The `h2::Error` in an error's chain.
fn h2_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a h2::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn is_remote_goaway(error: &(dyn Error + 'static)) -> bool {
    h2_error(error).is_some_and(|error| error.is_go_away() && error.is_remote())
}

// ===== the scripted server, HTTP/2 =====

#[tokio::test]
async fn a_script_serves_a_get_and_counts_it() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert_eq!((request.stream_id, request.path.as_str(), request.end_stream), (1, "/hello?a=b", true));
        assert_eq!((request.method.as_str(), request.id.as_str()), ("GET", "one"));
        assert_eq!(request.authority, server.addr().to_string());
        assert_eq!(conn.process(&request), 1);
        conn.respond(1, 200, &[("x-served-by", "script")], "done").await;
        conn
    };
    let (response, _conn) = join!(client.request(clients::get(server.uri("/hello?a=b"), "one")), script);
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-served-by"], "script");
    assert_eq!(collect(response).await, "done");
    assert_eq!((server.ledger().times("one"), server.ledger().seen("one"), server.ledger().total()), (1, 1, 1));
}

#[tokio::test]
async fn a_script_reads_and_writes_large_bodies() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let (up, down) = (files::noise(1, 1 << 20), files::noise(2, 1 << 20));
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert!(!request.end_stream);
        let body = conn.read_body(request.stream_id).await;
        conn.respond(request.stream_id, 200, &[], down.clone()).await;
        (conn, files::sha256(&body.data))
    };
    let fetch = async {
        let response = client.request(clients::post(server.uri("/"), "one", up.clone())).await.unwrap();
        files::sha256(&collect(response).await)
    };
    let (got_down, (_conn, got_up)) = join!(fetch, script);
    assert_eq!(got_up, files::sha256(&up));
    assert_eq!(got_down, files::sha256(&down));
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>>();
    let trailers = http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "up".parse().unwrap())]);
    let body = Full::new(Bytes::from_static(b"body")).with_trailers(async { Some(Ok(trailers)) }).boxed();
    let request = http::Request::post(server.uri("/")).body(body).unwrap();
    let script = async {
        let mut conn = server.accept().await;
        conn.request().await;
        let body = conn.read_body(1).await;
        assert_eq!((body.data.as_ref(), body.trailers["x-sum"].as_bytes()), (&b"body"[..], &b"up"[..]));
        conn.head(1, 200, &[]).await;
        conn.data(1, "reply", false).await;
        conn.trailers(1, &[("x-sum", "down")]).await;
        conn
    };
    let (response, _conn) = join!(client.request(request), script);
    let reply = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(reply.trailers().unwrap()["x-sum"], "down");
    assert_eq!(reply.to_bytes(), "reply");
}

#[tokio::test]
async fn goaway_below_a_stream_fails_it_and_the_one_above_is_not_processed() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let send = |id| client.request(clients::post(server.uri("/"), id, "body"));
    let script = async {
        let mut conn = server.accept().await;
        // Which of the two comes first is the client's affair.
        let [low, high] = <[_; 2]>::try_from(conn.requests(2).await).unwrap();
        conn.process(&low);
        conn.goaway_debug(low.stream_id, reason::NO_ERROR, "bye").await;
        conn.respond(low.stream_id, 200, &[], low.id.clone()).await;
        conn.close().await;
        (low.id, high.id)
    };
    // One connection: the first request opens it, the second waits for it.
    let (one, two, (low, high)) = join!(send("one"), send("two"), script);
    let (answered, failed) = if low == "one" { (one, two) } else { (two, one) };
    assert_eq!(collect(answered.unwrap()).await, low);
    assert!(is_remote_goaway(&failed.unwrap_err()));
    assert_eq!((server.ledger().times(&low), server.ledger().times(&high)), (1, 0));
    assert_eq!(server.ledger().seen(&high), 1);
}

#[tokio::test]
async fn two_steps_of_goaway_around_a_round_trip() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert_eq!(conn.goaway_two_step().await, request.stream_id);
        // The old connection is drained; the client opens another for what comes next.
        conn.respond(request.stream_id, 200, &[], "old").await;
        let mut next = server.accept().await;
        let request = next.request().await;
        next.respond(request.stream_id, 200, &[], "new").await;
        assert_eq!(conn.until_closed().await, End::Fin);
        next
    };
    let requests = async {
        let response = client.request(clients::get(server.uri("/"), "one")).await.unwrap();
        assert_eq!(collect(response).await, "old");
        let response = client.request(clients::get(server.uri("/"), "two")).await.unwrap();
        assert_eq!(collect(response).await, "new");
    };
    join!(requests, script);
}

#[tokio::test]
async fn resets_carry_their_code_both_ways() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
        let request = conn.request().await;
        conn.head(request.stream_id, 200, &[]).await;
        assert_eq!(conn.expect_reset(request.stream_id).await, reason::CANCEL);
        conn
    };
    let requests = async {
        let error = client.request(clients::get(server.uri("/"), "one")).await.unwrap_err();
        let error = h2_error(&error).unwrap();
        assert!(error.is_reset() && error.is_remote());
        assert_eq!(error.reason(), Some(h2::Reason::HTTP_1_1_REQUIRED));
        // A dropped body cancels its stream.
        drop(client.request(clients::get(server.uri("/"), "two")).await.unwrap());
    };
    join!(requests, script);
}

#[tokio::test]
async fn a_manual_script_sees_every_frame() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let script = async {
        let mut conn = server.accept_mute().await;
        assert!(matches!(conn.next_frame().await, Frame::Settings { ack: false, .. }));
        conn.settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]).await;
        conn.settings_ack().await;
        conn.settings_acked(1).await;
        loop {
            match conn.next_event().await {
                Event::Request(request) => break conn.respond(request.stream_id, 204, &[], "").await,
                Event::Frame(Frame::Settings { ack: true, .. } | Frame::WindowUpdate { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        conn
    };
    let (response, _conn) = join!(client.request(clients::get(server.uri("/"), "one")), script);
    assert_eq!(response.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_script_ends_connections_by_fin_and_by_rst() {
    for rst in [false, true] {
        let server = ScriptedServer::bind().await;
        let client = clients::h2::<Body>();
        let script = async {
            let mut conn = server.accept().await;
            conn.request().await;
            if rst { conn.abort() } else { conn.close().await }
        };
        let (response, ()) = join!(client.request(clients::get(server.uri("/"), "one")), script);
        let error = h2_or_io(&response.unwrap_err());
        let expected = if rst { std::io::ErrorKind::ConnectionReset } else { std::io::ErrorKind::BrokenPipe };
        assert_eq!(error, Some(expected), "rst: {rst}");
    }
}

/// The kind of the io error in an error's chain, h2's own among them.
fn h2_or_io(error: &(dyn Error + 'static)) -> Option<std::io::ErrorKind> {
    if let Some(error) = h2_error(error) {
        return error.get_io().map(std::io::Error::kind);
    }
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

#[tokio::test]
#[should_panic = "the script wanted a request, but the client closed"]
async fn a_script_that_the_client_leaves_says_so() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let leaver = async {
        let stop = tokio::time::timeout(Duration::from_millis(1), client.request(clients::get(server.uri("/"), "one")));
        let _ = stop.await;
        drop(client);
    };
    let script = async {
        let mut conn = server.accept().await;
        let _maybe = conn.request().await;
        conn.request().await;
    };
    join!(leaver, script);
}

#[tokio::test(start_paused = true)]
async fn paused_time_does_not_cut_a_script_short() {
    let server = ScriptedServer::bind().await;
    let client = clients::h2::<Body>();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        // An hour passes in no time; the bound of the script's steps is on the real clock.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        conn.respond(request.stream_id, 200, &[], "late").await;
        conn
    };
    let (response, _conn) = join!(client.request(clients::get(server.uri("/"), "one")), script);
    assert_eq!(collect(response.unwrap()).await, "late");
}

#[tokio::test(start_paused = true)]
async fn the_bound_rings_on_the_real_clock() {
    assert_eq!(bound::checked(Duration::from_millis(1), std::future::pending::<()>()).await, None);
    assert_eq!(bound::checked(bound::LIMIT, async { 1 }).await, Some(1));
}

// ===== the scripted server, HTTP/1.1 and TLS =====

#[tokio::test]
async fn a_script_speaks_http1() {
    let server = ScriptedServer::bind().await;
    let client = clients::h1::<http_body_util::Either<Body, http_body_util::StreamBody<_>>>();
    let script = async {
        let mut conn = server.accept_h1().await;
        let request = conn.request().await;
        assert_eq!((request.method.as_str(), request.path.as_str(), request.id.as_str()), ("POST", "/a", "one"));
        assert_eq!(conn.read_body(&request).await.data, "length");
        conn.process(&request);
        conn.respond(200, &[("x-a", "b")], "first").await;
        // The same connection, chunked.
        let request = conn.request().await;
        assert_eq!(request.headers["transfer-encoding"], "chunked");
        assert_eq!(conn.read_body(&request).await.data, "chunked");
        conn.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n").await;
        let request = conn.request().await;
        assert!(request.end_stream);
        conn.abort();
    };
    let requests = async {
        let request = clients::post(server.uri("/a"), "one", "length").map(http_body_util::Either::Left);
        let response = client.request(request).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(collect(response).await, "first");
        let chunk = Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from("chunked")));
        let stream = http_body_util::StreamBody::new(futures_util::stream::iter([chunk]));
        let request = http::Request::post(server.uri("/b")).body(http_body_util::Either::Right(stream)).unwrap();
        assert_eq!(collect(client.request(request).await.unwrap()).await, "second");
        let request = clients::post(server.uri("/c"), "three", "").map(http_body_util::Either::Left);
        assert!(client.request(request).await.is_err());
    };
    join!(requests, script);
    assert_eq!(server.ledger().times("one"), 1);
    assert_eq!((server.ledger().seen("three"), server.ledger().times("three")), (1, 0));
}

#[tokio::test]
async fn alpn_decides_what_a_tls_script_plays() {
    let identity = Identity::new();
    for (offer, version) in [(tls::H2, Version::HTTP_2), (tls::HTTP_1_1, Version::HTTP_11)] {
        let server = ScriptedServer::bind_tls_with(&identity, &[offer]).await;
        let client = clients::https::<Body>(&identity);
        let script = async {
            if offer == tls::H2 {
                let mut conn = server.accept().await;
                assert_eq!(conn.socket().alpn(), Some(tls::H2));
                conn.request().await;
                conn.respond(1, 200, &[], "").await;
                conn.close().await;
            } else {
                let mut conn = server.accept_h1().await;
                conn.request().await;
                conn.respond(200, &[("connection", "close")], "").await;
                conn.close().await;
            }
        };
        let (response, ()) = join!(client.request(clients::get(server.uri("/"), "one")), script);
        assert_eq!(response.unwrap().version(), version);
    }
}

// ===== the faulty server =====

/// What became of one request.
struct Outcome {
    id: String,
    result: Result<Bytes, Box<dyn Error + Send + Sync>>,
    /// Whether hyper asked for the request's body, which an empty one never is.
    polled: bool,
}

/// Sends requests one after the other, `rows` such rows at once.
async fn load(server: &FaultyServer, rows: usize, each: usize, body: &'static [u8]) -> Vec<Outcome> {
    let client = clients::h2();
    let row = |row: usize| {
        let client = client.clone();
        async move {
            let mut outcomes = Vec::new();
            for n in 0..each {
                let id = format!("{row}-{n}");
                let polled = Arc::new(AtomicBool::new(false));
                let body = Watched { body: Full::from(body), polled: polled.clone() };
                let request = clients::post(server.uri("/"), &id, "").map(|_| body);
                let exchange = async {
                    let response = client.request(request).await?;
                    Ok(response.into_body().collect().await?.to_bytes())
                };
                // At a GOAWAY hyper's queue may keep a request for ever (see the crate's docs).
                let result = tokio::time::timeout(support::bound::LIMIT, exchange).await;
                let result = result.unwrap_or_else(|elapsed| Err(elapsed.into()));
                outcomes.push(Outcome { id, result, polled: polled.load(Ordering::SeqCst) });
            }
            outcomes
        }
    };
    join_all((0..rows).map(row)).await.into_iter().flatten().collect()
}

/// A body that tells whether it was polled.
struct Watched {
    body: Body,
    polled: Arc<AtomicBool>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.polled.store(true, Ordering::SeqCst);
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[tokio::test]
async fn a_server_without_faults_serves_everything_once() {
    let server = FaultyServer::builder().start().await;
    for Outcome { id, result, .. } in load(&server, 8, 50, b"").await {
        assert_eq!(result.unwrap(), id);
        assert_eq!((server.ledger().times(&id), server.ledger().seen(&id)), (1, 1));
    }
    let counters = server.counters();
    assert_eq!((counters.connections, counters.streams, counters.answered), (1, 400, 400));
    assert!((1..=8).contains(&counters.max_open));
    assert_eq!((server.ledger().total(), server.ledger().distinct()), (400, 400));
    assert_eq!((server.ledger().doubled(), server.violations()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_a_mebibyte_pass_both_ways() {
    let server = FaultyServer::builder()
        .handler(|_, body| Reply::ok(body).trailer("x-end", "yes"))
        .windows(70_000, 100_000)
        .start()
        .await;
    let client = clients::h2::<Body>();
    let one = |seed: u64| {
        let (client, uri) = (client.clone(), server.uri("/"));
        async move {
            let body = files::noise(seed, 1 << 20);
            let response = client.request(clients::post(uri, &seed.to_string(), body.clone())).await.unwrap();
            let reply = response.into_body().collect().await.unwrap();
            assert_eq!(reply.trailers().unwrap()["x-end"], "yes");
            assert_eq!(files::sha256(&reply.to_bytes()), files::sha256(&body));
        }
    };
    join_all((0..8).map(one)).await;
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn tls_with_alpn_h2() {
    let server = FaultyServer::builder().tls(Identity::new()).start().await;
    let client = clients::https::<Body>(server.identity());
    let response = client.request(clients::get(server.uri("/"), "one")).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(collect(response).await, "one");
}

/// Under each style: nothing twice, nothing answered that was not processed, and nothing failed by a GOAWAY below it
/// that was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goaway_in_every_style_keeps_its_promise() {
    for style in [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered] {
        for process_at in [ProcessAt::Headers, ProcessAt::Complete] {
            let goaway = GoAway::every(10).style(style);
            let server = FaultyServer::builder().goaway(goaway).process_at(process_at).start().await;
            let results = load(&server, 8, 40, b"body").await;
            let counters = server.counters();
            assert_eq!(server.ledger().doubled(), [], "{style:?}, {process_at:?}");
            assert_eq!(server.violations(), Vec::<String>::new(), "{style:?}, {process_at:?}");
            assert!(counters.goaways > 0 && counters.connections > 1, "{style:?}: {counters:?}");
            let mut by_goaway = 0;
            for Outcome { id, result, polled } in results {
                let times = server.ledger().times(&id);
                match result {
                    Ok(body) => assert_eq!((body, times), (id.into(), 1)),
                    // FACTS.md, "The GOAWAY race": with the body polled, the error is h2's own, and proves it.
                    Err(error) if is_remote_goaway(&*error) && polled => {
                        by_goaway += 1;
                        assert_eq!(times, 0, "{style:?}, {process_at:?}: {id}, {error:?}");
                    }
                    Err(_) => {}
                }
            }
            if matches!(style, GoAwayStyle::LowLast | GoAwayStyle::FinalUnanswered) {
                assert!(by_goaway > 0 && counters.ignored > 0, "{style:?}: {by_goaway}, {counters:?}");
            }
        }
    }
}

/// By hand, frame by frame, because only so the order is certain.
#[tokio::test]
async fn low_last_leaves_the_stream_above_unprocessed() {
    let goaway = GoAway::every(3).style(GoAwayStyle::LowLast).reason(reason::ENHANCE_YOUR_CALM).debug("slow down");
    let server = FaultyServer::builder().goaway(goaway).delay(Duration::from_millis(20)).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    raw.get(3, "three").await;
    raw.get(5, "five").await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    let expected = Frame::GoAway { last_stream: 3, reason: reason::ENHANCE_YOUR_CALM, debug: "slow down".into() };
    assert_eq!(goaway, expected);
    // The two below are finished, though their replies were still held back.
    let mut ended = vec![raw.until_end_of_a_stream().await, raw.until_end_of_a_stream().await];
    ended.sort_unstable();
    assert_eq!(ended, [1, 3]);
    assert!(raw.at_end().await);
    let times = ["one", "three", "five"].map(|id| server.ledger().times(id));
    assert_eq!(times, [1, 1, 0]);
    assert_eq!((server.ledger().seen("five"), server.counters().ignored), (1, 1));
}

#[tokio::test]
async fn final_names_the_stream_that_triggers_it() {
    let goaway = GoAway::every(2).style(GoAwayStyle::Final);
    let server = FaultyServer::builder().goaway(goaway).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    raw.get(3, "three").await;
    raw.get(5, "five").await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: 3, reason: reason::NO_ERROR, debug: Bytes::new() });
    assert!(raw.at_end().await);
    assert_eq!(["one", "three", "five"].map(|id| server.ledger().times(id)), [1, 1, 0]);
}

#[tokio::test]
async fn final_unanswered_leaves_processed_streams_without_an_answer() {
    let goaway = GoAway::every(2).style(GoAwayStyle::FinalUnanswered);
    let server = FaultyServer::builder().goaway(goaway).delay(Duration::from_secs(60)).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    raw.get(3, "three").await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: 1, reason: reason::NO_ERROR, debug: Bytes::new() });
    assert!(raw.at_end().await);
    assert_eq!(["one", "three"].map(|id| server.ledger().times(id)), [1, 0]);
}

#[tokio::test]
async fn two_step_serves_what_arrives_before_the_ping_is_answered() {
    let server = FaultyServer::builder().goaway(GoAway::every(1)).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: MAX_STREAM_ID, reason: reason::NO_ERROR, debug: Bytes::new() });
    let Frame::Ping { ack: false, payload } = raw.until(|frame| matches!(frame, Frame::Ping { .. })).await else {
        panic!("no PING");
    };
    raw.get(3, "three").await;
    raw.send(Frame::Ping { ack: true, payload }).await;
    raw.get(5, "five").await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: 3, reason: reason::NO_ERROR, debug: Bytes::new() });
    assert!(raw.at_end().await);
    assert_eq!(["one", "three", "five"].map(|id| server.ledger().times(id)), [1, 1, 0]);
    assert_eq!((server.counters().goaways, server.counters().ignored), (2, 1));
}

#[tokio::test]
async fn a_half_received_stream_is_processed_at_headers_only_if_told_so() {
    for (process_at, times) in [(ProcessAt::Headers, 1), (ProcessAt::Complete, 0)] {
        let server = FaultyServer::builder().process_at(process_at).start().await;
        let mut raw = raw::Client::connect(&server).await;
        raw.post(1, "one").await;
        raw.round_trip().await;
        assert_eq!((server.ledger().seen("one"), server.ledger().times("one")), (1, times));
        raw.send(Frame::data(1, "body", true)).await;
        assert_eq!(raw.until_end_of_a_stream().await, 1);
        assert_eq!(server.ledger().times("one"), 1);
    }
}

#[tokio::test]
async fn goaway_on_accept_and_by_command() {
    let server = FaultyServer::builder().goaway(GoAway::on_accept().style(GoAwayStyle::Final)).start().await;
    let mut raw = raw::Client::connect(&server).await;
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: 0, reason: reason::NO_ERROR, debug: Bytes::new() });
    assert!(raw.at_end().await);

    let server = FaultyServer::builder().start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.round_trip().await;
    server.go_away(GoAway::on_accept().style(GoAwayStyle::Final).reason(reason::INTERNAL_ERROR));
    let goaway = raw.until(|frame| matches!(frame, Frame::GoAway { .. })).await;
    assert_eq!(goaway, Frame::GoAway { last_stream: 0, reason: reason::INTERNAL_ERROR, debug: Bytes::new() });
    assert!(raw.at_end().await);
    // A connection that comes later is not concerned.
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    server.cut(Cut::Fin);
    assert!(raw.at_end().await);
}

#[tokio::test]
async fn every_nth_request_is_refused_and_not_processed() {
    let server = FaultyServer::builder().every(5, Fault::Refuse).start().await;
    let mut refused = 0;
    for Outcome { id, result, .. } in load(&server, 4, 25, b"").await {
        match result {
            Ok(_) => assert_eq!(server.ledger().times(&id), 1),
            Err(error) => {
                let error = h2_error(&*error).unwrap();
                assert!(error.is_reset() && error.is_remote());
                assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
                assert_eq!((server.ledger().seen(&id), server.ledger().times(&id)), (1, 0));
                refused += 1;
            }
        }
    }
    assert_eq!((refused, server.counters().refused, server.counters().connections), (20, 20, 1));
}

#[tokio::test]
async fn a_limit_below_the_announced_one_is_enforced() {
    let server = FaultyServer::builder().announced_streams(100).stream_limit(2).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.post(1, "one").await;
    raw.post(3, "three").await;
    raw.get(5, "five").await;
    let refused = raw.until(|frame| matches!(frame, Frame::Reset { .. })).await;
    assert_eq!(refused, Frame::Reset { stream: 5, reason: reason::REFUSED_STREAM });
    raw.send(Frame::data(1, "", true)).await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    raw.get(7, "seven").await;
    assert_eq!(raw.until_end_of_a_stream().await, 7);
    assert_eq!(["three", "five", "seven"].map(|id| server.ledger().times(id)), [0, 0, 1]);
    assert_eq!((server.counters().over_limit, server.counters().max_open), (1, 2));
}

#[tokio::test]
async fn a_cut_request_is_processed_or_not_as_planned() {
    for how in [Cut::Fin, Cut::Rst] {
        for processed in [false, true] {
            let server = FaultyServer::builder().every(3, Fault::Cut { how, processed }).start().await;
            let results = load(&server, 1, 9, b"body").await;
            let mut cut = 0;
            for Outcome { id, result, .. } in results {
                let times = u64::from(result.is_ok() || processed);
                assert_eq!(server.ledger().times(&id), times, "{how:?}, {processed}, {id}: {result:?}");
                cut += u64::from(result.is_err());
            }
            assert_eq!((cut, server.counters().cuts, server.counters().connections), (3, 3, 3), "{how:?}, {processed}");
        }
    }
}

#[tokio::test]
async fn connections_take_their_goaways_in_turn() {
    let final_after = |streams| GoAway::every(streams).style(GoAwayStyle::Final);
    let server = FaultyServer::builder().goaway_in_turn([final_after(1), final_after(2)]).start().await;
    for (requests, goaways) in [(1, 1), (1, 1), (1, 2), (2, 3)] {
        let client = clients::h2::<Body>();
        for _ in 0..requests {
            collect(client.request(clients::get(server.uri("/"), "")).await.unwrap()).await;
        }
        assert_eq!(server.counters().goaways, goaways);
    }
}

#[tokio::test]
async fn a_cut_that_spares_bodies_waits_for_them() {
    const LARGE: usize = 8 << 20;
    let server = FaultyServer::builder()
        .handler(|_, _| Reply::ok(vec![7; LARGE]))
        .choose(|request, _| (request.path == "/cut").then_some(Fault::Cut { how: Cut::Fin, processed: false }))
        .spare_bodies()
        .start()
        .await;
    let client = clients::h2::<Body>();
    // More than the client's window: it is under way until it is read.
    let large = client.request(clients::get(server.uri("/large"), "")).await.unwrap();
    let cut = tokio::spawn(client.request(clients::get(server.uri("/cut"), "")));
    while server.counters().streams < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.counters().cuts, 0);
    assert_eq!(collect(large).await.len(), LARGE);
    cut.await.unwrap().unwrap_err();
    assert_eq!(server.counters().cuts, 1);
}

#[tokio::test]
async fn bodies_are_cut_reset_and_ended_early() {
    let body = files::noise(7, 100_000);
    for (fault, whole) in [
        (Fault::CutBody { after: 40_000, how: Cut::Fin }, false),
        (Fault::CutBody { after: 40_000, how: Cut::Rst }, false),
        (Fault::ResetBody { after: 40_000, reason: reason::CANCEL }, false),
        // FACTS.md, "Bodies that end early": hyper takes NO_ERROR for a clean end.
        (Fault::ResetBody { after: 40_000, reason: reason::NO_ERROR }, true),
        (Fault::EndBody { after: 40_000 }, false),
    ] {
        let reply = body.clone();
        let server =
            FaultyServer::builder().every(1, fault).handler(move |_, _| Reply::ok(reply.clone())).start().await;
        let client = clients::h2::<Body>();
        let mut response = client.request(clients::get(server.uri("/"), "one")).await.unwrap();
        let mut got = Vec::new();
        let ended = loop {
            match response.body_mut().frame().await {
                None => break true,
                Some(Ok(frame)) => got.extend(frame.into_data().unwrap()),
                Some(Err(_)) => break false,
            }
        };
        assert_eq!(ended, whole, "{fault:?}");
        assert!(got.len() <= 40_000 && body.starts_with(&got), "{fault:?}: {}", got.len());
        assert!(got.len() == 40_000 || matches!(fault, Fault::CutBody { how: Cut::Rst, .. } | Fault::ResetBody { .. }));
        assert_eq!(server.ledger().times("one"), 1);
    }
}

#[tokio::test]
async fn a_stalled_body_stays_open_and_its_connection_is_well() {
    let server = FaultyServer::builder()
        .handler(|_, _| Reply::ok(vec![7; 40_000]))
        .choose(|request, _| (request.id == "one").then_some(Fault::StallBody { after: 20_000 }))
        .start()
        .await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    raw.get(3, "three").await;
    let mut stalled = 0;
    let end = |frame: &Frame| match frame {
        Frame::Data { stream: 1, data, end_stream, .. } => {
            stalled += data.len();
            *end_stream
        }
        Frame::Reset { .. } | Frame::GoAway { .. } => panic!("{frame:?}"),
        frame => matches!(frame, Frame::Data { end_stream: true, .. }),
    };
    assert_eq!(raw.until(end).await.stream(), 3);
    // More window, and what else makes a body go on, changes nothing.
    raw.send(Frame::WindowUpdate { stream: 1, increment: 100_000 }).await;
    raw.send(Frame::WindowUpdate { stream: 0, increment: 100_000 }).await;
    raw.round_trip().await;
    assert_eq!((stalled, server.counters().stalled, server.counters().answered), (20_000, 1, 1));
    raw.send(Frame::Reset { stream: 1, reason: reason::CANCEL }).await;
    raw.round_trip().await;
    assert_eq!(server.counters().client_resets, 1, "it was open until then");
}

#[tokio::test]
async fn a_silent_connection_takes_everything_and_says_nothing() {
    let server = FaultyServer::builder().silent_after(2).start().await;
    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    raw.round_trip().await;
    raw.get(3, "three").await;
    raw.send(Frame::Ping { ack: false, payload: *b"anybody?" }).await;
    raw.get(5, "five").await;
    // Its other connections are well; this round trip also gives the silent one time to read.
    while server.ledger().seen("five") == 0 {
        let mut other = raw::Client::connect(&server).await;
        other.get(1, "other").await;
        assert_eq!(other.until_end_of_a_stream().await, 1);
    }
    assert_eq!(["one", "three", "five"].map(|id| server.ledger().times(id)), [1, 1, 0]);
    assert_eq!(server.counters().silenced, 1);
    raw.half_close().await;
    assert_eq!(raw.rest().await, []);
}

#[tokio::test]
async fn a_silence_that_spares_bodies_waits_for_them() {
    let server = FaultyServer::builder()
        .handler(|_, _| Reply::ok(vec![7; 100_000]))
        .choose(|request, _| (request.id == "three").then_some(Fault::Silence { processed: true }))
        .spare_bodies()
        .start()
        .await;
    let mut raw = raw::Client::connect(&server).await;
    // More than a window: it is under way until there is another one.
    raw.get(1, "one").await;
    raw.until(|frame| matches!(frame, Frame::Data { .. })).await;
    raw.get(3, "three").await;
    raw.get(5, "five").await;
    raw.round_trip().await;
    assert_eq!((server.ledger().times("three"), server.counters().silenced), (1, 0));
    raw.send(Frame::WindowUpdate { stream: 0, increment: 100_000 }).await;
    raw.send(Frame::WindowUpdate { stream: 1, increment: 100_000 }).await;
    let end = |frame: &Frame| {
        assert_eq!(frame.stream(), 1, "no other response begins: {frame:?}");
        matches!(frame, Frame::Data { end_stream: true, .. })
    };
    raw.until(end).await;
    assert_eq!(server.counters().silenced, 1);
    raw.send(Frame::Ping { ack: false, payload: *b"anybody?" }).await;
    raw.half_close().await;
    assert_eq!(raw.rest().await, []);
}

#[tokio::test]
async fn one_connection_falls_silent_once_and_none_that_is_wound_up() {
    let goaways = [GoAway::every(1), GoAway::every(100)];
    let server = FaultyServer::builder().goaway_in_turn(goaways).silent_once(1).start().await;
    let mut wound_up = raw::Client::connect(&server).await;
    wound_up.get(1, "one").await;
    assert_eq!(wound_up.until_end_of_a_stream().await, 1);
    assert_eq!(server.counters().silenced, 0);

    let mut silent = raw::Client::connect(&server).await;
    silent.get(1, "two").await;
    silent.half_close().await;
    let rest = silent.rest().await;
    assert!(rest.iter().all(|frame| matches!(frame, Frame::Settings { .. } | Frame::WindowUpdate { .. })), "{rest:?}");
    assert_eq!((server.ledger().times("two"), server.counters().silenced), (1, 1));

    for id in ["three", "four"] {
        let mut well = raw::Client::connect(&server).await;
        well.get(1, id).await;
        assert_eq!(well.until_end_of_a_stream().await, 1);
    }
    assert_eq!(server.counters().silenced, 1);
}

#[tokio::test]
async fn an_idle_connection_is_forgotten_without_a_word() {
    let server = FaultyServer::builder().forget_idle(Duration::from_millis(20)).start().await;
    let mut busy = raw::Client::connect(&server).await;
    busy.post(1, "busy").await;
    busy.round_trip().await;
    let mut idle = raw::Client::connect(&server).await;
    idle.get(1, "one").await;
    assert_eq!(idle.until_end_of_a_stream().await, 1);
    let forgotten = async {
        while server.counters().silenced == 0 {
            tokio::task::yield_now().await;
        }
    };
    bound::within("the server to forget", forgotten).await;
    assert_eq!((server.counters().silenced, server.counters().idle_connections), (1, 0));
    idle.send(Frame::Ping { ack: false, payload: *b"anybody?" }).await;
    idle.get(3, "three").await;
    idle.half_close().await;
    assert_eq!(idle.rest().await, []);
    assert_eq!((server.ledger().seen("three"), server.ledger().times("three")), (1, 0));
    // Nothing came on this one for as long, but it has an open stream.
    busy.send(Frame::data(1, "body", true)).await;
    assert_eq!(busy.until_end_of_a_stream().await, 1);
}

#[tokio::test]
async fn idle_connections_are_those_that_would_serve_more() {
    let server = FaultyServer::builder().goaway(GoAway::every(3)).start().await;
    let idle = || server.counters().idle_connections;
    let mut raw = raw::Client::connect(&server).await;
    raw.round_trip().await;
    assert_eq!(idle(), 0, "it has not served yet");
    raw.get(1, "one").await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    assert_eq!(idle(), 1);
    raw.post(3, "three").await;
    raw.round_trip().await;
    assert_eq!(idle(), 0, "a stream is open");
    raw.send(Frame::data(3, "", true)).await;
    assert_eq!(raw.until_end_of_a_stream().await, 3);
    assert_eq!(idle(), 1);
    raw.get(5, "five").await;
    assert_eq!(raw.until_end_of_a_stream().await, 5);
    assert_eq!(idle(), 0, "it is being wound up");

    let mut raw = raw::Client::connect(&server).await;
    raw.get(1, "one").await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    assert_eq!(idle(), 1);
    raw.half_close().await;
    assert_eq!(raw.rest().await, []);
    let gone = async {
        while idle() > 0 {
            tokio::task::yield_now().await;
        }
    };
    bound::within("the connection to end", gone).await;
}

#[tokio::test]
async fn a_chooser_picks_requests_by_their_head() {
    let server = FaultyServer::builder()
        .choose(|received, _| {
            (received.path == "/bad").then_some(Fault::Reset { reason: reason::CANCEL, processed: true })
        })
        .start()
        .await;
    let client = clients::h2::<Body>();
    assert!(client.request(clients::get(server.uri("/bad"), "bad")).await.is_err());
    assert!(client.request(clients::get(server.uri("/good"), "good")).await.is_ok());
    assert_eq!((server.ledger().times("bad"), server.counters().resets), (1, 1));
}

#[tokio::test]
async fn protocol_violations_are_told() {
    let server = FaultyServer::builder().start().await;
    let mut raw = raw::Client::connect(&server).await;
    let mut block = bytes::BytesMut::new();
    hpack::encode(None, raw::head("GET", "one"), &mut block);
    let block = block.freeze();
    // RFC 9113, 6.10: a PING within a header block, as a careless middleware might write it.
    raw.send(Frame::Headers { stream: 1, block: block.clone(), end_stream: true, end_headers: false }).await;
    raw.send(Frame::Ping { ack: false, payload: [0; 8] }).await;
    raw.until(|frame| matches!(frame, Frame::GoAway { reason: reason::PROTOCOL_ERROR, .. })).await;
    assert_eq!(server.violations().len(), 1, "{:?}", server.violations());
    // The same in order is a request.
    let mut raw = raw::Client::connect(&server).await;
    let (first, second) = (block.slice(..5), block.slice(5..));
    raw.send(Frame::Headers { stream: 1, block: first, end_stream: true, end_headers: false }).await;
    raw.send(Frame::Continuation { stream: 1, block: second, end_headers: true }).await;
    assert_eq!(raw.until_end_of_a_stream().await, 1);
    assert_eq!(server.ledger().times("one"), 1);
}

#[tokio::test]
async fn padding_and_priority_are_stripped() {
    let server = FaultyServer::builder().handler(|_, body| Reply::ok(body)).start().await;
    let mut raw = raw::Client::connect(&server).await;
    let mut block = bytes::BytesMut::new();
    hpack::encode(None, raw::head("POST", "one"), &mut block);
    let payload = [&[3_u8][..], &[0, 0, 0, 0, 16], &block, &[0; 3]].concat();
    raw.send(Frame::Other { kind: 1, flags: 0x4 | 0x8 | 0x20, stream: 1, payload: payload.into() }).await;
    raw.send(Frame::Other { kind: 0, flags: 0x1 | 0x8, stream: 1, payload: Bytes::from_static(b"\x02body\0\0") }).await;
    let data = raw.until(|frame| matches!(frame, Frame::Data { .. })).await;
    assert_eq!(data, Frame::data(1, "body", true));
}

#[tokio::test]
async fn several_addresses_are_served() {
    let server = FaultyServer::builder().addresses(3).start().await;
    let client = clients::h2::<Body>();
    for index in 0..6 {
        client.request(clients::get(server.uri_at(index, "/"), &index.to_string())).await.unwrap();
    }
    assert_eq!((server.addrs().len(), server.counters().connections, server.ledger().total()), (3, 3, 6));
    let addr = server.addr();
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

/// `cargo test --release --test support_itself -- --ignored --nocapture how_fast`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn how_fast_the_server_is() {
    let server = FaultyServer::builder().start().await;
    let start = Instant::now();
    let served = load(&server, 64, 1000, b"").await.len();
    println!("{:.0} empty POSTs a second", served as f64 / start.elapsed().as_secs_f64());

    let goaway = FaultyServer::builder().goaway(GoAway::every(50)).start().await;
    let start = Instant::now();
    let served = load(&goaway, 64, 1000, b"body").await.len();
    println!("{:.0} POSTs a second, GOAWAY every 50", served as f64 / start.elapsed().as_secs_f64());

    let body = files::noise(1, 1 << 20);
    let server = FaultyServer::builder().handler(move |_, _| Reply::ok(body.clone())).start().await;
    let start = Instant::now();
    let served: usize = load(&server, 8, 64, b"").await.into_iter().map(|outcome| outcome.result.unwrap().len()).sum();
    println!("{:.0} MiB a second", served as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64());
}

// ===== files =====

#[tokio::test]
async fn files_are_served_whole_and_in_parts() {
    let server = FaultyServer::builder().handler(files::serve(4)).start().await;
    let client = clients::h2::<Body>();
    for file in files::files(4) {
        assert!((files::SMALLEST..=files::LARGEST).contains(&file.size));
        let response = client.request(clients::get(server.uri(&file.path()), &file.name)).await.unwrap();
        assert_eq!(response.headers()["content-length"], file.size.to_string());
        assert_eq!(response.headers()["etag"], file.etag());
        assert_eq!(files::sha256(&collect(response).await), file.sha256());

        let mut request = clients::get(server.uri(&file.path()), "part");
        request.headers_mut().insert("range", "bytes=1001-".parse().unwrap());
        request.headers_mut().insert("if-range", file.etag().parse().unwrap());
        let response = client.request(request.clone()).await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()["content-range"], format!("bytes 1001-{}/{}", file.size - 1, file.size));
        assert_eq!(collect(response).await, file.content().slice(1001..));

        request.headers_mut().insert("if-range", "\"other\"".parse().unwrap());
        assert_eq!(client.request(request).await.unwrap().status(), StatusCode::OK);
    }
    let response = client.request(clients::get(server.uri("/files/4"), "none")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[test]
fn a_file_is_the_same_every_time_and_at_every_offset() {
    let file = File::number(3);
    let content = file.content();
    assert_eq!((content.len(), &content), (file.size, &File::number(3).content()));
    assert_ne!(File::number(4).content(), content);
    for (start, end) in [(0, 1), (7, 9), (8, 16), (1001, 1001), (16_000, file.size), (file.size, file.size)] {
        assert_eq!(file.part(start, end), content.slice(start..end), "{start}..{end}");
    }
}

// ===== the proxy =====

/// A server that says `len` bytes to whoever connects, and then only listens.
async fn talker(len: usize) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The other end may be cut off before all is said.
                let _ = tcp.write_all(&files::noise(1, len)).await;
                let _ = tcp.read_to_end(&mut Vec::new()).await;
            });
        }
    };
    (addr, tokio::spawn(task))
}

/// What comes through the proxy on a new connection, and how that ends. It has to end by itself.
async fn all_that_comes(proxy: &CuttingProxy) -> (Vec<u8>, std::io::Result<usize>) {
    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    let mut got = Vec::new();
    let end = bound::within("the end of a connection", tcp.read_to_end(&mut got)).await;
    (got, end)
}

async fn until_all_are_closed(proxy: &CuttingProxy) {
    let closed = async {
        while proxy.counters().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    bound::within("the end of the proxy's connections", closed).await;
}

#[tokio::test]
async fn a_proxy_passes_everything_on_and_counts_it() {
    for identity in [None, Some(Identity::new())] {
        let client = identity.as_ref().map(clients::https::<Body>);
        let builder = FaultyServer::builder().handler(files::serve(2));
        let server = match identity {
            None => builder.start().await,
            Some(identity) => builder.tls(identity).start().await,
        };
        let proxy = CuttingProxy::builder().start(server.addr()).await;
        for file in files::files(2) {
            let uri = proxy.through(&server.uri(&file.path()));
            assert_eq!((uri.port_u16(), uri.path()), (Some(proxy.addr().port()), file.path().as_str()));
            let request = clients::get(uri, &file.name);
            let response = match &client {
                None => clients::h2::<Body>().request(request).await,
                Some(client) => client.request(request).await,
            };
            assert_eq!(collect(response.unwrap()).await, file.content());
        }
        let size: usize = files::files(2).iter().map(|file| file.size).sum();
        let passed = proxy.counters();
        assert!((size as u64..size as u64 * 2).contains(&passed.downstream), "{passed:?}");
        assert!((100..10_000).contains(&passed.upstream), "{passed:?}");
        assert_eq!((passed.cuts, passed.stalls), (0, 0));
    }
}

#[tokio::test]
async fn a_proxy_cuts_by_fin_and_by_rst_where_it_was_told_to() {
    let (addr, _talker) = talker(300_000).await;
    let builder = CuttingProxy::builder().after(100_001..=100_001);
    let proxy = builder.cut_offs([CutOff::Cut(Cut::Fin), CutOff::Cut(Cut::Rst)]).start(addr).await;
    let (got, end) = all_that_comes(&proxy).await;
    assert_eq!((got, end.unwrap()), (files::noise(1, 300_000)[..100_001].to_vec(), 100_001));
    let (got, end) = all_that_comes(&proxy).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(files::noise(1, 100_001).starts_with(&got));
    until_all_are_closed(&proxy).await;
    let passed = proxy.counters();
    assert_eq!((passed.connections, passed.cuts, passed.stalls, passed.downstream), (2, 2, 0, 200_002));
}

#[tokio::test]
async fn a_proxy_stalls_both_ways_until_the_client_leaves() {
    let (addr, _talker) = talker(300_000).await;
    let proxy = CuttingProxy::builder().after(1_000..=1_000).cut_offs([CutOff::Stall]).start(addr).await;
    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    let mut got = [0; 1_001];
    bound::within("what comes before the stall", tcp.read_exact(&mut got[..1_000])).await.unwrap();
    tcp.write_all(b"anybody?").await.unwrap();
    let more = bound::checked(Duration::from_millis(200), tcp.read(&mut got[1_000..])).await;
    assert!(more.is_none(), "{more:?}");
    let passed = proxy.counters();
    assert_eq!((passed.open, passed.stalls, passed.downstream, passed.upstream), (1, 1, 1_000, 0));
    drop(tcp);
    until_all_are_closed(&proxy).await;
}

#[tokio::test]
async fn a_proxy_cuts_only_the_first_connections_and_where_its_seed_says() {
    let (addr, _talker) = talker(50_000).await;
    let lengths = async |seed| {
        let builder = CuttingProxy::builder().after(10_000..=20_000).first(4).seed(seed);
        let proxy = builder.start(addr).await;
        let mut lengths = Vec::new();
        for _ in 0..4 {
            lengths.push(all_that_comes(&proxy).await.0.len());
        }
        // This one is not cut: the server waits for more from us.
        let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
        bound::within("all of it", tcp.read_exact(&mut vec![0; 50_000])).await.unwrap();
        assert_eq!(proxy.counters().cuts, 4);
        proxy.stop().await;
        assert_eq!(bound::within("the end", tcp.read(&mut [0])).await.unwrap_or_default(), 0);
        lengths
    };
    let one = lengths(1).await;
    assert!(one.iter().all(|len| (10_000..=20_000).contains(len)), "{one:?}");
    assert!(one.iter().any(|len| *len != one[0]), "each has its own: {one:?}");
    assert_eq!(one, lengths(1).await);
    assert_ne!(one, lengths(2).await);
}

// ===== the parts =====

#[test]
fn a_ledger_counts_a_quarter_of_a_million_ids() {
    let ledger = Ledger::new();
    let clone = ledger.clone();
    for id in 0..250_000 {
        clone.arrived(&id.to_string());
        assert_eq!(clone.processed(&id.to_string()), 1);
    }
    assert_eq!(ledger.processed("77"), 2);
    ledger.processed("");
    ledger.processed("");
    assert_eq!(ledger.doubled(), [("77".to_owned(), 2)]);
    assert_eq!((ledger.total(), ledger.distinct(), ledger.total_seen()), (250_003, 250_000, 250_000));
    assert_eq!((ledger.times("nobody"), ledger.seen("nobody")), (0, 0));
}

/// RFC 7541, C.4 (Huffman, with a dynamic table) and C.3.1 (without Huffman).
#[test]
fn hpack_decodes_the_examples_of_the_rfc() {
    let mut decoder = hpack::Decoder::default();
    let mut decode = |block: &str| {
        let fields = decoder.decode(&hex::decode(block).unwrap()).unwrap();
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        fields.into_iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>()
    };
    let first = [":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"];
    assert_eq!(decode("828684418cf1e3c2e5f23a6ba0ab90f4ff"), first);
    assert_eq!(decode("828684be5886a8eb10649cbf")[3..], [":authority=www.example.com", "cache-control=no-cache"]);
    let third = decode("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf");
    assert_eq!(third[2..], [":path=/index.html", ":authority=www.example.com", "custom-key=custom-value"]);
    assert_eq!(decode("828684410f7777772e6578616d706c652e636f6d"), first);
}

#[test]
fn hpack_refuses_what_is_not_hpack() {
    let mut decoder = hpack::Decoder::default();
    // Index 0; an index beyond the tables; a string cut short; a table size above ours; padding that is no padding.
    for block in ["80", "ff00", "00056162", "3fe21f", "008161820000"] {
        assert!(decoder.decode(&hex::decode(block).unwrap()).is_err(), "{block}");
    }
}

/// Every byte, through the Huffman code of h2's encoder.
#[tokio::test]
async fn hpack_reads_every_byte_a_header_may_carry() {
    let server = ScriptedServer::bind().await;
    // hyper's own limit for a response's headers lies below the length that needs CONTINUATION.
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .http2_max_header_list_size(1 << 20)
        .build::<_, Body>(clients::http_connector());
    let value: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
    let mut request = clients::get(server.uri("/"), "one");
    request.headers_mut().insert("x-all", http::HeaderValue::from_bytes(&value).unwrap());
    request.headers_mut().insert("x-long", http::HeaderValue::from_bytes(&[b'~'; 20_000]).unwrap());
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert_eq!(request.headers["x-all"].as_bytes(), value);
        // This one needs CONTINUATION.
        assert_eq!(request.headers["x-long"].as_bytes(), [b'~'; 20_000]);
        assert_eq!(request.headers[REQUEST_ID], "one");
        let long = "z".repeat(20_000);
        conn.respond(request.stream_id, 200, &[("x-long", &long)], "").await;
        conn
    };
    let (response, _conn) = join!(client.request(request), script);
    assert_eq!(response.unwrap().headers()["x-long"].len(), 20_000);
}

/// A client that is a bare socket, for orders of frames that no library would send.
mod raw {
    use bytes::BytesMut;
    use tokio::net::TcpStream;

    use super::support::{
        FaultyServer, Frame, REQUEST_ID,
        bound::within,
        hpack,
        wire::{FrameIo, PREFACE},
    };

    pub(super) struct Client(FrameIo<TcpStream>);

    pub(super) fn head<'a>(method: &'a str, id: &'a str) -> [(&'a str, &'a str); 5] {
        [(":method", method), (":scheme", "http"), (":authority", "raw"), (":path", "/"), (REQUEST_ID, id)]
    }

    impl Client {
        pub(super) async fn connect(server: &FaultyServer) -> Self {
            let mut client = Self(FrameIo::new(TcpStream::connect(server.addr()).await.unwrap()));
            client.0.write(PREFACE).await.unwrap();
            client.send(Frame::Settings { ack: false, values: vec![] }).await;
            client.send(Frame::Settings { ack: true, values: vec![] }).await;
            client
        }

        pub(super) async fn send(&mut self, frame: Frame) {
            self.0.write(&frame.to_bytes()).await.unwrap();
        }

        pub(super) async fn get(&mut self, stream: u32, id: &str) {
            self.open("GET", stream, id, true).await;
        }

        /// Leaves the stream open for a body.
        pub(super) async fn post(&mut self, stream: u32, id: &str) {
            self.open("POST", stream, id, false).await;
        }

        async fn open(&mut self, method: &str, stream: u32, id: &str, end_stream: bool) {
            let mut block = BytesMut::new();
            hpack::encode(None, head(method, id), &mut block);
            self.send(Frame::Headers { stream, block: block.freeze(), end_stream, end_headers: true }).await;
        }

        pub(super) async fn until(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Frame {
            within("a frame", async {
                loop {
                    let frame = self.0.read().await.unwrap().expect("the server closed");
                    if wanted(&frame) {
                        return frame;
                    }
                }
            })
            .await
        }

        pub(super) async fn until_end_of_a_stream(&mut self) -> u32 {
            let ends = |frame: &Frame| {
                matches!(frame, Frame::Data { end_stream: true, .. } | Frame::Headers { end_stream: true, .. })
            };
            self.until(ends).await.stream()
        }

        pub(super) async fn round_trip(&mut self) {
            let payload = *b"are you?";
            self.send(Frame::Ping { ack: false, payload }).await;
            self.until(|frame| *frame == Frame::Ping { ack: true, payload }).await;
        }

        /// Whether the server ends the connection with FIN, whatever it sends before.
        pub(super) async fn at_end(&mut self) -> bool {
            within("the end", async {
                loop {
                    match self.0.read().await {
                        Ok(None) => return true,
                        Ok(Some(_)) => {}
                        Err(_) => return false,
                    }
                }
            })
            .await
        }

        pub(super) async fn half_close(&mut self) {
            self.0.shutdown().await.unwrap();
        }

        pub(super) async fn rest(&mut self) -> Vec<Frame> {
            let mut frames = Vec::new();
            while let Some(frame) = within("the end", self.0.read()).await.unwrap() {
                frames.push(frame);
            }
            frames
        }
    }
}
