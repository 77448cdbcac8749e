//! Downloads a batch of files, some at a time, over connections that die: the main job of this crate.
//!
//! ```text
//! cargo run --release --example batch_download
//! cargo run --release --example batch_download -- https://example.org/a.tar.gz https://example.org/b.tar.gz --out /tmp
//! cargo run --release --example batch_download -- --help
//! ```
//!
//! Without URLs it starts a server of its own on loopback, which misbehaves as real ones do, and downloads from it twice:
//! with the bare hyper-util client, and with [`RetryOnCanceledLayer`](tower_redial::RetryOnCanceledLayer) and both halves of
//! [`ConnectionHealth`](tower_redial::ConnectionHealth) around that client. What they take is all in `client.rs`.
//!
//! With `--concurrency auto` as many downloads run at a time as each origin bears: `aimd.rs` has the rule, and `concurrency.rs`
//! tells it what [`ConnectionHealth::snapshot`](tower_redial::ConnectionHealth::snapshot) and failed attempts show.

mod aimd;
mod args;
mod client;
mod concurrency;
mod download;
mod embedded;
mod progress;
mod report;
mod save;
mod server;
mod silence;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tls;
mod urls;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use self::args::Args;
use self::report::Report;

/// As shells have it for a process that SIGINT ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(exit) => exit,
        Err(error) => {
            say(&download::in_its_own_words(&*error));
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. `eprintln!` panics where nobody reads that.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "batch_download: {what}");
}

async fn run(args: &Args) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let work = async { if args.urls.is_empty() { embedded::run(args).await } else { urls::run(args).await } };
    let report: Report = tokio::select! {
        report = work => report?,
        // The downloads are dropped, and with them their temporary files are removed.
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            say("interrupted");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let text = if args.json { report.json()? } else { report.table() };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
