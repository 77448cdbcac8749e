//! A proxy that cuts what passes through it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Uri, uri::Authority};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, copy, sink, split},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{faults::Cut, mix::mix, socket::Socket};

/// How much it reads at once.
const READ_SIZE: usize = 16 * 1024;

/// How a connection through a [`CuttingProxy`] ends when its bytes are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// Both ends are closed.
    Cut(Cut),
    /// It stays open, and nothing passes any more in either direction: as where a cable is pulled.
    Stall,
}

/// A TCP proxy on loopback in front of any server, which ends each connection after a number of bytes from the server.
///
/// It knows nothing of what passes: so it goes in front of HTTP/1.1, HTTP/2 and TLS alike. Dropping it cuts every connection
/// and stops listening.
///
/// ```
/// use tower_redial::test_util::cutting::CuttingProxy;
/// use tower_redial::test_util::faulty_server::FaultyServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = FaultyServer::builder().start().await;
/// // The first connection ends after 10,000 to 20,000 bytes of the server's; later ones pass.
/// let proxy = CuttingProxy::builder().after(10_000..=20_000).first(1).start(server.addr()).await;
/// println!("to be asked: {}", proxy.through(&server.uri("/file")));
/// assert_eq!(proxy.counters().cuts, 0);
/// # }
/// ```
#[derive(Debug)]
pub struct CuttingProxy {
    addr: SocketAddr,
    counts: Arc<Counts>,
    /// Owns the listener's task, which owns the connections' tasks.
    listening: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    open: AtomicU64,
    upstream: AtomicU64,
    downstream: AtomicU64,
    cuts: AtomicU64,
    stalls: AtomicU64,
}

/// What a proxy has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// Connections accepted.
    pub connections: u64,
    /// Of these, still open to the client.
    pub open: u64,
    /// Bytes passed on from clients to the server.
    pub upstream: u64,
    /// Bytes passed on from the server to clients. Of what was passed on before an RST, some may be lost.
    pub downstream: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Connections that were stalled.
    pub stalls: u64,
}

/// Tells a [`CuttingProxy`] what to do.
///
/// # Default
///
/// It cuts no connection. Where it is told to, it cuts with FIN, every connection, with the seed 0.
#[derive(Clone, Debug)]
pub struct Builder {
    plan: Plan,
}

#[derive(Clone, Debug)]
struct Plan {
    after: Option<RangeInclusive<u64>>,
    cut_offs: Vec<CutOff>,
    connections: u64,
    seed: u64,
}

impl CuttingProxy {
    /// A proxy that only counts, until the builder is told more.
    pub fn builder() -> Builder {
        Builder { plan: Plan { after: None, cut_offs: vec![CutOff::Cut(Cut::Fin)], connections: u64::MAX, seed: 0 } }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URI of a server, with the proxy's address instead of the server's.
    pub fn through(&self, uri: &Uri) -> Uri {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(self.addr.to_string().parse::<Authority>().expect("an address is an authority"));
        Uri::from_parts(parts).expect("the URI of a server")
    }

    /// What it did so far.
    pub fn counters(&self) -> Passed {
        let get = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let counts = &self.counts;
        Passed {
            connections: get(&counts.connections),
            open: get(&counts.open),
            upstream: get(&counts.upstream),
            downstream: get(&counts.downstream),
            cuts: get(&counts.cuts),
            stalls: get(&counts.stalls),
        }
    }

    /// Cuts every connection, stops listening, and waits until that is done: later connects are refused.
    pub async fn stop(mut self) {
        self.listening.shutdown().await;
    }
}

impl Builder {
    /// Ends each connection when so many bytes have come from the server: a number of its own for each, within these bounds.
    pub fn after(mut self, bytes: RangeInclusive<u64>) -> Self {
        self.plan.after = Some(bytes);
        self
    }

    /// How connections end, which they take in turn as they are accepted.
    pub fn cut_offs(mut self, cut_offs: impl IntoIterator<Item = CutOff>) -> Self {
        self.plan.cut_offs = cut_offs.into_iter().collect();
        self
    }

    /// Ends only the first so many connections.
    pub fn first(mut self, connections: u64) -> Self {
        self.plan.connections = connections;
        self
    }

