//! Every kind of call goes through the layers, and what can be sent again is.

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::transport::Server;
use tower_redial::fate::Fate;
use tower_redial::health::ResponseBody;

use crate::greeter::{GRPC, Greeter, HelloReply, HelloRequest, OK, framed};
use crate::setup::{Attempts, client};
use crate::support::bound::within;
use crate::support::{ScriptedServer, reason};

/// Messages that are told while the call goes on.
fn told() -> (UnboundedSender<HelloRequest>, impl Stream<Item = HelloRequest> + Send + 'static) {
    let (tell, mut told) = unbounded_channel();
    (tell, stream::poll_fn(move |cx| told.poll_recv(cx)))
}

fn names(names: &[&str]) -> Vec<HelloRequest> {
    names.iter().map(|name| HelloRequest::new(*name)).collect()
}

/// B15: all four kinds, against tonic's own server.
#[tokio::test]
async fn every_kind_of_call_goes_through() {
    let server = Greeter::serve(Server::builder()).await;
    let mut client = client(&server.uri(), Attempts::default().layer()).await;
    let calls = async {
        let unary = client.say_hello(HelloRequest::new("one")).await.unwrap().into_inner();
        assert_eq!(unary, HelloReply::to("one"));

        let many = HelloRequest { name: "many".to_owned(), replies: 3, pace: 1 };
        let replies = client.lots_of_replies(many).await.unwrap().into_inner();
        let replies: Vec<_> = replies.map(Result::unwrap).collect().await;
        assert_eq!(replies, ["many 0", "many 1", "many 2"].map(HelloReply::to));

        let greetings = stream::iter(names(&["a", "b"]));
        assert_eq!(client.lots_of_greetings(greetings).await.unwrap().into_inner(), HelloReply::to("a and b"));

        // The caller writes what depends on what it has read.
        let (tell, told) = told();
        tell.send(HelloRequest::new("x")).unwrap();
        let mut bidi = client.bidi_hello(told).await.unwrap().into_inner();
        assert_eq!(bidi.message().await.unwrap().unwrap(), HelloReply::to("x"));
        tell.send(HelloRequest::new("y")).unwrap();
        assert_eq!(bidi.message().await.unwrap().unwrap(), HelloReply::to("y"));
        drop(tell);
        assert_eq!(bidi.message().await.unwrap(), None);
    };
    within("the calls", calls).await;
    assert_eq!((server.ledger.total(), server.ledger.doubled()), (6, vec![]));
}

/// B2, B5, B7: a stream of messages that was refused half-way is replayed, and goes on from there.
#[tokio::test]
async fn a_stream_of_messages_is_replayed() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let [a, b] = ["a", "b"].map(|name| framed(&HelloRequest::new(name)));
    let (tell, told) = told();
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        assert_eq!(conn.read_data(first.stream_id).await.0, a);
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        let second = conn.request().await;
        assert_eq!(conn.read_data(second.stream_id).await.0, a);
        tell.send(HelloRequest::new("b")).unwrap();
        drop(tell);
        let rest = conn.read_body(second.stream_id).await;
        assert_eq!(rest.data, b);
        conn.head(second.stream_id, 200, &[GRPC]).await;
        conn.data(second.stream_id, framed(&HelloReply::to("a and b")).freeze(), false).await;
        conn.trailers(second.stream_id, &[OK]).await;
        conn
    };
    let call = async {
        let requests = stream::iter(names(&["a"])).chain(told);
        let mut client = client(&server.uri("/"), attempts.layer()).await;
        client.lots_of_greetings(requests).await.unwrap().into_inner()
    };
    let (_conn, reply) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(reply, HelloReply::to("a and b"));
    assert_eq!(attempts.fates(), [(Fate::NotProcessed, "refused")]);
}

/// B3, B11: more than the limit goes out once, untouched; refused then, it is not sent again.
#[tokio::test]
async fn a_stream_above_the_limit_is_sent_once() {
    let server = ScriptedServer::bind().await;
    let attempts = Attempts::default();
    let script = async {
        let mut conn = server.accept().await;
        let first = conn.request().await;
        let sent = conn.read_body(first.stream_id).await;
        conn.reset(first.stream_id, reason::REFUSED_STREAM).await;
        conn.round_trip().await;
        assert_eq!(conn.unheard().len(), 0);
        (conn, sent)
    };
    let long = "n".repeat(1_000);
    let call = async {
        let requests = stream::iter((0..10).map(|_| HelloRequest::new(&*long)).collect::<Vec<_>>());
        let mut client = client(&server.uri("/"), attempts.layer().replay_limit(4_096)).await;
        client.lots_of_greetings(requests).await.unwrap_err()
    };
    let ((_conn, sent), status) = within("both sides", async { tokio::join!(script, call) }).await;
    assert_eq!(sent.data.len(), 10 * framed(&HelloRequest::new(&*long)).len());
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(attempts.stop(), Some("body_used"));
}

/// S1: what tonic asks of a stack: it can be cloned, sent, and its parts named.
#[test]
fn the_stack_is_what_a_generated_client_asks_for() {
    fn ask<T: Clone + Send + Sync + 'static>() {}
    ask::<crate::setup::Client>();
    fn body<B: http_body::Body<Error = tonic::Status> + Send + 'static>() {}
    body::<tower_redial::tonic::StatusBody<ResponseBody<tonic::body::Body>>>();
}
