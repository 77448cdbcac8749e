//! An HTTP/2 peer in memory, for tests whose clock is stopped: real sockets would let time jump while they are waited for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Uri;
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_redial::ConnectionHealth;

use crate::setup::Watched;
use crate::support::message::encode_headers;
use crate::support::wire::{Frame, FrameIo, PREFACE};

/// How peers behave, and what they saw. All connections of one client lead to peers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    began: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Sends SETTINGS.
    greets: bool,
    /// Answers anything at all.
    answers: bool,
    /// How long a response takes.
    thinks: Duration,
    /// Seconds of the PINGs, counted from the beginning.
    pings: Vec<u64>,
    connections: usize,
    /// Refused two pings too many, as grpc-go does.
    thrown_out: usize,
}

impl Peers {
    /// Peers that answer at once.
    pub(crate) fn new() -> Self {
        let state = State {
            greets: true,
            answers: true,
            thinks: Duration::ZERO,
            pings: Vec::new(),
            connections: 0,
            thrown_out: 0,
        };
        Self { began: Instant::now(), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn think(&self, thinks: Duration) {
        self.state.lock().unwrap().thinks = thinks;
    }

    /// Whether they answer from now on, connections that are open included.
    pub(crate) fn answer(&self, answers: bool) {
        self.state.lock().unwrap().answers = answers;
    }

    pub(crate) fn greet(&self, greets: bool) {
        self.state.lock().unwrap().greets = greets;
    }

    pub(crate) fn pings(&self) -> Vec<u64> {
        self.state.lock().unwrap().pings.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub(crate) fn thrown_out(&self) -> usize {
        self.state.lock().unwrap().thrown_out
    }

    /// The time since they were made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A watched client whose connections lead here.
    pub(crate) fn client(&self, health: &ConnectionHealth) -> Watched {
        let peers = self.clone();
        let connector = service_fn(move |_: Uri| {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            peers.state.lock().unwrap().connections += 1;
            tokio::spawn(peers.clone().serve(theirs));
            std::future::ready(Ok::<_, BoxError>(MemoryIo(TokioIo::new(ours))))
        });
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .build(health.connector(connector));
        BoxCloneSyncService::new(ServiceBuilder::new().layer(health.layer()).service(client))
    }

    async fn serve(self, io: DuplexStream) {
        // An error means that the client is gone.
        let _ = self.try_serve(FrameIo::new(io)).await;
    }

    async fn try_serve(self, mut io: FrameIo<DuplexStream>) -> io::Result<()> {
        io.read_exact(PREFACE.len()).await?;
        if self.state.lock().unwrap().greets {
            io.write(&Frame::Settings { ack: false, values: Vec::new() }.to_bytes()).await?;
        }
        let (done, mut responses) = mpsc::unbounded_channel();
        let mut enforcement = Enforcement::default();
        loop {
            let reply = tokio::select! {
                frame = io.read() => match frame? {
                    Some(frame) => self.react(&frame, &done, &mut enforcement),
                    None => return Ok(()),
                },
                Some(stream) = responses.recv() => {
                    enforcement.sent_data();
                    let mut head = BytesMut::new();
                    encode_headers(stream, Some(200), [], true, &mut head);
                    Some(head.freeze())
                }
            };
            let answers = self.state.lock().unwrap().answers;
            if let Some(reply) = reply.filter(|_| answers) {
                io.write(&reply).await?;
            }
        }
    }

    fn react(&self, frame: &Frame, done: &mpsc::UnboundedSender<u32>, enforcement: &mut Enforcement) -> Option<Bytes> {
        match *frame {
            Frame::Headers { stream, .. } => {
                let (thinks, done) = (self.state.lock().unwrap().thinks, done.clone());
                tokio::spawn(async move {
                    sleep(thinks).await;
                    // An error means that the connection has ended.
                    let _ = done.send(stream);
                });
                None
            }
            Frame::Ping { ack: false, payload } => {
                let now = self.began.elapsed();
                let mut state = self.state.lock().unwrap();
                state.pings.push(now.as_secs());
                if enforcement.is_too_many(now) {
                    state.thrown_out += 1;
                    let debug = Bytes::from_static(b"too_many_pings");
                    return Some(Frame::GoAway { last_stream: 0, reason: 11, debug }.to_bytes());
                }
                Some(Frame::Ping { ack: true, payload }.to_bytes())
            }
            Frame::Settings { ack: false, .. } if self.state.lock().unwrap().greets => {
                Some(Frame::Settings { ack: true, values: Vec::new() }.to_bytes())
            }
            _ => None,
        }
    }
}

/// gRPC's default enforcement, from its published rule (grpc-go, `internal/transport/http2_server.go`, `handlePing`): a ping
/// less than five minutes after the one before it, without a frame of data or headers sent in between, is a strike; the third
/// ends the connection.
#[derive(Debug, Default)]
struct Enforcement {
    last: Option<Duration>,
    strikes: u32,
    reset: bool,
}

impl Enforcement {
    fn sent_data(&mut self) {
        self.reset = true;
    }

    fn is_too_many(&mut self, now: Duration) -> bool {
        if std::mem::take(&mut self.reset) {
            self.strikes = 0;
        } else if self.last.is_some_and(|last| now < last + Duration::from_secs(300)) {
            self.strikes += 1;
        }
        self.last = Some(now);
        self.strikes > 2
    }
}

/// One end of a pipe, as hyper-util's client takes it.
#[derive(Debug)]
pub(crate) struct MemoryIo<T>(pub(crate) TokioIo<T>);

impl<T> Connection for MemoryIo<T> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T: tokio::io::AsyncRead + Unpin> Read for MemoryIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> Write for MemoryIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Write::poll_write(Pin::new(&mut self.0), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(Pin::new(&mut self.0), cx)
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&self.0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write_vectored(Pin::new(&mut self.0), cx, bufs)
    }
}
