//! The built-in server's files, once with each client.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tower::BoxError;

use crate::args::Args;
use crate::client::{AnyClient, Protocol, Setup};
use crate::download::{self, Failure, Fetched};
use crate::progress::Progress;
use crate::report::{Report, Resends, Run, Tally};
use crate::server;
use crate::support::FaultyServer;
use crate::support::files::{File, files};
use crate::support::tls::Identity;

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

    let setup = match &identity {
        None => Setup::new(args.trust.clone(), Protocol::Http2, args.head_timeout),
        Some(identity) => Setup::new(identity.client_config(), Protocol::Alpn, args.head_timeout),
    };
    let bare = one_run("bare", setup.bare(), Resends::default(), args, identity.as_ref(), &expected, &progress).await;
    let resends = Resends::default();
    let client = setup.redial(&resends);
    let redial = one_run("redial", client, resends, args, identity.as_ref(), &expected, &progress).await;
    Ok(Report { bare: Some(bare), redial: Some(redial) })
}

/// All files from a server of its own, so that both runs meet the same faults.
async fn one_run(
    name: &'static str,
    client: AnyClient,
    resends: Resends,
    args: &Args,
    identity: Option<&Identity>,
    expected: &[Expected],
    progress: &Progress,
) -> Run {
    let server = server::start(expected.len(), args.concurrency, identity).await;
    let total = progress.total(name, expected.len());
    let mut tally = Tally::default();
    let began = Instant::now();
    // The next group begins when the last of a group has ended. Then a refused request finds a place for certain, at the
    // latest when the others of its group have ended. If these were replaced at once, each resend would need luck.
    for group in expected.chunks(args.concurrency) {
        let downloads = group.iter().map(|expected| one_file(&client, &server, expected, args, progress));
        for outcome in join_all(downloads).await {
            tally.add(outcome, &total);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    total.clear();
    let counters = server.counters();
    Run::new(tally, &resends, counters.connections, seconds).with_server(&counters)
}

async fn one_file(
    client: &AnyClient,
    server: &FaultyServer,
    expected: &Expected,
    args: &Args,
    progress: &Progress,
) -> Result<Fetched, Failure> {
    let bar = progress.file(&expected.file.name);
    let download = async {
        let mut hasher = Sha256::new();
        let uri = server.uri(&expected.file.path());
        let fetched = download::fetch(client, &uri, &bar, async |data| {
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
