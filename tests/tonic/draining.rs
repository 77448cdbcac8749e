//! Connections that are wound up under calls, frame by frame.

use std::time::Duration;

use futures_util::future::join_all;
use tonic::transport::Endpoint;
use tonic::{Code, Response};
use tower_redial::ConnectionHealth;
use tower_redial::fate::Fate;

use crate::greeter::{GRPC, HelloReply, HelloRequest, OK, framed, reply};
use crate::headers::greet;
use crate::setup::{Attempts, Client, client, client_with};
use crate::support::bound::within;
use crate::support::wire::MAX_STREAM_ID;
use crate::support::{Fault, FaultyServer, GoAway, GoAwayStyle, ScriptedServer, reason};

/// `count` calls at once, each with a name of its own.
async fn at_once(client: &Client, count: usize) -> Vec<Result<HelloReply, tonic::Status>> {
    let calls = (0..count).map(|n| {
        let mut client = client.clone();
        async move { client.say_hello(HelloRequest::new(format!("caller {n}"))).await.map(Response::into_inner) }
    });
    within("the calls", join_all(calls)).await
}

/// G2: a notice of a graceful shutdown fails nothing; the last stream id that follows it fails what lies above, and that is resent.
#[tokio::test]
async fn the_second_goaway_fails_what_lies_above_it() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut first = server.accept().await;
        let [below, above] = first.requests(2).await.try_into().unwrap();
        first.read_body(above.stream_id).await;
        first.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
        first.round_trip().await;
        assert_eq!(attempts.fates(), []);
        first.goaway(below.stream_id, reason::NO_ERROR).await;
        let mut second = server.accept().await;
        let resent = second.request().await;
        greet(&mut second, resent.stream_id).await;
        greet(&mut first, below.stream_id).await;
        first.until_closed().await;
        second
    };
    let calls = async {
        let client = client(&server.uri("/"), attempts.layer()).await;
        let mut other = client.clone();
        let first = tokio::spawn(async move { other.say_hello(HelloRequest::new("below")).await });
        // The gate lets one call find out what the server allows: the second goes when that is known.
        let mut other = client.clone();
        let second = tokio::spawn(async move { other.say_hello(HelloRequest::new("above")).await });
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    };
    within("both sides", async { tokio::join!(script, calls) }).await;
    // The resend may be handed back once by the connection that is being left.
    let fates = attempts.fates();
    assert_eq!(fates[0], (Fate::NotProcessed, "goaway"));
    assert!(fates[1..].iter().all(|fate| *fate == (Fate::NotSent, "handed_back")), "{fates:?}");
}

/// G1, G5: the same with the notice held back: the PING that follows it is answered, and the shutdown goes on.
#[tokio::test]
async fn a_notice_that_is_held_back_ends_in_a_shutdown() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut first = server.accept().await;
        let open = first.request().await;
        first.head(open.stream_id, 200, &[GRPC]).await;
        assert_eq!(first.goaway_two_step().await, open.stream_id);
        let mut second = server.accept().await;
        let next = second.request().await;
        greet(&mut second, next.stream_id).await;
        first.data(open.stream_id, framed(&HelloReply::to("the last")).freeze(), false).await;
        first.trailers(open.stream_id, &[OK]).await;
        first.until_closed().await;
        second
    };
    let calls = async {
        let health = ConnectionHealth::builder().own_goaway(true);
        let mut client = client_with(Endpoint::from(server.uri("/")), attempts.layer(), health).await;
        let mut open = client.lots_of_replies(HelloRequest::new("open")).await.unwrap().into_inner();
        // Whenever the notice comes, before, between or after these.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.say_hello(HelloRequest::new("next")).await.unwrap();
        assert_eq!(open.message().await.unwrap().unwrap(), HelloReply::to("the last"));
        assert_eq!(open.message().await.unwrap(), None);
    };
    within("both sides", async { tokio::join!(script, calls) }).await;
}

/// G10, G11: what came whole before the connection closed is an answer.
#[tokio::test]
async fn an_answer_that_is_whole_outlives_its_connection() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        greet(&mut conn, request.stream_id).await;
        conn.close().await;
    };
    let call = async {
        let mut client = client(&server.uri("/"), attempts.layer()).await;
        client.say_hello(HelloRequest::new("whole")).await.unwrap().into_inner()
    };
    let ((), reply) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(reply, HelloReply::to("script"));
    assert_eq!(attempts.fates(), []);
}

/// G9, C3, Q1: 200 calls at once through a server that allows ten streams, refuses some and winds every connection up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_move_from_connection_to_connection() {
    let server = FaultyServer::builder().stream_limit(10).announced_streams(10);
    let server = server.goaway(GoAway::every(25)).every(20, Fault::Refuse);
    let server = server.handler(|_, body| reply(&body)).start().await;
    let attempts = Attempts::default();
    let health = ConnectionHealth::builder().own_goaway(true);
    let client = client_with(Endpoint::from(server.uri("/")), attempts.layer(), health).await;
    for (n, result) in at_once(&client, 200).await.into_iter().enumerate() {
        assert_eq!(result.unwrap(), HelloReply::to(&format!("caller {n}")));
    }
    let counters = server.counters();
    assert!(counters.max_open <= 10 && counters.over_limit == 0, "{counters:?}");
    // Eight, had each taken just 25: but the notice waits for the requests that are on their way, on a slow machine for many.
    assert!(counters.connections >= 2, "{counters:?}");
    assert_eq!(server.violations(), Vec::<String>::new());
    assert!(attempts.all().iter().all(|(fate, ..)| fate.is_proof()), "{:?}", attempts.fates());
}

/// G7, G12: a server that turns every connection away costs each call a bounded number of attempts, and ends none of them late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_turns_everybody_away_is_given_up() {
    let server = FaultyServer::builder().goaway(GoAway::on_accept().style(GoAwayStyle::Final)).start().await;
    let attempts = Attempts::default();
    let client = client(&server.uri("/"), attempts.layer()).await;
    for result in at_once(&client, 20).await {
        assert_eq!(result.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(server.ledger().total(), 0);
    // Seven attempts each, and what a request that was not processed is resent besides.
    assert!(attempts.all().len() <= 20 * 9, "{}", attempts.all().len());
}

/// C2: refused for ever, it is resent six times, ever later, and then the caller hears of it.
#[tokio::test]
async fn a_call_that_is_always_refused_is_given_up() {
    let server = FaultyServer::builder().every(1, Fault::Refuse).start().await;
    let attempts = Attempts::default();
    let mut client = client(&server.uri("/"), attempts.layer()).await;
    let status = within("the attempts", client.say_hello(HelloRequest::new("anybody"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("not_processed (refused): "), "{}", status.message());
    assert_eq!((attempts.all().len(), attempts.stop()), (7, Some("max_resends")));
}
