//! What a resend tells the server.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tower_redial::ConnectionHealth;
use tower_redial::fate::Fate;
use tower_redial::retry::{Backoff, Limits, Treatment};

use crate::greeter::{GRPC, HelloReply, HelloRequest, OK, SAY_HELLO, framed};
use crate::setup::{Attempts, client, client_with};
use crate::support::bound::within;
use crate::support::{H2Conn, Received, ScriptedServer, reason};

fn hello(timeout: Option<Duration>) -> Request<HelloRequest> {
    let mut request = Request::new(HelloRequest::new("script"));
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    request
}

pub(crate) async fn greet(conn: &mut H2Conn, stream: u32) {
    conn.head(stream, 200, &[GRPC]).await;
    conn.data(stream, framed(&HelloReply::to("script")).freeze(), false).await;
    conn.trailers(stream, &[OK]).await;
}

fn header<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    received.headers.get(name).map(|value| value.to_str().unwrap())
}

/// Microseconds, however they were written.
fn timeout(received: &Received) -> u64 {
    let value = header(received, "grpc-timeout").expect("a timeout");
    let (count, unit) = value.split_at(value.len() - 1);
    let count: u64 = count.parse().expect("digits");
    match unit {
        "n" => count / 1_000,
        "u" => count,
        "m" => count * 1_000,
        "S" => count * 1_000_000,
        unit => panic!("{unit:?} in {value:?}"),
    }
}

/// W5, C1: the caller's deadline is one for all attempts, and a refused attempt does not count as seen.
#[tokio::test]
async fn a_refused_call_is_resent_with_the_time_that_is_left() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        tokio::time::sleep(Duration::from_millis(120)).await;
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        let second = conn.request().await;
        greet(&mut conn, second.stream_id).await;
        (conn, first, second)
    };
    let call = async {
        let mut client = client(&server.uri("/"), Attempts::default().layer()).await;
        client.say_hello(hello(Some(Duration::from_secs(5)))).await.unwrap();
    };
    let ((_conn, first, second), ()) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(timeout(&first), 5_000_000);
    assert!(timeout(&second) <= 4_880_000, "{second:?}");
    assert!(timeout(&second) >= 3_000_000, "{second:?}");
    assert_eq!(header(&second, "grpc-previous-rpc-attempts"), None);
}

/// C5: a call that may have been seen is resent if it is idempotent, and says how often before.
#[tokio::test]
async fn an_idempotent_call_counts_the_attempts_that_may_have_been_seen() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.read_body(request.stream_id).await;
            seen.push(request);
            conn.close().await;
        }
        let mut conn = server.accept().await;
        let last = conn.request().await;
        greet(&mut conn, last.stream_id).await;
        seen.push(last);
        (conn, seen)
    };
    let call = async {
        let mut client = client(&server.uri("/"), attempts.layer().idempotent_grpc_methods([SAY_HELLO])).await;
        client.say_hello(hello(None)).await.unwrap();
    };
    let ((_conn, seen), ()) = within("both sides", async { tokio::join!(script, call) }).await;
    let counts: Vec<_> = seen.iter().map(|request| header(request, "grpc-previous-rpc-attempts")).collect();
    assert_eq!(counts, [None, Some("1"), Some("2")]);
    assert!(seen.iter().all(|request| header(request, "grpc-timeout").is_none()));
    assert_eq!(attempts.fates(), [(Fate::Unknown, "closed"), (Fate::Unknown, "closed")]);
}

/// One call that is lost with its connection, and what was decided.
async fn lost(attempts: &Attempts, layer: impl FnOnce(&Attempts) -> crate::setup::Layer) -> Status {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.read_body(request.stream_id).await;
        conn.close().await;
    };
    let call = async {
        let mut client = client(&server.uri("/"), layer(attempts)).await;
        client.say_hello(hello(None)).await.unwrap_err()
    };
    within("both sides", async { tokio::join!(script, call) }).await.1
}

