//! Every way to cut a body, over sockets: an error without the layer, the whole of it with the layer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use reqwest_middleware::ClientBuilder;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_redial::body::WholeBodyLayer;
use tower_redial::resume::ResumeLayer;
use tower_redial::{ReplayBody, RetryOnCanceledLayer};

use crate::support::bound::within;
use crate::support::tls::Identity;
use crate::support::{Received, ScriptedServer, clients, files, reason, tls};

const SIZE: usize = 40_000;
const HALF: usize = 15_000;
const TAG: &str = "\"v1\"";

/// How the server cuts a body in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The end of the TCP connection; over TLS without close_notify.
    Fin,
    /// TLS's own end.
    CloseNotify,
    /// TCP's RST.
    Abort,
    /// Nothing more comes.
    Stall,
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY(NO_ERROR) with a last stream below, and the end of the connection.
    GoAway,
    /// An END_STREAM that comes early.
    EndStream,
}

impl Way {
    /// Those of HTTP/2, each registered code of RST_STREAM among them and one that is not.
    fn of_http2() -> impl Iterator<Item = Self> {
        let resets = (reason::NO_ERROR..=reason::HTTP_1_1_REQUIRED + 1).map(Self::Reset);
        Self::of_http1().chain([Self::GoAway, Self::EndStream]).chain(resets)
    }

    fn of_http1() -> impl Iterator<Item = Self> {
        [Self::Fin, Self::Abort, Self::Stall].into_iter()
    }
}

