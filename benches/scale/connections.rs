//! What an idle connection takes when it is watched.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use stats_alloc::Region;
use tower_redial::ConnectionHealth;
use tower_redial::test_util::FaultyServer;

use crate::pipe::Pipe;
use crate::shared::report::Target;
use crate::stacks::Stack;
use crate::{ALLOCATOR, Part, kept};

/// How many connections share an origin.
const OF_AN_ORIGIN: usize = 10;

pub(crate) fn measure(connections: usize) -> Part {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let [bare, watched] = Stack::ALL.map(|stack| {
        // What is made once is made.
        runtime.block_on(bytes_of(stack, 10));
        runtime.block_on(bytes_of(stack, connections))
    });
    let extra = watched - bare;
    Part {
        lines: vec![format!(
            "{connections}: {bare:.0} bytes each with their servers, {watched:.0} when watched: {extra:.0} more"
        )],
        figures: json!({ "connections": connections, "bytes_bare": bare, "bytes_watched": watched, "bytes_extra": extra }),
        targets: vec![Target::at_most("bytes that watching an idle connection takes", extra, 1024.0)],
    }
}

/// Bytes for each of so many connections, with both of its ends.
async fn bytes_of(stack: Stack, connections: usize) -> f64 {
    let server = FaultyServer::builder().spare_bodies().service();
    let health = ConnectionHealth::default();
    let mut senders = Vec::with_capacity(connections);
    let region = Region::new(ALLOCATOR);
    for n in 0..connections {
        let uri: Uri = format!("http://origin-{}.example/", n / OF_AN_ORIGIN).parse().expect("a URI");
        let pipe = Pipe::to(&server);
        senders.push(match stack {
            Stack::Bare => used_once(pipe, &uri).await,
            Stack::Layers => used_once(health.monitor(pipe, &uri), &uri).await,
        });
    }
    // Whatever waits for an idle connection, of the handshake or of a request, comes to its end.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    kept(&region) / connections as f64
}

/// A connection that is idle again.
async fn used_once<T>(io: T, uri: &Uri) -> SendRequest<Empty<Bytes>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.expect("the server shakes hands");
    tokio::spawn(connection);
    let request = Request::get(uri.clone()).body(Empty::new()).expect("a uri");
    let response = sender.send_request(request).await.expect("the server answers");
    response.into_body().collect().await.expect("to the end");
    sender
}
