//! What HTTP/1.1 has to say.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body::Frame;
use http_body_util::{Empty, Full, StreamBody};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_redial::fate::BodyUse;

use crate::seen::Seen;
use crate::support::clients::post;
use crate::support::{H1Conn, ScriptedServer};
use crate::via::{Failed, Via};

/// The numbers that Linux has for them.
const EPIPE: i32 = 32;
const ETIMEDOUT: i32 = 110;
const EHOSTUNREACH: i32 = 113;

pub(crate) async fn all() -> Vec<Seen> {
    let mut seen = vec![
        met(async |conn| conn.close().await).await,
        met(async |conn| conn.abort()).await,
        answered("SSH-2.0-OpenSSH_9.2\r\n\r\n").await,
        answered("HTTP/1.1 200 OK\r\nbad header\r\n\r\n").await,
        body_fails().await,
        task_gone().await,
        over(|mock| mock.write_error(io::Error::from_raw_os_error(EPIPE))).await,
        over(|mock| mock.write(REQUEST).read_error(io::Error::from_raw_os_error(ETIMEDOUT))).await,
        over(|mock| mock.write(REQUEST).read_error(io::Error::from_raw_os_error(EHOSTUNREACH))).await,
    ];
    seen.extend(closed().await);
    seen
}

async fn met(step: impl AsyncFnOnce(H1Conn)) -> Seen {
    let server = ScriptedServer::bind().await;
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        step(conn).await;
    };
    tokio::join!(Via::Legacy1.fail(post(server.uri("/"), "1", "a body")), script).0.into()
}

async fn answered(bytes: &str) -> Seen {
    met(async |mut conn| {
        conn.write(bytes).await;
        conn.until_closed().await;
    })
    .await
}

async fn body_fails() -> Seen {
    let server = ScriptedServer::bind().await;
    // hyper asks for the body before it writes the head.
    let script = async { server.accept_h1().await.until_closed().await };
    let frames = [Ok(Frame::data(Bytes::from("half"))), Err(io::Error::other("the disk is gone"))];
    let body = StreamBody::new(futures_util::stream::iter(frames).boxed());
    let request = Request::post(server.uri("/")).body(body).unwrap();
    tokio::join!(Via::Legacy1.fail(request), script).0.into()
}

fn request() -> Request<Full<Bytes>> {
    Request::get("/").header("host", "host").body(Full::default()).unwrap()
}

/// What `request` is on the wire.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: host\r\n\r\n";

/// The task that drives the connection goes while a request is under way.
async fn task_gone() -> Seen {
    let server = ScriptedServer::bind().await;
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.unwrap();
    let mut response = pin!(sender.send_request(request()));
    let mut connection = Box::pin(connection);
    let script = async {
        let mut conn = server.accept_h1().await;
        conn.request().await;
        conn
    };
    let _conn = tokio::select! {
        response = &mut response => panic!("{response:?}"),
        ended = &mut connection => panic!("{ended:?}"),
        conn = script => conn,
    };
    drop(connection);
    Failed::new(response.await.unwrap_err(), BodyUse::Untouched).into()
}

/// A connection that the server has closed, before a request is given to it.
async fn closed() -> [Seen; 2] {
    let server = ScriptedServer::bind().await;
    let tcp = TcpStream::connect(server.addr()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.unwrap();
    let conn = server.accept_h1().await;
    let _ = tokio::join!(connection, conn.close());
    let not_ready = sender.send_request(request()).await.unwrap_err();
    [Seen::of(not_ready), Seen::of(sender.ready().await.unwrap_err())]
}

/// Over a transport that fails as the kernel has it.
async fn over(transport: impl FnOnce(&mut tokio_test::io::Builder) -> &mut tokio_test::io::Builder) -> Seen {
    let mock = transport(&mut tokio_test::io::Builder::new()).build();
    let (mut sender, connection) = http1::handshake(TokioIo::new(mock)).await.unwrap();
    tokio::spawn(connection);
    let empty = request().map(|_| Empty::<Bytes>::new());
    Failed::new(sender.send_request(empty).await.unwrap_err(), BodyUse::Untouched).into()
}