#[derive(Clone, Copy, Debug)]
enum Stack {
    HyperUtil,
    Reqwest,
    Middleware,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

fn content() -> Bytes {
    files::noise(7, SIZE)
}

fn resume() -> ResumeLayer {
    ResumeLayer::new().stall_timeout(Duration::from_millis(200))
}

/// The file, by a client with the layer or with one that only checks the length.
async fn fetch(stack: Stack, protocol: Protocol, server: &ScriptedServer, resumed: bool) -> Result<Bytes, BoxError> {
    let uri = server.uri("/file");
    let reqwest = || {
        let builder = clients::reqwest();
        let builder = if protocol == Protocol::Http2 { builder.http2_prior_knowledge() } else { builder };
        builder.build().unwrap()
    };
    match stack {
        Stack::HyperUtil => {
            let client = match protocol {
                _ if uri.scheme_str() == Some("https") => clients::https(server.identity()),
                Protocol::Http2 => return over(clients::h2(), uri, resumed).await,
                Protocol::Http1 => return over(clients::h1(), uri, resumed).await,
            };
            over(client, uri, resumed).await
        }
        Stack::Reqwest => {
            let request = reqwest().get(uri.to_string()).build()?;
            let response = match resumed {
                true => resume().layer(reqwest()).oneshot(request).await?,
                false => WholeBodyLayer::new().layer(reqwest()).oneshot(request).await?,
            };
            stream(response).await
        }
        Stack::Middleware => {
            let below = ClientBuilder::new(reqwest()).with(RetryOnCanceledLayer::new()).build();
            let client = match resumed {
                true => ClientBuilder::new(reqwest()).with(resume().layer(below)).build(),
                false => ClientBuilder::new(reqwest()).with(WholeBodyLayer::new()).build(),
            };
            stream(client.get(uri.to_string()).send().await?).await
        }
    }
}

async fn over<C>(client: C, uri: Uri, resumed: bool) -> Result<Bytes, BoxError>
where
    C: Service<Request<ReplayBody<Full<Bytes>>>, Response = Response<Incoming>, Error = legacy::Error> + Clone,
{
    let client = ServiceBuilder::new().layer(RetryOnCanceledLayer::new()).service(client);
    let request = clients::get(uri, "1");
    Ok(match resumed {
        true => resume().layer(client).oneshot(request).await?.collect().await?.to_bytes(),
        false => WholeBodyLayer::new().layer(client).oneshot(request).await?.collect().await?.to_bytes(),
    })
}

/// As those who download with reqwest read it.
async fn stream(response: reqwest::Response) -> Result<Bytes, BoxError> {
    let parts: Vec<_> = response.bytes_stream().try_collect().await?;
    Ok(parts.concat().into())
}

/// Half of the file, cut; and then the rest, where it is asked for.
async fn serve(server: &ScriptedServer, protocol: Protocol, way: Way, resumed: bool) {
    let mut rest = None;
    match protocol {
        Protocol::Http2 => {
            let mut conn = server.accept().await;
            let request = conn.request().await;
            conn.head(request.stream_id, 200, &[("etag", TAG), ("content-length", "40000")]).await;
            conn.data(request.stream_id, content().slice(..HALF), false).await;
            // What was sent has arrived before it is cut.
            conn.round_trip().await;
            match way {
                Way::Fin | Way::CloseNotify | Way::Abort | Way::Stall => {}
                Way::Reset(code) => conn.reset(request.stream_id, code).await,
                Way::GoAway => conn.goaway(0, reason::NO_ERROR).await,
                Way::EndStream => conn.data(request.stream_id, Bytes::new(), true).await,
            }
            match way {
                Way::Abort => conn.abort(),
                Way::CloseNotify | Way::GoAway => conn.close().await,
                Way::Fin => drop(conn),
                Way::Stall | Way::Reset(_) | Way::EndStream => rest = Some(conn),
            }
            if resumed {
                let mut conn = match rest.take() {
                    Some(conn) => conn,
                    None => server.accept().await,
                };
                let request = conn.request().await;
                let (range, bytes) = rest_of(&request);
                let length = bytes.len().to_string();
                let head = [("etag", TAG), ("content-range", &*range), ("content-length", &*length)];
                conn.respond(request.stream_id, 206, &head, bytes).await;
                conn.until_closed().await;
            }
        }
        Protocol::Http1 => {
            let mut conn = server.accept_h1().await;
            conn.request().await;
            conn.head(200, &[("etag", TAG)], SIZE as u64).await;
            conn.write(content().slice(..HALF)).await;
            let mut held = None;
            match way {
                Way::Abort => conn.abort(),
                Way::CloseNotify => conn.close().await,
                Way::Stall => held = Some(conn),
                _ => drop(conn),
            }
            if resumed {
                let mut conn = server.accept_h1().await;
                let (range, bytes) = rest_of(&conn.request().await);
                conn.respond(206, &[("etag", TAG), ("content-range", &range)], bytes).await;
            }
            drop(held);
        }
    }
    drop(rest);
}

/// What is missing, as the request says.
fn rest_of(request: &Received) -> (String, Bytes) {
    let field = |name| request.headers[name].to_str().unwrap();
    assert_eq!((field(IF_RANGE), field(ACCEPT_ENCODING)), (TAG, "identity"));
    let first: usize = field(RANGE).strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
    (format!("bytes {first}-{}/{SIZE}", SIZE - 1), content().slice(first..))
}

async fn play(stack: Stack, protocol: Protocol, server: &ScriptedServer, way: Way) {
    for resumed in [false, true] {
        if !resumed && way == Way::Stall {
            continue;
        }
        let what = format!("{stack:?}, {protocol:?}, {way:?}, resumed: {resumed}");
        let client = fetch(stack, protocol, server, resumed);
        // The server's side may wait for a client that has what it wants.
        let both = async {
            tokio::select! { got = client => got, never = async { serve(server, protocol, way, resumed).await; std::future::pending().await } => never }
        };
        let got = within(&what, both).await;
        match resumed {
            true => assert!(got.unwrap_or_else(|error| panic!("{what}: {error:?}")) == content(), "{what}"),
            false => assert!(got.is_err(), "{what}: half a body was given for a whole one"),
        }
    }
}

/// R1: in the clear, through each stack.
#[tokio::test]
async fn a_body_that_is_cut_is_an_error_or_whole() {
    for stack in [Stack::HyperUtil, Stack::Reqwest, Stack::Middleware] {
        let server = ScriptedServer::bind().await;
        for way in Way::of_http2() {
            play(stack, Protocol::Http2, &server, way).await;
        }
        for way in Way::of_http1() {
            play(stack, Protocol::Http1, &server, way).await;
        }
    }
}

/// R1: over TLS, which has an end of its own, and ends without it.
#[tokio::test]
async fn a_tls_connection_that_is_cut_is_an_error_or_whole() {
    for (protocol, alpn) in [(Protocol::Http2, tls::H2), (Protocol::Http1, tls::HTTP_1_1)] {
        let server = ScriptedServer::bind_tls_with(&Identity::new(), &[alpn]).await;
        for way in [Way::Fin, Way::CloseNotify, Way::Abort, Way::Stall] {
            play(Stack::HyperUtil, protocol, &server, way).await;
        }
    }
}
