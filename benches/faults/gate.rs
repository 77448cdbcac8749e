//! A port that can be closed for a while, with a server behind it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// No client has this for its own end, so that nobody's connection takes the port while the gate is closed.
const IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Passes connections on while it is open.
#[derive(Debug)]
pub(crate) struct Gate {
    addr: SocketAddr,
    server: SocketAddr,
    /// Owns the listener, and the connections.
    passing: JoinSet<()>,
}

impl Gate {
    /// One that is open.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((IP, 0)).await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let mut gate = Self { addr, server, passing: JoinSet::new() };
        gate.passing.spawn(pass(listener, server));
        gate
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts all connections and listens no more: connects are refused.
    pub(crate) async fn close(&mut self) {
        self.passing.shutdown().await;
    }

    /// Listens again, where it did.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.addr).await.expect("nobody has taken the port");
        self.passing.spawn(pass(listener, self.server));
    }
}

async fn pass(listener: TcpListener, server: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        connections.spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // Either end may leave as it likes.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
