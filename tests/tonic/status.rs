//! What a call's status says of its connection.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Failure, Fate};

use crate::greeter::{GRPC, GreeterClient, HelloReply, HelloRequest, SAY_HELLO, Stack, framed};
use crate::headers::greet;
use crate::setup::{Attempts, bare, client, client_with};
use crate::support::bound::within;
use crate::support::{ScriptedServer, reason};

/// One stream is open when the connection is wound up: the next call finds out.
async fn wind_up(server: &ScriptedServer) {
    let mut first = server.accept().await;
    let open = first.request().await;
    first.head(open.stream_id, 200, &[GRPC]).await;
    first.goaway(open.stream_id, reason::NO_ERROR).await;
    first.round_trip().await;
    let mut second = server.accept().await;
    let next = second.request().await;
    greet(&mut second, next.stream_id).await;
    first.data(open.stream_id, framed(&HelloReply::to("the last")).freeze(), false).await;
    first.trailers(open.stream_id, &[("grpc-status", "0")]).await;
    first.until_closed().await;
}

/// The status of the call that finds out; the one after it goes through.
async fn find_out<T: Stack>(mut client: GreeterClient<T>) -> Status {
    let mut open = client.lots_of_replies(HelloRequest::new("open")).await.unwrap().into_inner();
    // The GOAWAY is here by then, and nobody knows.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = client.say_hello(HelloRequest::new("next")).await.unwrap_err();
    client.say_hello(HelloRequest::new("after")).await.unwrap();
    while open.message().await.unwrap().is_some() {}
    status
}

/// The defect: tonic tells a call that was never sent that it was canceled, and the one after goes through.
#[tokio::test]
async fn a_bare_channel_calls_a_closed_connection_canceled() {
    let server = ScriptedServer::bind().await;
    let calls = async { find_out(bare(&server.uri("/")).await).await };
    let (status, ()) = within("both sides", async { tokio::join!(calls, wind_up(&server)) }).await;
    assert_eq!(status.code(), Code::Cancelled, "{status:?}");
    assert_eq!(Failure::of(&status, BodyUse::Untouched).fate(), Fate::NotSent);
}

/// C15, G1: with the layers nobody hears of it, and the open stream ends well.
#[tokio::test]
async fn a_call_that_a_closed_connection_hands_back_is_resent() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let calls = async {
        let mut client = client(&server.uri("/"), attempts.layer()).await;
        let mut open = client.lots_of_replies(HelloRequest::new("open")).await.unwrap().into_inner();
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.say_hello(HelloRequest::new("next")).await.unwrap();
        assert_eq!(open.message().await.unwrap().unwrap(), HelloReply::to("the last"));
        assert_eq!(open.message().await.unwrap(), None);
    };
    within("both sides", async { tokio::join!(calls, wind_up(&server)) }).await;
    assert_eq!(attempts.fates(), [(Fate::NotSent, "handed_back")]);
}

/// C22: where it is not resent it is unavailable, and the error below is still readable.
#[tokio::test]
async fn a_call_that_a_closed_connection_hands_back_is_unavailable() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let calls = async { find_out(client(&server.uri("/"), attempts.layer().observe_only(true)).await).await };
    let (status, ()) = within("both sides", async { tokio::join!(calls, wind_up(&server)) }).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with("not_sent (handed_back): transport error: "), "{}", status.message());
    let failure = Failure::of(&status, BodyUse::Untouched);
    assert_eq!((failure.fate(), failure.cause().label()), (Fate::NotSent, "handed_back"));
    let hyper = std::iter::successors(status.source(), |error| <dyn Error>::source(*error));
    assert!(hyper.last().unwrap().to_string().contains("connection"), "{status:?}");
    assert_eq!(attempts.stop(), Some("observe_only"));
}

/// C8: a call above the last stream id was not processed: its body shows that its stream had been opened.
#[tokio::test]
async fn a_call_above_the_last_stream_is_resent() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut first = server.accept().await;
        let request = first.request().await;
        first.read_body(request.stream_id).await;
        first.goaway(0, reason::NO_ERROR).await;
        let mut second = server.accept().await;
        let next = second.request().await;
        greet(&mut second, next.stream_id).await;
        (first, second)
    };
    let call = async {
        let mut client = client(&server.uri("/"), attempts.layer()).await;
        client.say_hello(HelloRequest::new("next")).await.unwrap();
    };
    within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(attempts.fates(), [(Fate::NotProcessed, "goaway")]);
}

/// M1, A6: a status is a response, with or without a body before it, and nothing is resent after it.
#[tokio::test]
async fn a_status_of_the_servers_is_a_response() {
    let trailers = [("grpc-status", "14"), ("grpc-message", "later")];
    for trailers_only in [true, false] {
        let server = ScriptedServer::bind().await;
        let attempts = Attempts::default();
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            if trailers_only {
                conn.respond(request.stream_id, 200, &[GRPC, trailers[0], trailers[1]], "").await;
            } else {
                conn.head(request.stream_id, 200, &[GRPC]).await;
                conn.trailers(request.stream_id, &trailers).await;
            }
            conn.round_trip().await;
            assert_eq!(conn.unheard().len(), 0);
            conn
        };
        let call = async {
            let layer = attempts.layer().idempotent_grpc_methods([SAY_HELLO]);
            client(&server.uri("/"), layer).await.say_hello(HelloRequest::new("now")).await.unwrap_err()
        };
        let (_conn, status) = within("both sides", async { tokio::join!(script, call) }).await;
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "later"));
        assert!(status.source().is_none());
        assert_eq!(Failure::of(&status, BodyUse::Polled).fate(), Fate::Permanent);
        assert_eq!(attempts.fates(), []);
    }
}

