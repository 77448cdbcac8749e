//! The built-in server's files, once with each client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{StatusCode, Uri};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tower::BoxError;
use tower_redial::ConnectionHealth;

use crate::args::Args;
use crate::client::{AnyClient, Protocol, Setup};
use crate::concurrency::Places;
use crate::counts::{Protocols, Repairs};
use crate::download::{self, Failure, Fetched};
use crate::kept;
use crate::progress::Progress;
use crate::report::{Report, Run, Tally};
use crate::server;
use crate::silence::Silences;
use crate::support::files::{File, files};
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;

/// How long the run pauses once. The server has forgotten an idle connection by then.
const PAUSE: Duration = Duration::from_millis(1_500);

/// A file, and what its content must come to.
struct Expected {
    file: File,
    sha256: String,
}

pub(crate) async fn run(args: &Args) -> Result<Report, BoxError> {
    let identity = args.tls.then(Identity::new);
    let count = args.files as usize;
    // Before the clock runs: it is no part of a download.
    let expected = spawn_blocking(move || {
        let expect = |file: File| Expected { sha256: file.sha256(), file };
        files(count).into_iter().map(expect).collect::<Vec<_>>()
    });
    let expected: Arc<[Expected]> = expected.await?.into();
    let progress = Progress::new();

    let (tls, protocol) = match &identity {
        None => (args.trust.clone(), Protocol::Http2),
        Some(identity) => (identity.client_config(), Protocol::Alpn),
    };
    let setup = Setup::new(tls, protocol, args, impatient());
    let (places, protocols) = (Places::new(args.concurrency, None), Protocols::default());
    let client = || setup.bare(&protocols);
    let bare =
        Side { name: "bare", client: &client, repairs: &Repairs::default(), places: &places, protocols: &protocols };
    let bare = one_run(bare, &setup, args, identity.as_ref(), &expected, &progress).await;
    let (places, protocols) = (Places::new(args.concurrency, Some(&setup.health)), Protocols::default());
    let repairs = Repairs::default();
    let client = || setup.redial(&repairs, &places, &protocols);
    let redial = Side { name: "redial", client: &client, repairs: &repairs, places: &places, protocols: &protocols };
    let redial = one_run(redial, &setup, args, identity.as_ref(), &expected, &progress).await;
    Ok(Report { bare: Some(bare), redial: Some(redial) })
}

/// On loopback a second without a byte is suspicious. The defaults are for the internet, and would find a silent connection
/// after half a minute.
fn impatient() -> ConnectionHealth {
    ConnectionHealth::builder()
        .probe_after(Duration::from_secs(1))
        .verify_idle(Duration::from_secs(1))
        .probe_timeout(Duration::from_millis(500))
        .dead_after(Duration::from_secs(1))
        .build()
}

/// One of the two.
struct Side<'a> {
    name: &'static str,
    /// Makes its client.
    client: &'a dyn Fn() -> AnyClient,
    repairs: &'a Repairs,
    places: &'a Places,
    protocols: &'a Protocols,
}

/// All files from a server of its own, so that both runs meet the same faults.
async fn one_run(
    side: Side<'_>,
    setup: &Setup,
    args: &Args,
    identity: Option<&Identity>,
    expected: &[Expected],
    progress: &Progress,
) -> Run {
    let server = server::start(expected.len(), args.concurrency.usual(), identity).await;
    let total = progress.total(side.name, expected.len());
    let mut silences = Silences::new(&setup.health);
    let mut tally = Tally::default();
    let mut client = (side.client)();
    let (mut restarts, mut stuck, mut paused) = (0, false, false);
    let began = Instant::now();
    // The next group begins when the last of a group has ended. Then a refused request finds a place for certain, at the
    // latest when the others of its group have ended. If these were replaced at once, each resend would need luck.
    let origin = server.uri("/");
    let mut left = expected;
    while !left.is_empty() {
        side.places.look();
        let (group, rest) = left.split_at(side.places.limit(&origin).min(left.len()));
        left = rest;
        if stuck {
            // A client that nothing watches goes on using a silent connection, and would lose every file from here on.
            client = (side.client)();
            restarts += 1;
        }
        let half = rest.len() * 2 <= expected.len();
        // While no connection is idle, there is none that could be forgotten: the last one has just been wound up.
        if half && !paused && server.counters().idle_connections > 0 {
            tokio::time::sleep(PAUSE).await;
            paused = true;
        }
        let downloads = group.iter().map(|expected| {
            let uri = server.uri(&expected.file.path());
            side.places.hold(uri.clone(), one_file(&client, uri, expected, args, progress))
        });
        let outcomes = join_all(downloads).await;
        stuck = outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|failure| failure.timed_out));
        for outcome in outcomes {
            tally.add(outcome, &total);
        }
        silences.look();
    }
    let seconds = began.elapsed().as_secs_f64();
    total.clear();
    let (counters, silences) = (server.counters(), silences.into_found());
    let connections = counters.connections;
    let run = Run::new(tally, side.repairs, side.protocols, &setup.downgrade, silences, connections, seconds);
    run.with_restarts(restarts).with_server(&counters).with_concurrency(side.places)
}

async fn one_file(
    client: &AnyClient,
    uri: Uri,
    expected: &Expected,
    args: &Args,
    progress: &Progress,
) -> Result<Fetched, Failure> {
    let bar = progress.file(&expected.file.name);
    let download = async {
        let mut hasher = Sha256::new();
        let response = download::ask(client, &uri, []).await?;
        if response.status() != StatusCode::OK {
            return Err(Failure::status(response.status()));
        }
        let promised = kept::length(response.headers());
        promised.inspect(|promised| bar.set_length(*promised));
        let fetched = download::read(client, response, promised, &bar, async |data| {
            hasher.update(&data);
            Ok(())
        });
        let fetched = fetched.await?;
        // Without Content-Length a body that is too short is found here.
        if hex::encode(hasher.finalize()) == expected.sha256 {
            Ok(fetched)
        } else {
            Err(Failure::corrupt("the content is not what the server has"))
        }
    };
    download::within(args.timeout, download).await
}
