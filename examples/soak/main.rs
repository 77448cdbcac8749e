//! Requests of every kind to every server that is installed, while all that happens to servers happens to them.
//!
//! ```text
//! cargo run --release --example soak -- --minutes 5
//! cargo run --release --example soak -- --total 1000000 --json
//! cargo run --release --example soak -- --help
//! ```
//!
//! `clients.rs` has the stacks under test, `faults.rs` what is done to the servers, `account.rs` what counts as broken, and
//! `docs/soak.md` says how to read the report.
//!
//! Servers end with this process, however that ends: each runs under a guard that kills it when this end of a pipe is closed.

mod account;
mod args;
#[path = "../../tests/real_servers/backend.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod backend;
mod clients;
mod connects;
mod dice;
mod faults;
#[path = "../../tests/real_servers/front.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod front;
mod kind;
mod load;
mod memory;
#[path = "../../tests/real_servers/nghttpx.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nghttpx;
#[path = "../../tests/real_servers/nginx.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nginx;
mod paused;
#[path = "../../tests/real_servers/process.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod process;
mod report;
mod run;
mod servers;
#[path = "../../tests/real_servers/signals.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod signals;
#[path = "../../tests/support/mod.rs"]
mod support;
mod watch;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tower::BoxError;

use self::args::{Args, Format};
use self::report::Report;

fn main() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let result = args.table_of.as_deref().map_or_else(|| run(&args), table_of);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. `eprintln!` panics where nobody reads that.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "soak: {what}");
}

/// Prints the table of a report. Whether nothing was broken then.
fn table_of(path: &Path) -> Result<bool, BoxError> {
    let read = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let report: Report = serde_json::from_slice(&read).map_err(|error| format!("{}: {error}", path.display()))?;
    print(&report.markdown())?;
    Ok(report.passed())
}

fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Whether nothing was broken.
fn run(args: &Args) -> Result<bool, BoxError> {
    let runtime = Runtime::new()?;
    let tell = |line: &str| {
        // A reader that is gone has seen enough.
        let _ = match args.format {
            Format::Text => writeln!(io::stdout(), "{line}"),
            Format::Json | Format::Markdown => writeln!(io::stderr(), "{line}"),
        };
    };
    let report = runtime.block_on(run::run(args, tell))?;
    let text = match args.format {
        Format::Text => report.text(),
        Format::Json => report.json()?,
        Format::Markdown => report.markdown(),
    };
    print(&text)?;
    if args.format == Format::Markdown {
        tell(&report.text());
    }
    Ok(report.passed())
}