/// C5: everything is a POST in gRPC, and the predicate has the last word.
#[tokio::test]
async fn a_call_that_may_have_been_seen_is_not_resent_unless_it_is_said_to_be_idempotent() {
    let attempts = Attempts::default();
    assert_eq!(lost(&attempts, Attempts::layer).await.code(), Code::Unavailable);
    assert_eq!(attempts.stop(), Some("not_idempotent"));

    for (said, stop) in [(Treatment::NotIdempotent, "not_idempotent"), (Treatment::NoRetry, "no_retry")] {
        let attempts = Attempts::default();
        let layer =
            |attempts: &Attempts| attempts.layer().idempotent_grpc_methods([SAY_HELLO]).treatment(move |_| said);
        assert_eq!(lost(&attempts, layer).await.code(), Code::Unavailable);
        assert_eq!(attempts.stop(), Some(stop));
    }
}

/// W4, W5: what has no time left is not sent again, and the caller is told that its time is over.
#[tokio::test]
async fn a_call_whose_time_is_over_is_not_resent() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        conn.round_trip().await;
        assert_eq!(conn.unheard().len(), 0);
        conn
    };
    let call = async {
        let minute = Duration::from_secs(60);
        let patient = Limits::transparent().backoff(Backoff::new(minute, minute));
        let mut client = client(&server.uri("/"), attempts.layer().transparent(patient)).await;
        let status = client.say_hello(hello(Some(Duration::from_secs(2)))).await.unwrap_err();
        (client, status)
    };
    let (_conn, (_client, status)) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(status.code(), Code::Unavailable, "the reason, at once: {status:?}");
    assert_eq!(attempts.stop(), Some("out_of_time"));
}

/// W3, W5: tonic's timeout for the call ends it, and nothing is left for a resend, whatever the layer may do.
#[tokio::test]
async fn a_call_that_is_not_answered_in_time_has_exceeded_its_deadline() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.expect_reset(request.stream_id).await;
        conn.round_trip().await;
        assert_eq!(conn.unheard().len(), 0);
        conn
    };
    let call = async {
        let layer = attempts.layer().idempotent_grpc_methods([SAY_HELLO]).resend_timeouts(true);
        let mut client = client(&server.uri("/"), layer).await;
        let status = client.say_hello(hello(Some(Duration::from_millis(200)))).await.unwrap_err();
        (client, status)
    };
    let (_conn, (_client, status)) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(attempts.fates(), [(Fate::Unknown, "timeout")]);
    assert_eq!(attempts.stop(), Some("out_of_time"));
}

/// W3: a timeout for each attempt leaves the rest of the call's time to the next.
#[tokio::test]
async fn an_attempt_that_times_out_leaves_time_for_the_next() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        let second = conn.request().await;
        greet(&mut conn, second.stream_id).await;
        (conn, first, second)
    };
    let call = async {
        let endpoint = Endpoint::from(server.uri("/")).timeout(Duration::from_millis(300));
        let layer = attempts.layer().idempotent_grpc_methods([SAY_HELLO]).resend_timeouts(true);
        let mut client = client_with(endpoint, layer, ConnectionHealth::builder()).await;
        client.say_hello(hello(Some(Duration::from_secs(8)))).await.unwrap();
    };
    let ((_conn, first, second), ()) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(timeout(&first), 8_000_000);
    assert!(timeout(&second) <= 7_700_000, "{second:?}");
    assert_eq!(header(&second, "grpc-previous-rpc-attempts"), Some("1"));
    assert_eq!(attempts.fates(), [(Fate::Unknown, "timeout")]);
}

/// Q3: a call that is held back because the server takes no streams is over when its time is.
#[tokio::test]
async fn a_call_that_is_held_back_ends_in_time() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_with(&[(crate::support::setting::MAX_CONCURRENT_STREAMS, 2)]).await;
        let open = conn.request().await;
        conn.head(open.stream_id, 200, &[GRPC]).await;
        conn.round_trip().await;
        conn.until_closed().await;
        assert_eq!(conn.unheard().len(), 0);
    };
    let call = async {
        let mut client = client(&server.uri("/"), Attempts::default().layer()).await;
        let open = client.lots_of_replies(HelloRequest::new("open")).await.unwrap();
        let held = client.say_hello(hello(Some(Duration::from_millis(200)))).await.unwrap_err();
        drop((open, client));
        held
    };
    let ((), status) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}
