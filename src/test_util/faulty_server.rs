//! A server that runs by itself and fails by a plan.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{
    faults::{Cut, Fault, GoAway, Plan, ProcessAt},
    faulty_io::accept,
    faulty_service::FaultyService,
    identity::{H2, HTTP_1_1, Identity},
    ledger::Ledger,
    message::{Received, Reply},
};

/// An HTTP/2 server for many clients at once. See [`Builder`] for what it can be told to do wrong.
///
/// Dropping it cuts every connection and stops listening.
///
/// ```
/// use tower_redial::test_util::{Fault, FaultyServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = FaultyServer::builder().every(10, Fault::Refuse).start().await;
/// let uri = server.uri("/orders");
/// // ... a client sends it requests ...
/// # drop(uri);
/// assert!(server.violations().is_empty());
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyServer {
    shared: Arc<Shared>,
    addrs: Vec<SocketAddr>,
    identity: Option<Identity>,
    commands: watch::Sender<Option<Command>>,
    /// Owns the listeners' tasks, which own their connections' tasks.
    listening: JoinSet<()>,
}

/// What all connections of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) ledger: Ledger,
    pub(crate) counts: Counts,
    /// How many requests have been looked at for a fault.
    pub(crate) requests: AtomicU64,
    /// How many connections have had a request.
    pub(crate) used_connections: AtomicU64,
    /// Whether the one connection that falls silent has been found.
    pub(crate) silent_once: AtomicBool,
    pub(crate) violations: Mutex<Vec<String>>,
}

impl Shared {
    fn new(plan: Plan, ledger: Ledger) -> Self {
        Self {
            plan,
            ledger,
            counts: Counts::default(),
            requests: AtomicU64::new(0),
            used_connections: AtomicU64::new(0),
            silent_once: AtomicBool::new(false),
            violations: Mutex::default(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        Counters {
            connections: get(&counts.connections),
            open_connections: get(&counts.open_connections),
            idle_connections: get(&counts.idle_connections),
            streams: get(&counts.streams),
            max_open: get(&counts.max_open),
            answered: get(&counts.answered),
            refused: get(&counts.refused),
            over_limit: get(&counts.over_limit),
            ignored: get(&counts.ignored),
            resets: get(&counts.resets),
            goaways: get(&counts.goaways),
            cuts: get(&counts.cuts),
            silenced: get(&counts.silenced),
            stalled: get(&counts.stalled),
            client_resets: get(&counts.client_resets),
            client_goaways: get(&counts.client_goaways),
            client_pings: get(&counts.client_pings),
            http1_connections: get(&counts.http1_connections),
            http1_requests: get(&counts.http1_requests),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    pub(crate) idle_connections: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) max_open: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) over_limit: AtomicU64,
    pub(crate) ignored: AtomicU64,
    pub(crate) resets: AtomicU64,
    pub(crate) goaways: AtomicU64,
    pub(crate) cuts: AtomicU64,
    pub(crate) silenced: AtomicU64,
    pub(crate) stalled: AtomicU64,
    pub(crate) client_resets: AtomicU64,
    pub(crate) client_goaways: AtomicU64,
    pub(crate) client_pings: AtomicU64,
    pub(crate) http1_connections: AtomicU64,
    pub(crate) http1_requests: AtomicU64,
}

/// What a server has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Of these, still open.
    pub open_connections: u64,
    /// Of these, idle: they have served requests, have none open, and would serve more.
    pub idle_connections: u64,
    /// Requests whose head arrived, whatever became of them.
    pub streams: u64,
    /// The most streams open at once on one connection.
    pub max_open: u64,
    /// Requests answered, to the end of the response; the client may have been gone.
    pub answered: u64,
    /// RST_STREAM(REFUSED_STREAM) sent.
    pub refused: u64,
    /// Of these, because too many streams were open.
    pub over_limit: u64,
    /// Requests above a last-stream-id, or on a connection that was ending or silent: never processed.
    pub ignored: u64,
    /// Other RST_STREAM sent.
    pub resets: u64,
    /// GOAWAY frames sent: two for a graceful shutdown.
    pub goaways: u64,
    /// Connections cut by a fault.
    pub cuts: u64,
    /// Connections that fell silent.
    pub silenced: u64,
    /// Bodies that stalled.
    pub stalled: u64,
    /// RST_STREAM that ended an open request, from clients.
    pub client_resets: u64,
    /// GOAWAY from clients.
    pub client_goaways: u64,
    /// PING from clients.
    pub client_pings: u64,
    /// Of the connections, those of HTTP/1.1.
    pub http1_connections: u64,
    /// Requests over HTTP/1.1, which are no streams.
    pub http1_requests: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Command {
    GoAway(GoAway),
    Cut(Cut),
}

/// Tells a [`FaultyServer`] what to do. Everything can be combined.
///
/// # Default
///
/// No fault; 127.0.0.1 in the clear; 250 streams a connection; windows of 1 MiB a stream and 8 MiB a connection; a
/// request is processed when it is complete, and answered at once with 200 and its id.
#[derive(Debug)]
pub struct Builder {
    plan: Plan,
    ledger: Ledger,
    addresses: u8,
    identity: Option<Identity>,
    http1: bool,
}

impl FaultyServer {
    /// A server without faults, until the builder is told some.
    pub fn builder() -> Builder {
        Builder { plan: Plan::default(), ledger: Ledger::new(), addresses: 1, identity: None, http1: false }
    }

    /// Its first address.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// All its addresses.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The URI of a path at its first address.
    pub fn uri(&self, path: &str) -> Uri {
        self.uri_at(0, path)
    }

    /// The URI of a path at one of its addresses; `index` may be any number, as they are taken in turn.
    pub fn uri_at(&self, index: usize, path: &str) -> Uri {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        let addr = self.addrs[index % self.addrs.len()];
        format!("{scheme}://{addr}{path}").parse().expect("a path that begins with a slash")
    }

    /// What it processed.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.clone()
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }
    /// What clients did against the protocol. Such a connection got a GOAWAY with the error and was closed.
    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.lock().unwrap().clone()
    }

