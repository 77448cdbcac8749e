//! A download takes no more memory the longer it is. Alone in its process, since memory is all of it.

use std::fs;
use std::io;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::resume::{Progress, ResumeLayer};

const SIZE: u64 = 1 << 30;

/// How much a connection gives before it is cut.
const CUT: u64 = 20 << 20;

/// 1 GiB of zeros over HTTP/1.1, cut every 20 MiB.
async fn serve(listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        // The client may leave, and a cut is what this is about.
        let _ = answer(socket).await;
    }
}

async fn answer(mut socket: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    let first: u64 = range.unwrap_or(0);
    let status = match range {
        Some(first) => format!("206 Partial Content\r\ncontent-range: bytes {first}-{}/{SIZE}", SIZE - 1),
        None => "200 OK".to_owned(),
    };
    let fields = format!("HTTP/1.1 {status}\r\netag: \"zeros\"\r\ncontent-length: {}\r\n\r\n", SIZE - first);
    socket.write_all(fields.as_bytes()).await?;
    let block = vec![0; 64 << 10];
    for _ in 0..(SIZE - first).min(CUT) / block.len() as u64 {
        socket.write_all(&block).await?;
    }
    socket.shutdown().await
}

/// The process's memory, in KiB; `None` where there is no `/proc`.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_a_gibibyte_takes_no_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("http://{}/zeros", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(serve(listener));
    let client = ServiceBuilder::new()
        .layer(ResumeLayer::new())
        .layer(RetryOnCanceledLayer::new())
        .service(Client::builder(TokioExecutor::new()).build_http());
    let response = client.oneshot(Request::get(uri).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let progress = response.extensions().get::<Progress>().unwrap().clone();
    let mut body = response.into_body();
    let (mut early, mut peak) = (None, 0);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.iter().step_by(997).all(|byte| *byte == 0));
        drop(data);
        // After some cuts all that one of them takes is there.
        if progress.received() > SIZE / 10 {
            let now = resident().unwrap_or_default();
            early = early.or(Some(now));
            peak = peak.max(now);
        }
    }
    assert_eq!(progress.received(), SIZE);
    assert!(progress.resumes() >= 50, "{progress:?}");
    let early = early.unwrap();
    println!("{early} KiB after a tenth, at most {peak} KiB");
    assert!(peak < early + 8 * 1024, "{early} KiB after a tenth, and then {peak} KiB");
    server.abort();
}
