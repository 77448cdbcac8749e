//! The server: hyper's, in a process and a thread of its own.

use std::convert::Infallible;
use std::io::Write;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::client::support::tls;
use super::load;

/// Serves until it is killed. The first line that it prints is its address and its certificate, in hex.
pub(crate) fn serve(with_tls: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let identity = tls::Identity::new();
        let address = listener.local_addr().expect("it listens");
        println!("{address} {}", hex::encode(identity.certificate()));
        std::io::stdout().flush().expect("somebody reads");
        let acceptor: Option<TlsAcceptor> = with_tls.then(|| tls::acceptor(&identity, &[tls::H2]));
        let large = Bytes::from(vec![7; load::SIZE]);
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).expect("a TCP socket");
            let (acceptor, large) = (acceptor.clone(), large.clone());
            tokio::spawn(async move {
                match acceptor {
                    Some(acceptor) => match acceptor.accept(socket).await {
                        Ok(stream) => connection(TokioIo::new(stream), large).await,
                        Err(error) => eprintln!("{error}"),
                    },
                    None => connection(TokioIo::new(socket), large).await,
                }
            });
        }
    });
}

async fn connection<T>(io: T, large: Bytes)
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let answer = move |request: Request<Incoming>| {
        let body = if request.uri().path() == load::LARGE { large.clone() } else { Bytes::new() };
        async move {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(1_000).initial_stream_window_size(1 << 20).initial_connection_window_size(16 << 20);
    // A client that leaves is the end of its connection, however it does.
    let _ = builder.serve_connection(io, service_fn(answer)).await;
}