/// M1, G11: once the head has come, not even an idempotent call is resent; its stream's end says what it was.
#[tokio::test]
async fn a_stream_that_is_cut_is_unavailable_and_not_resent() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.head(request.stream_id, 200, &[GRPC]).await;
        conn.data(request.stream_id, framed(&HelloReply::to("one")).freeze(), false).await;
        conn.round_trip().await;
        conn.abort();
    };
    let call = async {
        let layer = attempts.layer().idempotent_grpc_methods([crate::greeter::LOTS_OF_REPLIES]);
        let mut client = client(&server.uri("/"), layer).await;
        let mut replies = client.lots_of_replies(HelloRequest::new("many")).await.unwrap().into_inner();
        assert_eq!(replies.message().await.unwrap().unwrap(), HelloReply::to("one"));
        replies.message().await.unwrap_err()
    };
    let ((), status) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(Failure::of(&status, BodyUse::Polled).cause().label(), "closed");
    assert_eq!(attempts.fates(), []);
}

/// C4: a stream that the server resets has the code that gRPC gives it.
#[tokio::test]
async fn a_reset_has_its_own_code() {
    for (reset, code) in [
        (reason::CANCEL, Code::Cancelled),
        (reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (reason::INTERNAL_ERROR, Code::Internal),
        (reason::PROTOCOL_ERROR, Code::Internal),
    ] {
        let server = ScriptedServer::bind().await;
        let script = async {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.reset(request.stream_id, reset).await;
            conn
        };
        let call = async {
            let mut client = client(&server.uri("/"), Attempts::default().layer()).await;
            client.say_hello(HelloRequest::new("now")).await.unwrap_err()
        };
        let (_conn, status) = within("both sides", async { tokio::join!(script, call) }).await;
        assert_eq!(status.code(), code, "{status:?}");
    }
}

/// C21: nobody listens.
#[tokio::test]
async fn a_connect_that_fails_is_unavailable() {
    // Bound, so that nobody else gets it, and with nobody who listens.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let attempts = Attempts::default();
    let health = ConnectionHealth::default();
    let endpoint = Endpoint::from_shared(format!("http://{}", gone.local_addr().unwrap())).unwrap();
    let channel = endpoint.connect_with_connector_lazy(health.connector(crate::support::clients::http_connector()));
    let layer = tower_redial::tonic::GrpcLayer::new(attempts.layer(), health.layer());
    let stack = tower::ServiceBuilder::new().layer(layer).service(channel);
    let mut client = crate::greeter::GreeterClient::new(stack);
    let status = within("the connects", client.say_hello(HelloRequest::new("anybody"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with("not_sent (connect): "), "{}", status.message());
    // Whatever the method: nothing was sent.
    assert_eq!(attempts.fates(), [(Fate::NotSent, "connect"); 3]);
    assert_eq!(attempts.stop(), Some("max_resends"));
}

/// K1, K10: a connection that falls silent fails its calls in bounded time, and says why.
#[tokio::test]
async fn a_silent_connection_is_unavailable() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut silent = server.accept().await;
        silent.request().await;
        silent.manual();
        let mut second = server.accept().await;
        let next = second.request().await;
        greet(&mut second, next.stream_id).await;
        (silent, second)
    };
    let calls = async {
        let quick = Duration::from_millis(100);
        let health = ConnectionHealth::builder().probe_after(quick).probe_timeout(quick).dead_after(2 * quick);
        let mut client = client_with(Endpoint::from(server.uri("/")), attempts.layer(), health).await;
        let status = client.say_hello(HelloRequest::new("lost")).await.unwrap_err();
        client.say_hello(HelloRequest::new("next")).await.unwrap();
        status
    };
    let (_conns, status) = within("both sides", async { tokio::join!(script, calls) }).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().starts_with("unknown (silent): "), "{}", status.message());
    assert_eq!(attempts.stop(), Some("not_idempotent"));
}

/// K12: who cancels a call, has canceled it. Neither is it resent, nor does its connection suffer.
#[tokio::test]
async fn a_call_that_its_caller_cancels_is_canceled() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        assert_eq!(conn.expect_reset(request.stream_id).await, reason::CANCEL);
        let next = conn.request().await;
        greet(&mut conn, next.stream_id).await;
        conn
    };
    let calls = async {
        let layer = attempts.layer().idempotent_grpc_methods([crate::greeter::LOTS_OF_GREETINGS]);
        let mut client = client(&server.uri("/"), layer).await;
        let never_ends = futures_util::stream::pending::<HelloRequest>();
        let mut request = Request::new(never_ends);
        let handle = request.cancellation_handle();
        let mut other = client.clone();
        let canceled = async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            handle.cancel();
        };
        let (result, ()) = tokio::join!(other.lots_of_greetings(request), canceled);
        client.say_hello(HelloRequest::new("next")).await.unwrap();
        result.unwrap_err()
    };
    let (_conn, status) = within("both sides", async { tokio::join!(script, calls) }).await;
    let _: &Status = &status;
    assert_eq!(status.code(), Code::Cancelled, "{status:?}");
    assert_eq!(attempts.stop(), Some("permanent"));
}
