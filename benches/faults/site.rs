//! The server of a row, and what happens to it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http::Uri;

use crate::backend::Backend;
use crate::gate::Gate;
use crate::nginx;
use crate::process::{self, Server};
use crate::rows::{Row, Times, Trouble};
use crate::support::{Cut, Fault, FaultyServer, GoAway, Ledger, Reply};

/// What the handler takes.
const THINKS: Duration = Duration::from_millis(1);

/// A connection that nothing is to happen to.
const ENDLESS: u32 = 1_000_000_000;

/// A server with its book.
pub(crate) struct Site {
    pub(crate) uri: Uri,
    pub(crate) ledger: Ledger,
    kind: Kind,
}

enum Kind {
    Scripted(FaultyServer),
    Nginx { server: Server, _backend: Backend },
    Gated { gate: Gate, server: FaultyServer },
}

impl Site {
    pub(crate) async fn start(row: &Row) -> Self {
        if row.nginx && has_nginx() { nginx_site(row.trouble).await } else { scripted(row.trouble).await }
    }

    /// Does to the server what happens in this row, and does not end.
    pub(crate) async fn happen(&mut self, trouble: Trouble, times: &Times) {
        match (trouble, &mut self.kind) {
            (Trouble::Restarts, kind) => loop {
                tokio::time::sleep(times.reload).await;
                match kind {
                    Kind::Nginx { server, .. } => server.signal("HUP"),
                    Kind::Scripted(server) | Kind::Gated { server, .. } => server.go_away(GoAway::on_accept()),
                }
            },
            (Trouble::Outage, Kind::Gated { gate, .. }) => {
                tokio::time::sleep(times.around).await;
                gate.close().await;
                tokio::time::sleep(times.outage).await;
                gate.open().await;
                std::future::pending::<()>().await;
            }
            _ => std::future::pending().await,
        }
    }
}

/// Whether nginx is here; said once where it is not.
pub(crate) fn has_nginx() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| process::installed("nginx").is_some())
}

async fn nginx_site(trouble: Trouble) -> Site {
    let program = process::find("nginx").expect("it was found");
    let ledger = Ledger::new();
    let backend = Backend::serving(ledger.clone(), |_, _| Reply::ok("").after(THINKS)).await;
    let keepalive_requests = if let Trouble::GoAway(every) = trouble { every } else { ENDLESS };
    let setup = nginx::Setup { backend: backend.addr(), keepalive_requests, workers: 1, tls: false };
    let server = Server::start(|folder, addr| nginx::command(&program, folder, addr, &setup)).await;
    let uri = uri(server.addr());
    Site { uri, ledger, kind: Kind::Nginx { server, _backend: backend } }
}

async fn scripted(trouble: Trouble) -> Site {
    let builder = FaultyServer::builder().delay(THINKS);
    let builder = match trouble {
        Trouble::Nothing | Trouble::Restarts | Trouble::Outage => builder,
        Trouble::GoAway(every) => builder.goaway(GoAway::every(every)),
        Trouble::Refusal => builder.announced_streams(None).stream_limit(10),
        Trouble::Cuts(every) => builder.every(every, Fault::Cut { how: Cut::Rst, processed: true }),
        Trouble::Silence => builder.silent_once(100),
    };
    let server = builder.start().await;
    let ledger = server.ledger();
    if trouble == Trouble::Outage {
        let gate = Gate::to(server.addr()).await;
        let uri = uri(gate.addr());
        return Site { uri, ledger, kind: Kind::Gated { gate, server } };
    }
    Site { uri: uri(server.addr()), ledger, kind: Kind::Scripted(server) }
}

fn uri(addr: SocketAddr) -> Uri {
    format!("http://{addr}/").parse().expect("an address makes a URI")
}
