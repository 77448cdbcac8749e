//! What the reader of a response's body is told.

use std::error::Error;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::sync::oneshot;
use tower::{BoxError, Layer, ServiceExt};
use tower_redial::body::WholeBodyLayer;
use tower_redial::resume::ResumeLayer;

use crate::seen::chain;
use crate::support::bound::within;
use crate::support::clients;
use crate::support::{H1Conn, H2Conn, ScriptedServer, reason};

/// What each response promises, and what comes of it.
const LENGTH: u64 = 10;
const HALF: &str = "12345";

pub(crate) async fn all() -> Vec<String> {
    vec![
        by_http1(async |uri| read(clients::h1::<Empty<Bytes>>().get(uri).await.unwrap()).await).await,
        by_http2(
            async |uri, half| read_half(clients::h2::<Empty<Bytes>>().get(uri).await.unwrap(), half).await,
            H2Conn::half_close,
        )
        .await,
        by_http2(
            async |uri, half| read_half(clients::h2::<Empty<Bytes>>().get(uri).await.unwrap(), half).await,
            canceled,
        )
        .await,
        by_http1(async |uri| read_parts(uri).await).await,
        by_http1(async |uri| chain(&get(uri).await.bytes().await.unwrap_err())).await,
        by_http1(async |uri| {
            let client = ResumeLayer::new().layer(clients::h1::<Empty<Bytes>>());
            read(client.oneshot(http::Request::get(uri).body(Empty::new()).unwrap()).await.unwrap()).await
        })
        .await,
        by_http2(
            async |uri, half| {
                let client = WholeBodyLayer::new().layer(clients::h2::<Empty<Bytes>>());
                let request = http::Request::get(uri).body(Empty::new()).unwrap();
                read_half(client.oneshot(request).await.unwrap(), half).await
            },
            ended,
        )
        .await,
    ]
}

async fn by_http1(read: impl AsyncFnOnce(http::Uri) -> String) -> String {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn: H1Conn = server.accept_h1().await;
        conn.request().await;
        conn.head(200, &[], LENGTH).await;
        conn.write(HALF).await;
        conn.close().await;
    };
    within("a body to break off", async { tokio::join!(read(server.uri("/")), script).0 }).await
}

/// The first half is there before the body is ended.
async fn by_http2(
    read: impl AsyncFnOnce(http::Uri, oneshot::Sender<()>) -> String,
    end: impl AsyncFnOnce(&mut H2Conn),
) -> String {
    let server = ScriptedServer::bind().await;
    let (tell, half) = oneshot::channel();
    let script = async {
        let mut conn = server.accept().await;
        let stream = conn.request().await.stream_id;
        conn.head(stream, 200, &[("content-length", "10")]).await;
        conn.data(stream, HALF, false).await;
        half.await.unwrap();
        end(&mut conn).await;
        conn
    };
    within("a body to break off", async { tokio::join!(read(server.uri("/"), tell), script).0 }).await
}

async fn canceled(conn: &mut H2Conn) {
    conn.reset(conn.highest(), reason::CANCEL).await;
}

/// What hyper takes for a clean end.
async fn ended(conn: &mut H2Conn) {
    conn.reset(conn.highest(), reason::NO_ERROR).await;
}

async fn read<B: Body<Error: Into<BoxError>> + Unpin>(response: Response<B>) -> String {
    let error: BoxError = response.into_body().collect().await.map(drop).unwrap_err().into();
    chain(&*error)
}

async fn read_half<B: Body<Error: Into<BoxError>> + Unpin>(response: Response<B>, half: oneshot::Sender<()>) -> String {
    let mut body = response.into_body();
    assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
    half.send(()).unwrap();
    let error: BoxError = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.into(),
            None => panic!("a clean end"),
        }
    };
    chain(&*error as &(dyn Error + 'static))
}

async fn get(uri: http::Uri) -> reqwest::Response {
    clients::reqwest().build().unwrap().get(uri.to_string()).send().await.unwrap()
}

async fn read_parts(uri: http::Uri) -> String {
    let mut response = get(uri).await;
    loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a clean end"),
            Err(error) => return chain(&error),
        }
    }
}
