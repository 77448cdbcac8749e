//! hyper's own servers, of both versions.

use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::asked;
use crate::content::{Content, Shape};
use crate::dice::Dice;
use crate::oracle::{Oracle, now};
use crate::schedule::HyperPlan;
use crate::support::commands::Commands;
use crate::support::{REQUEST_ID, Received};
use crate::transport::Tcp;

/// How long a connection that is wound up may take, and then it is closed.
const LINGER: Duration = Duration::from_millis(800);

/// Runs what hyper wants to run: see [`Server::run`](crate::server::Server::run).
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// One server, over all the times that it was started.
#[derive(Clone, Debug)]
pub(crate) struct HyperServer {
    pub(crate) plan: HyperPlan,
    seed: u64,
    faults_end: Duration,
    requests: Arc<AtomicU64>,
    oracle: Oracle,
    /// What its connections are told to do.
    pub(crate) commands: Commands<Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    WindUp,
    Close,
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The service fails: a reset, or a close on HTTP/1.1.
    Fail { processed: bool },
    /// The response's body fails.
    BreakBody { after: usize },
    /// The answer comes late.
    Slow(Duration),
}

impl HyperServer {
    pub(crate) fn new(plan: HyperPlan, seed: u64, faults_end: Duration, oracle: &Oracle) -> Self {
        let (requests, commands) = (Arc::default(), Commands::default());
        Self { plan, seed, faults_end, requests, oracle: oracle.clone(), commands }
    }

    /// Serves a connection of HTTP/2 until it ends.
    pub(crate) async fn serve2(self, tcp: Tcp) {
        let mut commands = self.commands.subscribe();
        let (wind_up, served) = (self.plan.graceful_after, Arc::new(AtomicU64::new(0)));
        let (counting, server) = (Arc::clone(&served), self.clone());
        let service = service_fn(move |request| {
            counting.fetch_add(1, Ordering::Relaxed);
            server.clone().answer(request)
        });
        let mut builder = hyper::server::conn::http2::Builder::new(Local);
        builder.timer(TokioTimer::new()).max_concurrent_streams(self.plan.max_streams);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(tcp), service));
        // Until it ends, or is to be wound up.
        let ended = loop {
            let due =
                |served: &AtomicU64| wind_up.is_some_and(|after| served.load(Ordering::Relaxed) >= u64::from(after));
            let turn = poll_fn(|cx| {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(true);
                }
                if due(&served) { Poll::Ready(false) } else { Poll::Pending }
            });
            tokio::select! {
                biased;
                changed = commands.changed() => match *commands.borrow_and_update() {
                    _ if changed.is_err() => break true,
                    None => {}
                    Some(Command::WindUp) => break false,
                    Some(Command::Close) => break true,
                },
                ended = turn => break ended,
            }
        };
        if !ended {
            self.oracle.count("fault: graceful shutdown", 1);
            connection.as_mut().graceful_shutdown();
            let _ = timeout(LINGER, connection).await;
        }
    }

    /// Serves a connection of HTTP/1.1 until it ends.
    pub(crate) async fn serve1(self, tcp: Tcp) {
        let mut commands = self.commands.subscribe();
        let service = service_fn(move |request| self.clone().answer(request));
        let mut connection =
            pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
        loop {
            tokio::select! {
                biased;
                changed = commands.changed() => match *commands.borrow_and_update() {
                    _ if changed.is_err() => return,
                    None => {}
                    Some(Command::WindUp) => connection.as_mut().graceful_shutdown(),
                    Some(Command::Close) => return,
                },
                _ = connection.as_mut() => return,
            }
        }
    }

    fn fault(&self) -> Option<Fault> {
        let nth = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice::new(self.seed, nth);
        if now() >= self.faults_end || !dice.percent(self.plan.fault_percent) {
            return None;
        }
        Some(match dice.between(0, 2) {
            0 => Fault::Fail { processed: dice.percent(50) },
            1 => Fault::BreakBody { after: dice.size(0, 100_000) },
            _ => Fault::Slow(dice.millis(50, 600)),
        })
    }

    /// A file takes its time, so that it may be cut in the middle.
    const fn shape(&self, len: usize) -> Shape {
        if len < 1_024 { Shape::small(len) } else { Shape { parts: 6, pause: self.plan.pause, ..Shape::small(len) } }
    }

    fn answer(self, request: Request<Incoming>) -> BoxFuture<'static, Result<Response<Content>, io::Error>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let id = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
            self.oracle.ledger.arrived(&id);
            let fault = self.fault();
            if let Some(fault) = fault {
                self.oracle.note(format_args!("{id}: meets {fault:?}"));
                self.oracle.count(fault.label(), 1);
            }
            if let Some(Fault::Fail { processed }) = fault {
                if processed {
                    self.oracle.ledger.processed(&id);
                }
                return Err(io::Error::other("the service failed, as planned"));
            }
            // From here on it acts.
            self.oracle.ledger.processed(&id);
            if self.plan.early && !head.method.is_safe() {
                self.oracle.count("fault: early response", 1);
            } else {
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                self.oracle.body(&id, asked::is_right(&head.headers, &body));
            }
            let wait = if let Some(Fault::Slow(wait)) = fault { wait } else { self.plan.delay };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let received = Received {
                stream_id: 0,
                method: head.method,
                path: head.uri.path().to_owned(),
                authority: String::new(),
                headers: head.headers,
                id,
                end_stream: true,
            };
            let reply = asked::reply(&received);
            let mut response = Response::builder().status(reply.status);
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            let body = match fault {
                Some(Fault::BreakBody { after }) => Content::broken_after(&reply.body, after),
                _ => Content::new(&reply.body, self.shape(reply.body.len())),
            };
            response.body(body).map_err(io::Error::other)
        })
    }
}

impl Fault {
    const fn label(&self) -> &'static str {
        match self {
            Self::Fail { .. } => "fault: service failed",
            Self::BreakBody { .. } => "fault: body broken",
            Self::Slow(_) => "fault: slow",
        }
    }
}