    /// The certificate to trust.
    ///
    /// # Panics
    ///
    /// When there is no TLS.
    pub fn identity(&self) -> &Identity {
        self.identity.as_ref().expect("a server with TLS")
    }

    /// Winds up every connection that is open now; of `goaway` the style, code and debug data count.
    pub fn go_away(&self, goaway: GoAway) {
        self.commands.send_replace(Some(Command::GoAway(goaway)));
    }

    /// Cuts every connection that is open now.
    pub fn cut(&self, how: Cut) {
        self.commands.send_replace(Some(Command::Cut(how)));
    }

    /// Cuts every connection, stops listening, and waits until that is done: later connects are refused.
    pub async fn stop(mut self) {
        self.listening.shutdown().await;
    }
}

impl Builder {
    /// Winds connections up with GOAWAY.
    pub fn goaway(self, goaway: GoAway) -> Self {
        self.goaway_in_turn([goaway])
    }

    /// Winds connections up with one of these, which they take in turn as their first requests arrive. An
    /// [`on_accept`](GoAway::on_accept) cannot be among others.
    pub fn goaway_in_turn(mut self, goaways: impl IntoIterator<Item = GoAway>) -> Self {
        self.plan.goaways = goaways.into_iter().collect();
        self
    }

    /// Does this to every `nth` request of the whole server. May be called more than once; the first that is due
    /// wins.
    pub fn every(mut self, nth: u64, fault: Fault) -> Self {
        self.plan.every.push((nth, fault));
        self
    }

    /// Chooses a fault by the request and its number, from 1; asked before [`every`](Self::every).
    pub fn choose(mut self, chooser: impl Fn(&Received, u64) -> Option<Fault> + Send + Sync + 'static) -> Self {
        self.plan.chooser = Some(Arc::new(chooser));
        self
    }

