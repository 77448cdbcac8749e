//! A server that people run, as a process.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tower::BoxError;

use super::{Recipe, Reload, Setup, Site};
use crate::backend::Backend;
use crate::paused::Paused;
use crate::process::Server;
use crate::support::Ledger;
use crate::support::tls::Identity;

/// Where these servers listen. Clients' own ends are at 127.0.0.1, so that none takes the port of a server that is away.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A process with its backend.
#[derive(Debug)]
pub(crate) struct Real {
    recipe: &'static Recipe,
    program: PathBuf,
    server: Server,
    _backend: Backend,
}

impl Real {
    pub(super) async fn start(recipe: &'static Recipe, program: &Path, tls: bool) -> Result<(Site, Self), BoxError> {
        let (ledger, identity) = (Ledger::new(), Identity::new());
        let backend = super::backend(&ledger).await;
        let server = Server::start_at(ADDRESS, |folder, addr| {
            super::write_identity(&identity, folder)?;
            (recipe.command)(&Setup { program, folder, addr, backend: backend.addr(), tls })
        })
        .await;
        let (scheme, suffix) = if tls { ("https", "+tls") } else { ("http", "") };
        let site = Site {
            name: format!("{}{suffix}", recipe.name),
            version: version(program, recipe.version)?,
            base: format!("{scheme}://{}", server.addr()),
            tls,
            identity,
            ledger,
        };
        Ok((site, Self { recipe, program: program.to_owned(), server, _backend: backend }))
    }

    /// New processes or threads take over; the old ones finish what they have begun.
    pub(crate) async fn reload(&self) {
        match self.recipe.reload {
            Reload::Signal(signal) => self.server.signal(signal),
            Reload::Command(command) => {
                let mut command = tokio::process::Command::from(command(&self.program, &self.server.folder()));
                // A server that has just been reloaded may have no time for it; then this was none.
                let _ = command.kill_on_drop(true).output().await;
            }
        }
    }

    /// It ends gracefully, and nobody listens on its port.
    pub(crate) async fn end(&mut self) {
        self.server.end_by(self.recipe.end).await;
    }

    /// It is killed, and nobody listens on its port.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// It is started again.
    pub(crate) async fn start_again(&mut self) {
        self.server.start_again().await;
    }

    /// Its processes stop where they are, until what comes back is dropped. The kernel still accepts connections, and nothing is
    /// answered.
    pub(crate) fn pause(&self) -> Paused {
        Paused::family(self.server.pid())
    }
}

/// The first line of what the program says of itself.
fn version(program: &Path, option: &str) -> Result<String, BoxError> {
    let said = Command::new(program).arg(option).output()?;
    let said = [said.stdout, said.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned())
}
