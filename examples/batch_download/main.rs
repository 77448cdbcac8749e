//! Downloads a batch of files, some at a time, over connections that die: the main job of this crate.
//!
//! ```text
//! cargo run --release --example batch_download
//! cargo run --release --example batch_download -- https://example.org/a.tar.gz https://example.org/b.tar.gz --out /tmp
//! cargo run --release --example batch_download -- --help
//! ```
//!
//! Without URLs it starts a server of its own on loopback, which misbehaves as real ones do, and downloads from it twice:
//! with the bare hyper-util client, and with [`ResumeLayer`](tower_redial::resume::ResumeLayer),
//! [`RetryOnCanceledLayer`](tower_redial::RetryOnCanceledLayer), both halves of
//! [`ConnectionHealth`](tower_redial::ConnectionHealth) and, where ALPN has a choice, both of [`Downgrade`](tower_redial::Downgrade)
//! around that client. What they take is all in `client.rs`.
//!
//! With URLs a file that is not whole when a run ends is gone on with by the next: `kept.rs` says what has to be known for that,
//! and `save.rs` in which order things are written.
//!
//! With `--concurrency auto` as many downloads run at a time as each origin bears: `aimd.rs` has the rule, and `concurrency.rs`
//! tells it what [`ConnectionHealth::snapshot`](tower_redial::ConnectionHealth::snapshot) and failed attempts show.

mod aimd;
mod args;
mod client;
mod concurrency;
mod counts;
mod download;
mod embedded;
mod kept;
mod picture;
mod progress;
mod report;
mod save;
mod server;
mod silence;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;
mod tls;
mod urls;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use self::args::Args;
use self::report::Report;
use self::save::Left;

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
    let left = Left::default();
    let work = async { if args.urls.is_empty() { embedded::run(args).await } else { urls::run(args, &left).await } };
    let report: Option<Report> = tokio::select! {
        report = work => Some(report?),
        // The downloads are dropped, and with them goes what the next run can do nothing with.
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| None)?,
    };
    let Some(report) = report else {
        match left.count() {
            0 => say("interrupted"),
            1 => say("interrupted; the same command goes on with one file that was begun"),
            count => say(&format!("interrupted; the same command goes on with {count} files that were begun")),
        }
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if let Some(path) = &args.picture {
        fs::write(path, picture::svg(&report)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let text = if args.json { report.json()? } else { report.table() };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