    /// Lets each connection fall silent when its stream of this number is processed; that one gets no answer either.
    pub fn silent_after(mut self, streams: u32) -> Self {
        self.plan.silent_after = Some(streams);
        self
    }

    /// Lets one connection fall silent, once: that of the `nth` request of the whole server, or where that is being wound
    /// up, of the next whose is not. The request is processed and, as all that are open with it, not answered.
    pub fn silent_once(mut self, nth: u64) -> Self {
        self.plan.silent_once = Some(nth);
        self
    }

    /// Lets a connection fall silent when nothing has been open on it, and nothing has come, for so long: as behind a NAT or
    /// a firewall that forgets what is idle and tells nobody. It begins to count when the first request has ended.
    pub fn forget_idle(mut self, after: Duration) -> Self {
        self.plan.forget_idle = Some(after);
        self
    }

    /// Lets a [`Fault::Cut`] or a [`Fault::Silence`] wait until no response is under way on its connection; no other begins
    /// until then. So it takes down only requests that have no response yet. For [`Cut::Fin`]: RST takes back what was sent
    /// but not read.
    pub fn spare_bodies(mut self) -> Self {
        self.plan.spare_bodies = true;
        self
    }

    /// What MAX_CONCURRENT_STREAMS says; `None` leaves it out.
    pub fn announced_streams(mut self, limit: impl Into<Option<u32>>) -> Self {
        self.plan.announced_streams = limit.into();
        self
    }

    /// How many streams a connection may really have open, if not as many as announced.
    pub fn stream_limit(mut self, limit: u32) -> Self {
        self.plan.stream_limit = Some(limit);
        self
    }

    /// When a request is processed.
    pub fn process_at(mut self, process_at: ProcessAt) -> Self {
        self.plan.process_at = process_at;
        self
    }

    /// How long every reply is held back. It passes on tokio's clock.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.plan.delay = delay;
        self
    }

    /// The windows for request bodies, in bytes.
    pub fn windows(mut self, stream: u32, connection: u32) -> Self {
        self.plan.stream_window = stream;
        self.plan.connection_window = connection;
        self
    }

    /// What to reply. It gets the whole body, and runs on the connection's task: it must not block.
    pub fn handler(mut self, handler: impl Fn(&Received, Bytes) -> Reply + Send + Sync + 'static) -> Self {
        self.plan.handler = Arc::new(handler);
        self
    }

    /// Shares a ledger with other servers.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Listens on so many addresses, 127.0.0.1 to 127.0.0.8, each at a port of its own: a pair of addresses has only
    /// some 28,000 ports for connections.
    pub fn addresses(mut self, addresses: u8) -> Self {
        self.addresses = addresses.clamp(1, 8);
        self
    }

    /// TLS with this certificate, and ALPN h2.
    pub fn tls(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Speaks HTTP/1.1 too, on the same port and without any fault: with TLS where ALPN does not choose HTTP/2, in
    /// the clear where no preface comes.
    pub fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    /// Leaves it without a listener: it is given its connections, and speaks HTTP/2 in the clear.
    pub fn service(self) -> FaultyService {
        FaultyService::new(Arc::new(Shared::new(self.plan, self.ledger)))
    }

    /// Starts it on the current runtime.
    pub async fn start(self) -> FaultyServer {
        let shared = Arc::new(Shared::new(self.plan, self.ledger));
        let alpn: &[&[u8]] = if self.http1 { &[H2, HTTP_1_1] } else { &[H2] };
        let acceptor = self.identity.as_ref().map(|identity| identity.acceptor(alpn));
        let (commands, receiver) = watch::channel(None);
        let mut listening = JoinSet::new();
        let mut addrs = Vec::new();
        for last in 1..=self.addresses {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).await.expect("a free port");
            addrs.push(listener.local_addr().expect("a bound listener has an address"));
            listening.spawn(accept(listener, shared.clone(), acceptor.clone(), self.http1, receiver.clone()));
        }
        FaultyServer { shared, addrs, identity: self.identity, commands, listening }
    }
}
