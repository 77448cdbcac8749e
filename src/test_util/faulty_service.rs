//! A [`FaultyServer`](super::FaultyServer) that is given its connections: for transports that are no sockets.

use std::{future::Future, sync::Arc};

use super::{
    commands::Commands,
    faults::{Cut, GoAway},
    faulty_conn::Conn,
    faulty_io::serve,
    faulty_server::{Command, Counters, Shared},
    socket::Transport,
};

/// A clone is a handle to the same server. See [`Builder::service`](super::faulty_server::Builder::service).
#[derive(Clone, Debug)]
pub struct FaultyService {
    shared: Arc<Shared>,
    commands: Commands<Command>,
}

impl FaultyService {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, commands: Commands::default() }
    }

    /// Serves a connection until it ends.
    pub fn serve<T: Transport>(&self, transport: T) -> impl Future<Output = ()> + use<T> {
        let (shared, commands) = (Arc::clone(&self.shared), self.commands.subscribe());
        async move {
            // A connection that is lost is no error of a server's.
            let _ = serve(transport, Conn::new(shared), commands).await;
        }
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// What clients did against the protocol. Such a connection got a GOAWAY with the error and was closed.
    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.lock().unwrap().clone()
    }

    /// Winds up every connection that is open now; of `goaway` the style, code and debug data count.
    pub fn go_away(&self, goaway: GoAway) {
        self.commands.tell(Command::GoAway(goaway));
    }

    /// Cuts every connection that is open now.
    pub fn cut(&self, how: Cut) {
        self.commands.tell(Command::Cut(how));
    }
}
