//! The layers beside other layers, and beside what tonic has itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Status};
use tower::ServiceBuilder;
use tower_redial::ConnectionHealth;
use tower_redial::fate::Fate;
use tower_redial::tonic::GrpcLayer;

use crate::greeter::{Greeter, GreeterClient, HelloReply, HelloRequest};
use crate::headers::greet;
use crate::setup::{Attempts, client, client_with};
use crate::support::bound::within;
use crate::support::{ScriptedServer, clients, reason};

/// S4: an interceptor below sees each attempt, one above the call: fresh credentials belong below.
#[tokio::test]
async fn an_interceptor_below_is_asked_for_each_attempt() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        let second = conn.request().await;
        greet(&mut conn, second.stream_id).await;
        (conn, [first, second])
    };
    let call = async {
        let tokens = Arc::new(AtomicU32::new(0));
        let authorize = move |mut request: Request<()>| {
            let token = tokens.fetch_add(1, Ordering::Relaxed);
            request.metadata_mut().insert("authorization", format!("token {token}").parse().unwrap());
            Ok::<_, Status>(request)
        };
        let health = ConnectionHealth::default();
        let channel = Endpoint::from(server.uri("/")).connect_with_connector(clients::http_connector()).await.unwrap();
        let stack = ServiceBuilder::new()
            .layer(GrpcLayer::new(Attempts::default().layer(), health.layer()))
            .service(InterceptedService::new(channel, authorize));
        GreeterClient::new(stack).say_hello(HelloRequest::new("whoever")).await.unwrap();
    };
    let ((_conn, seen), ()) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(seen.map(|request| request.headers["authorization"].clone()), ["token 0", "token 1"]);
}

/// S2: a limit of one call at a time on either side is no deadlock: nothing is held during a backoff.
#[tokio::test]
async fn limits_on_either_side_are_no_deadlock() {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        for n in 0..12 {
            let request = conn.request().await;
            if n % 2 == 0 {
                conn.reset(request.stream_id, reason::REFUSED_STREAM).await;
            } else {
                greet(&mut conn, request.stream_id).await;
            }
        }
        conn
    };
    let calls = async {
        let endpoint = Endpoint::from(server.uri("/")).concurrency_limit(1);
        let client = client_with(endpoint, Attempts::default().layer(), ConnectionHealth::builder()).await;
        let calls = stream::iter(0..6).map(|n| {
            let mut client = client.clone();
            async move { client.say_hello(HelloRequest::new(n.to_string())).await }
        });
        let replies: Vec<_> = calls.buffer_unordered(3).collect().await;
        assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    };
    within("both sides", async { tokio::join!(script, calls) }).await;
}

/// K2: a server that thinks for long, and answers pings meanwhile, keeps its connection.
#[tokio::test]
async fn a_server_that_thinks_keeps_its_connection() {
    let server = Greeter::serve(Server::builder()).await;
    let attempts = Attempts::default();
    let quick = Duration::from_millis(50);
    let health = ConnectionHealth::builder().probe_after(quick).probe_timeout(quick).dead_after(2 * quick);
    let mut client = client_with(Endpoint::from(server.uri()), attempts.layer(), health).await;
    let slow = HelloRequest { name: "slow".to_owned(), replies: 1, pace: 500 };
    let reply = within("a reply", client.say_hello(slow)).await.unwrap().into_inner();
    assert_eq!(reply, HelloReply::to("slow"));
    assert_eq!((server.connections(), attempts.fates().len()), (1, 0));
}

/// C14: tonic's own keep-alive finds a silent connection too; that is no proof.
#[tokio::test]
async fn a_keep_alive_that_fails_is_no_proof() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut silent = server.accept().await;
        silent.request().await;
        silent.manual();
        silent.until_closed().await;
    };
    let call = async {
        let quick = Duration::from_millis(100);
        let endpoint = Endpoint::from(server.uri("/")).http2_keep_alive_interval(quick).keep_alive_timeout(quick);
        let mut client = client_with(endpoint, attempts.layer(), ConnectionHealth::builder()).await;
        client.say_hello(HelloRequest::new("lost")).await.unwrap_err()
    };
    let ((), status) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(attempts.fates(), [(Fate::Unknown, "silent")]);
}

/// B6, B15: a server may answer before it has all of the request, and may end it early.
#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        greet(&mut conn, request.stream_id).await;
        conn.reset(request.stream_id, reason::NO_ERROR).await;
        conn.round_trip().await;
        assert_eq!(conn.unheard().len(), 0);
        conn
    };
    let call = async {
        let never_ends = stream::iter([HelloRequest::new("first")]).chain(stream::pending());
        let mut client = client(&server.uri("/"), attempts.layer()).await;
        let reply = client.lots_of_greetings(never_ends).await.unwrap().into_inner();
        (client, reply)
    };
    let (_conn, (_client, reply)) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(reply, HelloReply::to("script"));
    assert_eq!(attempts.fates(), []);
}
