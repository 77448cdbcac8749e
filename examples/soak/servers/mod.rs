//! The servers: those that people run, each as a reverse proxy in front of a [`Backend`] of ours, in the clear and over TLS; and the
//! scripted one.

mod apache;
mod caddy;
mod h2o;
mod haproxy;
mod real;
mod scripted;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use bytes::Bytes;
use tower::BoxError;

pub(crate) use self::real::Real;
pub(crate) use self::scripted::Scripted;
use crate::backend::Backend;
use crate::process;
use crate::support::files::File;
use crate::support::tls::Identity;
use crate::support::{Ledger, Received, Reply};

/// The name of the scripted server.
const SCRIPTED: &str = "scripted";

/// After how many requests a server ends a connection, where it can be told: often, and not so often that there is nothing else.
const REQUESTS_EACH: u32 = 400;

/// How many streams a server allows at a time on a connection, where it can be told: fewer than there are requests at a time.
const STREAMS: u32 = 6;

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
struct Setup<'a> {
    program: &'a Path,
    folder: &'a Path,
    addr: SocketAddr,
    backend: SocketAddr,
    /// With `cert.pem`, `key.pem` and `both.pem` of its folder.
    tls: bool,
}

/// How a server takes up a new configuration without failing what is under way.
#[derive(Clone, Copy, Debug)]
enum Reload {
    Signal(&'static str),
    /// By this command, of which the program and the server's folder are known.
    Command(fn(&Path, &Path) -> Command),
}

/// A server that people run.
#[derive(Debug)]
pub(crate) struct Recipe {
    name: &'static str,
    program: &'static str,
    /// The option that makes it say its version.
    version: &'static str,
    command: fn(&Setup<'_>) -> io::Result<Command>,
    reload: Reload,
    /// The signal for a graceful end.
    end: &'static str,
}

/// All of them. Where one could send a request to its backend twice on its own account, its configuration forbids it.
const RECIPES: [Recipe; 6] = [
    Recipe {
        name: "nginx",
        program: "nginx",
        version: "-v",
        command: nginx,
        reload: Reload::Signal("HUP"),
        end: "QUIT",
    },
    Recipe {
        name: "nghttpx",
        program: "nghttpx",
        version: "--version",
        command: nghttpx,
        reload: Reload::Signal("HUP"),
        end: "QUIT",
    },
    caddy::RECIPE,
    h2o::RECIPE,
    apache::RECIPE,
    haproxy::RECIPE,
];

/// nginx as `tests/real_servers` have it; `proxy_next_upstream off` keeps it from resending.
fn nginx(setup: &Setup<'_>) -> io::Result<Command> {
    let Setup { program, folder, addr, backend, tls } = *setup;
    // Two workers: one can be reloaded away under load while the other serves.
    let with = crate::nginx::Setup { backend, keepalive_requests: REQUESTS_EACH, workers: 2, tls };
    crate::nginx::command(program, folder, addr, &with)
}

/// nghttpx as `tests/real_servers` have it, where it is said what it resends.
fn nghttpx(setup: &Setup<'_>) -> io::Result<Command> {
    let Setup { program, folder, addr, backend, tls } = *setup;
    let with = crate::nghttpx::Setup { backend, max_requests: REQUESTS_EACH, tls };
    crate::nghttpx::command(program, folder, addr, &with)
}

/// The names that can be asked for.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|recipe| recipe.name).chain([SCRIPTED])
}

/// Where requests go, as clients need it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The server's name, with `+tls` where it has that.
    pub(crate) name: String,
    pub(crate) version: String,
    /// Scheme, host and port.
    pub(crate) base: String,
    pub(crate) tls: bool,
    pub(crate) identity: Identity,
    pub(crate) ledger: Ledger,
}

/// The server behind a [`Site`], to which faults are done. Dropping it ends it.
#[derive(Debug)]
pub(crate) enum Subject {
    Real(Box<Real>),
    Scripted(Scripted),
}

/// All that were started, and the names of those that are not installed.
#[derive(Debug, Default)]
pub(crate) struct Started {
    pub(crate) servers: Vec<(Site, Subject)>,
    pub(crate) skipped: Vec<&'static str>,
}

/// Starts those of these names, each in the clear and over TLS.
pub(crate) async fn start(wanted: &[String], seed: u64) -> Result<Started, BoxError> {
    let mut started = Started::default();
    let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
    for recipe in RECIPES.iter().filter(|recipe| is_wanted(recipe.name)) {
        let Some(program) = process::find(recipe.program) else {
            started.skipped.push(recipe.name);
            continue;
        };
        for tls in [false, true] {
            let (site, real) = Real::start(recipe, &program, tls).await?;
            started.servers.push((site, Subject::Real(Box::new(real))));
        }
    }
    if is_wanted(SCRIPTED) {
        for tls in [false, true] {
            let (site, scripted) = Scripted::start(tls, seed).await;
            started.servers.push((site, Subject::Scripted(scripted)));
        }
    }
    Ok(started)
}

/// What every server answers with in the end: the request's id and body, or a file.
fn answer(received: &Received, body: &Bytes) -> Reply {
    let path = received.path.split('?').next().unwrap_or_default();
    let number = path.strip_prefix("/files/").and_then(|number| number.parse().ok());
    match number {
        Some(number) => File::number(number).serve(received),
        None => Reply::ok([received.id.as_bytes(), b" ", body].concat()),
    }
}

async fn backend(ledger: &Ledger) -> Backend {
    Backend::serving(ledger.clone(), answer).await
}

/// Writes the certificate and its key where the configurations look for them.
fn write_identity(identity: &Identity, folder: &Path) -> io::Result<()> {
    let (certificate, key) = (identity.pem(), identity.key_pem());
    fs::write(folder.join("cert.pem"), certificate)?;
    fs::write(folder.join("key.pem"), key)?;
    fs::write(folder.join("both.pem"), [certificate, key].concat())
}

/// Who starts a server as root has to say as whom it serves.
fn is_root(folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(folder.metadata()?.uid() == 0)
}
