//! Rows that are made on this side of the socket.

use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use hyper::rt::Executor;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_redial::fate::{BodyUse, Cause, Fate};

use crate::support::clients::{http_connector, post};
use crate::support::{ScriptedServer, bound};
use crate::via::{Failed, HTTP1, HTTP2, fail, fail_legacy};

/// Spawns a client's tasks in a runtime of their own, which can go away under them.
///
/// It has one thread: with more of them, one task could still run when the other is gone already, and say "broken pipe".
#[derive(Clone)]
struct Elsewhere(Handle);

impl Elsewhere {
    /// The runtime is there until the other half is dropped.
    fn start() -> (Self, oneshot::Sender<()>) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            tell.send(runtime.handle().clone()).unwrap();
            runtime.block_on(async { _ = stopped.await });
        });
        (Self(told.recv().unwrap()), stop)
    }
}

impl<F> Executor<F> for Elsewhere
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Row 17 (C16, C17): the runtime of the connection's tasks is shut down. hyper says "dispatch task is gone", which it
/// also says of requests that were never sent and of some that were processed.
#[tokio::test]
async fn a_connection_whose_task_is_gone_is_unknown() {
    let server = ScriptedServer::bind().await;
    for legacy in [true, false] {
        let (elsewhere, stop) = Elsewhere::start();
        let request = post(server.uri("/"), "1", "a body");
        let failed = tokio::spawn(async move {
            if legacy {
                let client =
                    hyper_util::client::legacy::Client::builder(elsewhere).http2_only(true).build(http_connector());
                return fail_legacy(&client, request).await;
            }
            let tcp = tokio::net::TcpStream::connect(request.uri().authority().unwrap().as_str()).await.unwrap();
            let io = hyper_util::rt::TokioIo::new(tcp);
            let handshake = hyper::client::conn::http2::handshake(elsewhere.clone(), io).await;
            let (mut sender, connection) = handshake.unwrap();
            elsewhere.0.spawn(connection);
            fail(request, async |request| sender.send_request(request).await).await
        });
        let mut conn = server.accept().await;
        conn.request().await;
        drop(stop);
        let failed = bound::within("the request to fail", failed).await.unwrap();
        failed.is(Fate::Unknown, Cause::DispatchGone).connection_is_dead(true);
    }
}

/// Row 18: a timeout proves nothing, and says nothing of the connection.
#[tokio::test]
async fn a_timeout_above_is_unknown() {
    for via in [HTTP2, HTTP1].concat() {
        let server = ScriptedServer::bind().await;
        let request = post(server.uri("/"), "1", "a body");
        let service = ServiceBuilder::new()
            .timeout(Duration::from_millis(20))
            .service(service_fn(|request| async move { Err::<(), _>(via.fail(request).await.error) }));
        let error = service.oneshot(request).await.unwrap_err();
        Failed::new(error, BodyUse::Polled).is(Fate::Unknown, Cause::Timeout).connection_is_dead(false);

        let request = post(server.uri("/"), "2", "a body");
        let error = tokio::time::timeout(Duration::from_millis(20), via.fail(request)).await.unwrap_err();
        Failed::new(error, BodyUse::Polled).is(Fate::Unknown, Cause::Timeout).connection_is_dead(false);
    }
}

/// Row 15: loopback is never unreachable, so that this one row has to do with an error of the test's own making.
#[test]
fn an_unreachable_network_is_unknown() {
    for kind in [io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable] {
        Failed::new(io::Error::from(kind), BodyUse::Polled).is(Fate::Unknown, Cause::Unreachable);
    }
}

/// Row 19, and an error whose sources never end.
#[test]
fn what_nobody_knows_is_permanent() {
    #[derive(Debug)]
    struct Endless;
    impl std::fmt::Display for Endless {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("round and round")
        }
    }
    impl std::error::Error for Endless {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(self)
        }
    }
    Failed::new(Endless, BodyUse::Polled).is(Fate::Permanent, Cause::Other);
    Failed::new("no idea", BodyUse::Polled).is(Fate::Permanent, Cause::Other);
}