    /// Determines the numbers of bytes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// Starts it on the current runtime, in front of the server at this address.
    pub async fn start(self, server: SocketAddr) -> CuttingProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let counts = Arc::new(Counts::default());
        let mut listening = JoinSet::new();
        listening.spawn(accept(listener, server, self.plan, counts.clone()));
        CuttingProxy { addr, counts, listening }
    }
}

impl Plan {
    /// What becomes of the `nth` connection (from 0), and after how many bytes.
    fn of(&self, nth: u64) -> Option<(u64, CutOff)> {
        let after = self.after.as_ref().filter(|_| nth < self.connections)?;
        let turn = usize::try_from(nth.checked_rem(self.cut_offs.len() as u64)?).ok()?;
        let spread = after.end().saturating_sub(*after.start()).saturating_add(1);
        Some((after.start() + mix(self.seed.rotate_left(32) ^ nth) % spread, self.cut_offs[turn]))
    }
}

// ===== IO =====

async fn accept(listener: TcpListener, server: SocketAddr, plan: Plan, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // Out of file descriptors, say: until some connection ends there is nothing better to do.
                    tokio::task::yield_now().await;
                    continue;
                };
                let fate = plan.of(counts.connections.fetch_add(1, Ordering::SeqCst));
                let counts = counts.clone();
                connections.spawn(async move {
                    let _open = Open::new(counts.clone());
                    // An error ends both sides, and that is what it has to do.
                    let _ = connection(client, server, fate, &counts).await;
                });
            }
            // A set that is never emptied keeps every task that has ended.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::SeqCst);
        Self(counts)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(
    client: TcpStream,
    server: SocketAddr,
    fate: Option<(u64, CutOff)>,
    counts: &Counts,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(Socket::establish(client, None).await?);
    let (mut from_server, mut to_server) = split(Socket::establish(TcpStream::connect(server).await?, None).await?);
    let allowed = fate.map_or(u64::MAX, |(after, _)| after);
    let used_up = {
        let up = async {
            pass(&mut from_client, &mut to_server, u64::MAX, &counts.upstream).await?;
            // The client has said all. What the server has to say still passes.
            to_server.shutdown().await?;
            std::future::pending().await
        };
        tokio::select! {
            ended = up => return ended,
            used_up = pass(&mut from_server, &mut to_client, allowed, &counts.downstream) => used_up?,
        }
    };
    match fate.filter(|_| used_up) {
        None => to_client.shutdown().await?,
        Some((_, CutOff::Cut(how))) => {
            counts.cuts.fetch_add(1, Ordering::SeqCst);
            match how {
                Cut::Fin => to_client.shutdown().await?,
                Cut::Rst => {
                    from_server.unsplit(to_server).abort();
                    from_client.unsplit(to_client).abort();
                    return Ok(());
                }
            }
        }
        Some((_, CutOff::Stall)) => {
            counts.stalls.fetch_add(1, Ordering::SeqCst);
            // The server's side stays open for as long as the client's does.
            copy(&mut from_client, &mut sink()).await?;
            return Ok(());
        }
    }
    drop(from_server.unsplit(to_server));
    // From here on only read, until the client closes too: closing a socket with unread bytes sends RST, which would take
    // back what was just passed on.
    copy(&mut from_client, &mut sink()).await?;
    Ok(())
}

/// Passes bytes on until there are no more, or so many have passed: `true` for the latter.
async fn pass(
    from: &mut ReadHalf<Socket>,
    to: &mut WriteHalf<Socket>,
    mut allowed: u64,
    count: &AtomicU64,
) -> io::Result<bool> {
    let mut scratch = vec![0; READ_SIZE];
    while allowed > 0 {
        let room = usize::try_from(allowed).map_or(READ_SIZE, |allowed| allowed.min(READ_SIZE));
        let len = from.read(&mut scratch[..room]).await?;
        if len == 0 {
            return Ok(false);
        }
        to.write_all(&scratch[..len]).await?;
        count.fetch_add(len as u64, Ordering::SeqCst);
        allowed -= len as u64;
    }
    Ok(true)
}
