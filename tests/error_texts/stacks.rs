//! The same failures in the words of reqwest, reqwest-retry, tonic and kube.

use std::time::Duration;

use reqwest_middleware::ClientBuilder;
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower_redial::fate::BodyUse;

use crate::greeter::{GRPC, GreeterClient, HelloRequest};
use crate::seen::Seen;
use crate::support::bound::within;
use crate::support::clients::{self, post};
use crate::support::{H2Conn, NobodyListens, ScriptedServer, reason};
use crate::via::Via;

const QUICK: Duration = Duration::from_millis(50);

pub(crate) async fn all() -> Vec<Seen> {
    let mut seen = by_reqwest().await;
    seen.extend(by_reqwest_retry().await);
    seen.push(by_kube().await);
    seen.extend(by_tonic().await);
    seen
}

async fn by_reqwest() -> Vec<Seen> {
    let client = clients::reqwest().build().unwrap();
    let get = async |client: &reqwest::Client, uri: &str| {
        Seen::of(within("reqwest to fail", client.get(uri).send()).await.unwrap_err())
    };
    let nobody = NobodyListens::bind();
    let mut seen = vec![get(&client, &nobody.uri("/").to_string()).await, get(&client, "/relative").await];

    let server = ScriptedServer::bind().await;
    let uri = server.uri("/").to_string();
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        conn.close().await;
    };
    seen.push(tokio::join!(get(&client, &uri), script).0);

    let impatient = clients::reqwest().timeout(QUICK).build().unwrap();
    seen.push(tokio::join!(get(&impatient, &uri), server.accept_tcp()).0);

    let server = ScriptedServer::bind_tls().await;
    let uri = server.uri("/").to_string();
    let impatient = clients::reqwest().connect_timeout(QUICK).build().unwrap();
    seen.push(tokio::join!(get(&impatient, &uri), server.accept_tcp()).0);
    seen
}

async fn by_reqwest_retry() -> [Seen; 2] {
    let brief = Duration::from_millis(1);
    let policy = ExponentialBackoff::builder().retry_bounds(brief, brief).build_with_max_retries(2);
    let client = ClientBuilder::new(clients::reqwest().build().unwrap())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .build();
    let nobody = NobodyListens::bind();
    let uri = nobody.uri("/").to_string();
    let parts = futures_util::stream::iter([Ok::<_, std::io::Error>("a part")]);
    let stream = client.post(&uri).body(reqwest::Body::wrap_stream(parts)).send();
    [Seen::of(client.get(&uri).send().await.unwrap_err()), Seen::of(stream.await.unwrap_err())]
}

/// kube puts the error of the service that it was made with into its own.
async fn by_kube() -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        conn.request().await;
        conn.half_close().await;
        conn
    };
    let (failed, _conn) = tokio::join!(Via::Legacy2.fail(post(server.uri("/"), "1", "")), script);
    Seen::of(kube::Error::Service(failed.error))
}

async fn by_tonic() -> Vec<Seen> {
    let nobody = NobodyListens::bind();
    let endpoint = || Endpoint::from_shared(nobody.uri("/").to_string()).unwrap();
    let mut seen = vec![
        Seen::of(endpoint().connect().await.unwrap_err()),
        Seen::of(say_hello(endpoint().connect_lazy()).await),
        handed_back().await,
        call(async |conn, _| conn.goaway(0, reason::NO_ERROR).await).await,
        call(async |conn, stream| conn.reset(stream, reason::REFUSED_STREAM).await).await,
        call(async |conn, _| conn.half_close().await).await,
    ];
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        conn.request().await;
        conn
    };
    let impatient = Endpoint::from(server.uri("/")).timeout(QUICK).connect_lazy();
    seen.push(Seen::of(tokio::join!(say_hello(impatient), script).0));
    seen
}

async fn say_hello(channel: Channel) -> Status {
    let mut client = GreeterClient::new(channel);
    within("a call to fail", client.say_hello(HelloRequest::new("anybody"))).await.unwrap_err()
}

/// A call that meets `step` once its message has come.
async fn call(step: impl AsyncFnOnce(&mut H2Conn, u32)) -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept().await;
        let stream = conn.request().await.stream_id;
        conn.read_body(stream).await;
        step(&mut conn, stream).await;
        conn
    };
    let channel = Endpoint::from(server.uri("/")).connect_lazy();
    Seen::of(tokio::join!(say_hello(channel), script).0)
}

/// A call on a connection that drains, with a stream open: the first that finds out.
async fn handed_back() -> Seen {
    let server = ScriptedServer::bind().await;
    let (tell, drains) = oneshot::channel();
    let script = async {
        let mut conn = server.accept().await;
        let open = conn.request().await.stream_id;
        conn.head(open, 200, &[GRPC]).await;
        conn.goaway(open, reason::NO_ERROR).await;
        conn.round_trip().await;
        tell.send(()).unwrap();
        conn
    };
    let channel = Endpoint::from(server.uri("/")).connect_lazy();
    let calls = async {
        let mut client = GreeterClient::new(channel.clone());
        let open = client.lots_of_replies(HelloRequest::new("open")).await.unwrap();
        drains.await.unwrap();
        let status = say_hello(channel).await;
        drop(open);
        status
    };
    Seen::new(&tokio::join!(calls, script).0, BodyUse::Untouched)
}
