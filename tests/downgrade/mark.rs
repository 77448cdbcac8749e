//! The mark by which one client's layer speaks to its connector: no server sees it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_redial::{BodyUse, Cause, Failure, Fate, RetryOnCanceledLayer};

use crate::setup::{FORMS, Service, both, get, quiet};
use crate::support::message::Received;
use crate::support::tls::Trusting as _;
use crate::support::{Fault, FaultyServer, Reply, ScriptedServer, clients, reason};

const REQUIRED: Fault = Fault::Reset { reason: reason::HTTP_1_1_REQUIRED, processed: false };

/// A server that wants HTTP/1.1 for its first request, and answers others with whom they were for.
async fn server() -> FaultyServer {
    let first = |_: &Received, nth| (nth == 1).then_some(REQUIRED);
    both().choose(first).handler(|received: &Received, _| Reply::ok(received.authority.clone())).start().await
}

/// One `Downgrade` serves other clients too, of which some have no fallback in their connector.
#[tokio::test]
async fn a_client_whose_connector_has_no_fallback_gets_no_mark() {
    for form in FORMS {
        let server = server().await;
        let downgrade = quiet().build();
        let falls_back = form.resent(&downgrade, server.identity());
        get(&falls_back, server.uri("/"), "1").await.unwrap();
        let connector = downgrade.connector(server.identity().connector());
        let other = Service::new(connector.layer().layer(clients::builder().build(connector)));
        let host = server.addr().to_string();
        assert_eq!(get(&other, server.uri("/"), "2").await.unwrap(), host, "{form:?}");
        let counters = server.counters();
        assert_eq!((counters.streams, counters.http1_requests), (2, 1), "{form:?}: the other's went over HTTP/2");
    }
}

/// It would have it in its `:authority`.
#[tokio::test]
async fn a_fallback_that_negotiates_http2_gets_no_request() {
    let server = server().await;
    let identity = server.identity();
    let connector = quiet().build().connector(identity.connector()).fallback(identity.connector());
    let service = Service::new(connector.layer().layer(clients::builder().build(connector)));
    get(&service, server.uri("/"), "1").await.unwrap_err();
    let error = get(&service, server.uri("/"), "2").await.unwrap_err();
    assert_eq!(Failure::of(&*error, BodyUse::Untouched).cause(), Cause::Connect, "{error:?}");
    assert_eq!(server.counters().streams, 1);
}

/// Whatever was negotiated: a client that is told to speaks HTTP/2 at once.
#[tokio::test]
async fn a_client_of_http2_only_says_nothing_to_the_fallback() {
    let server = server().await;
    let identity = server.identity();
    let connector = quiet().build().connector(identity.connector()).fallback(identity.connector_h1());
    let service = Service::new(connector.layer().layer(clients::builder().http2_only(true).build(connector)));
    get(&service, server.uri("/"), "1").await.unwrap_err();
    let error = get(&service, server.uri("/"), "2").await.unwrap_err();
    assert_eq!(Failure::of(&*error, BodyUse::Untouched).fate(), Fate::Permanent, "{error:?}");
}

/// Over a connection that says so hyper-util writes the whole URI.
#[tokio::test]
async fn a_connection_that_says_it_is_proxied_gets_no_mark() {
    let server = ScriptedServer::bind_tls().await;
    let identity = server.identity();
    let connector = quiet()
        .build()
        .connector(identity.connector().map_response(Proxied))
        .fallback(identity.connector_h1().map_response(Proxied));
    let stack = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).layer(connector.layer());
    let service = Service::new(stack.service(clients::builder().build(connector)));
    let script = async {
        let mut conn = server.accept().await;
        let request = conn.request().await;
        conn.reset(request.stream_id, reason::HTTP_1_1_REQUIRED).await;
        let mut again = server.accept_h1().await;
        let request = again.request().await;
        again.respond(200, &[], "").await;
        request
    };
    let (response, request) = tokio::join!(get(&service, server.uri("/a?b"), "1"), script);
    response.unwrap();
    assert_eq!((request.path.as_str(), request.authority), ("/a?b", server.addr().to_string()));
}

/// A transport that says it is proxied.
struct Proxied<T>(T);

impl<T: Connection> Connection for Proxied<T> {
    fn connected(&self) -> Connected {
        self.0.connected().proxy(true)
    }
}

impl<T: Read + Unpin> Read for Proxied<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Proxied<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
