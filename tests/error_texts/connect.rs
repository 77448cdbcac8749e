//! Connects that failed, and requests that no client takes.

use std::time::Duration;

use bytes::Bytes;
use http::{Uri, Version};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_redial::fate::BodyUse;
use tower_redial::{ConnectionHealth, ReplayBody};

use crate::seen::Seen;
use crate::support::clients::{self, post};
use crate::support::tls::Trusting as _;
use crate::support::tls::{HTTP_1_1, Identity, trust_nobody};
use crate::support::{NobodyListens, ScriptedServer, Socket};
use crate::via::{Failed, Via, fail_legacy};

const QUICK: Duration = Duration::from_millis(50);

pub(crate) async fn all() -> Vec<Seen> {
    let mut seen = vec![
        fail(NobodyListens::bind().uri("/")).await,
        fail(Uri::from_static("http://host.invalid/")).await,
        hung_up().await,
        untrusted().await,
        no_tls().await,
        too_late().await,
        fail(Uri::from_static("/relative")).await,
        ancient().await,
    ];
    seen.extend(timeouts().await);
    seen
}

async fn fail(uri: Uri) -> Seen {
    Via::Legacy2.fail(post(uri, "1", "a body")).await.into()
}

async fn hung_up() -> Seen {
    let server = ScriptedServer::bind_tls().await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(server.identity());
    let script = async { drop(server.accept_tcp().await) };
    tokio::join!(fail_legacy(&client, post(server.uri("/"), "1", "a body")), script).0.into()
}

async fn untrusted() -> Seen {
    let server = ScriptedServer::bind_tls().await;
    let connector = HttpsConnectorBuilder::new().with_tls_config(trust_nobody()).https_only().enable_http1();
    let client = clients::builder().build(connector.wrap_connector(clients::http_connector()));
    let handshake = async {
        let tcp = server.accept_tcp().await;
        Socket::accept_tls(tcp, server.identity(), &[HTTP_1_1]).await.map(drop)
    };
    tokio::join!(fail_legacy(&client, post(server.uri("/"), "1", "a body")), handshake).0.into()
}

/// `https` to a port that speaks HTTP in the clear.
async fn no_tls() -> Seen {
    let server = ScriptedServer::bind().await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(&Identity::new());
    let uri: Uri = format!("https://{}/", server.addr()).parse().unwrap();
    let script = async {
        let mut tcp = server.accept_tcp().await;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        tcp
    };
    tokio::join!(fail_legacy(&client, post(uri, "1", "a body")), script).0.into()
}

/// A handshake that never ends, to a connector that does not wait for it.
async fn too_late() -> Seen {
    let server = ScriptedServer::bind_tls().await;
    let health = ConnectionHealth::builder().connect_timeout(QUICK).build();
    let connector = health.connector(server.identity().connector());
    let client = clients::builder().build(connector);
    tokio::join!(fail_legacy(&client, post(server.uri("/"), "1", "a body")), server.accept_tcp()).0.into()
}

async fn ancient() -> Seen {
    let mut request = post(Uri::from_static("http://host/"), "1", "a body");
    *request.version_mut() = Version::HTTP_09;
    Via::Legacy1.fail(request).await.into()
}

/// Of tower and of tokio, around a request that nobody answers.
async fn timeouts() -> [Seen; 2] {
    let server = ScriptedServer::bind().await;
    let service = ServiceBuilder::new()
        .timeout(QUICK)
        .service(service_fn(|uri: Uri| async move { Err::<(), _>(Via::Legacy2.fail(post(uri, "1", "")).await.error) }));
    let by_tower = service.oneshot(server.uri("/")).await.unwrap_err();
    let by_tokio = timeout(QUICK, Via::Legacy2.fail(post(server.uri("/"), "1", ""))).await.unwrap_err();
    [Failed::new(by_tower, BodyUse::Untouched).into(), Failed::new(by_tokio, BodyUse::Untouched).into()]
}
