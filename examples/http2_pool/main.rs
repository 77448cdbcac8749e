//! A pool of HTTP/2 connections of which each stream is known, beside hyper-util's client.
//!
//! ```text
//! cargo run --release --features connect --example http2_pool
//! ```
//!
//! It starts a server of its own on loopback that allows ten streams a connection, shuts each connection down after a hundred
//! requests, and refuses every fortieth. It sends it POSTs without a body, for which a GOAWAY proves nothing to a client that does
//! not know its streams: with hyper-util's client, with [`Pool`](tower_redial::connect::Pool), and with that under
//! [`RetryOnCanceledLayer`](tower_redial::RetryOnCanceledLayer). What that takes is all in `clients.rs`.

mod clients;
mod load;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tower::BoxError;

use self::load::Outcome;

fn main() -> ExitCode {
    let done = Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "http2_pool: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let bare = load::send(&clients::hyper_util()).await;
    let pool = load::send(&clients::pool()).await;
    let resent = load::send(&clients::pool_with_resends()).await;
    io::stdout().write_all(table(&[bare, pool, resent.clone()]).as_bytes())?;
    let survived = resent.ok == load::REQUESTS && resent.twice == 0;
    if survived { Ok(()) } else { Err("a request was lost, or processed twice, under the layer".into()) }
}

/// One column for each client.
fn table(outcomes: &[Outcome; 3]) -> String {
    let mut rows = vec![row("", ["hyper-util", "pool", "pool, resent"].map(str::to_owned))];
    let mut add = |name: &str, read: &dyn Fn(&Outcome) -> String| {
        rows.push(row(name, [0, 1, 2].map(|at| read(&outcomes[at]))));
    };
    add("requests", &|_| load::REQUESTS.to_string());
    add("ok", &|outcome| outcome.ok.to_string());
    add("failed", &|outcome| outcome.failed().to_string());
    add("  not sent", &|outcome| outcome.count("not_sent"));
    add("    given back", &|outcome| outcome.given_back.to_string());
    add("  not processed", &|outcome| outcome.count("not_processed"));
    add("  may be processed", &|outcome| outcome.count("unknown"));
    add("  hung", &|outcome| outcome.count("hung"));
    add("processed twice", &|outcome| outcome.twice.to_string());
    add("connections", &|outcome| outcome.connections.to_string());
    add("seconds", &|outcome| format!("{:.1}", outcome.seconds));
    rows.concat()
}

fn row(name: &str, columns: [String; 3]) -> String {
    let [a, b, c] = columns;
    format!("{name:<20}{a:>12}{b:>12}{c:>14}\n")
}
