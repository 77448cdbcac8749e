//! The connections of an HTTP client, live in a terminal, while requests run against a server that misbehaves.
//!
//! ```text
//! cargo run --release --example health_top
//! cargo run --release --example health_top -- --once
//! cargo run --release --example health_top -- --help
//! ```
//!
//! What a program has to do for such a view is in `load.rs`, where the client is made, and in `watch.rs`, which asks
//! [`ConnectionHealth`](tower_redial::ConnectionHealth) how its connections are. `draw.rs` only draws.

mod args;
mod draw;
mod live;
mod load;
mod model;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tower::BoxError;

use self::args::Args;
use self::watch::Watch;

/// The size of the one frame of `--once`, in columns and lines.
const ONCE: (u16, u16) = (120, 32);

/// `--once` waits no longer for something to show.
const ONCE_WITHIN: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    if !args.once && !io::stdout().is_terminal() {
        say("stdout is no terminal; --once prints one frame as text (--help says more)");
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. `eprintln!` panics where nobody reads that.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "health_top: {what}");
}

fn run(args: &Args) -> Result<(), BoxError> {
    let runtime = Runtime::new()?;
    let mut watch = runtime.block_on(Watch::start(args.concurrency));
    if !args.once {
        return live::run(&runtime, &watch, args.seconds);
    }
    runtime.block_on(async { tokio::time::timeout(ONCE_WITHIN, watch.seen_enough()).await.unwrap_or(Ok(())) })?;
    let (width, height) = ONCE;
    match io::stdout().write_all(draw::text(&watch.model(), width, height).as_bytes()) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
