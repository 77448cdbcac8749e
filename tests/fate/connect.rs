//! Rows of connects that failed, and of requests that never had a connection.

use bytes::Bytes;
use http::Version;
use http_body_util::Full;
use tokio::net::TcpStream;
use tower_redial::ReplayBody;
use tower_redial::fate::{BodyUse, Cause, Fate};

use crate::support::clients::{self, post};
use crate::support::tls::{HTTP_1_1, Identity};
use crate::support::{NobodyListens, ScriptedServer, Socket, bound};
use crate::via::{Failed, Via, fail_legacy};

/// Row 6 (C21): nobody listens. A bare connection has no connect of its own: the io error is all there is.
#[tokio::test]
async fn a_refused_connect_was_not_sent() {
    for via in [Via::Legacy2, Via::Legacy1] {
        let nobody = NobodyListens::bind();
        via.fail(post(nobody.uri("/"), "1", "a body"))
            .await
            .is(Fate::NotSent, Cause::Connect)
            .connection_is_dead(false);
    }
    let error = TcpStream::connect(NobodyListens::bind().addr()).await.unwrap_err();
    Failed::new(error, BodyUse::Untouched).is(Fate::NotSent, Cause::Connect);
}

/// Row 6: a name that is none.
#[tokio::test]
async fn a_name_that_does_not_resolve_was_not_sent() {
    let request = post("http://host.invalid/".parse().unwrap(), "1", "a body");
    Via::Legacy2.fail(request).await.is(Fate::NotSent, Cause::Connect);
}

/// Row 6: the server hangs up in the middle of the TLS handshake.
#[tokio::test]
async fn a_handshake_that_breaks_off_was_not_sent() {
    let server = ScriptedServer::bind_tls().await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(server.identity());
    let script = async { drop(server.accept_tcp().await) };
    let (failed, ()) = tokio::join!(fail_legacy(&client, post(server.uri("/"), "1", "a body")), script);
    failed.is(Fate::NotSent, Cause::Connect);
}

/// Row 4 (C21): a certificate that nobody vouched for will be no better next time.
#[tokio::test]
async fn a_certificate_failure_is_permanent() {
    let server = ScriptedServer::bind_tls().await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(&Identity::new());
    // The handshake fails on this side too, with the client's alert.
    let server_side = async {
        let tcp = server.accept_tcp().await;
        Socket::accept_tls(tcp, server.identity(), &[HTTP_1_1]).await
    };
    let (failed, socket) = tokio::join!(fail_legacy(&client, post(server.uri("/"), "1", "a body")), server_side);
    assert!(socket.is_err());
    failed.is(Fate::Permanent, Cause::Certificate);
}

/// Row 6: whoever waits for the one HTTP/2 connect of an origin fails when the caller who drives it leaves. hyper-util
/// gives the waiters an error without a connection, and resends nothing.
#[tokio::test]
async fn a_shared_connect_that_was_dropped_was_not_sent() {
    let server = ScriptedServer::bind_tls().await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(server.identity());
    let mut driver = Box::pin(fail_legacy(&client, post(server.uri("/"), "1", "a body")));
    tokio::select! {
        failed = &mut driver => panic!("{failed:?}"),
        _tcp = server.accept_tcp() => {
            let waiter = tokio::spawn({
                let client = client.clone();
                let request = post(server.uri("/"), "2", "a body");
                async move { fail_legacy(&client, request).await }
            });
            // The second asks for the connection, finds the first's connect under way, and waits for it; or, over TLS,
            // it makes a connect of its own, which goes the same way when the listener goes.
            tokio::task::yield_now().await;
            drop(driver);
            drop(_tcp);
            drop(server);
            let failed = bound::within("the waiter to fail", waiter).await.unwrap();
            failed.is(Fate::NotSent, Cause::Connect);
        }
    }
}

/// Row 2: URIs and versions that hyper-util does not take. hyper's own connections take any.
#[tokio::test]
async fn a_request_that_hyper_util_refuses_is_permanent() {
    let relative = post("/path".parse().unwrap(), "1", "a body");
    Via::Legacy1.fail(relative).await.is(Fate::Permanent, Cause::Request).connection_is_dead(false);
    let mut ancient = post("http://host/".parse().unwrap(), "1", "a body");
    *ancient.version_mut() = Version::HTTP_09;
    Via::Legacy1.fail(ancient).await.is(Fate::Permanent, Cause::Request).connection_is_dead(false);
}

/// Row 19: the connection speaks HTTP/1.1 and the request must have HTTP/2 (X3).
#[tokio::test]
async fn anything_else_is_permanent() {
    let identity = Identity::new();
    let server = ScriptedServer::bind_tls_with(&identity, &[HTTP_1_1]).await;
    let client = clients::https::<ReplayBody<Full<Bytes>>>(&identity);
    let mut request = post(server.uri("/"), "1", "a body");
    *request.version_mut() = Version::HTTP_2;
    let (failed, _conn) = tokio::join!(fail_legacy(&client, request), server.accept_h1());
    failed.is(Fate::Permanent, Cause::Other);
}
