//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use crate::servers;

#[derive(Parser, Debug)]
#[command(
    name = "soak",
    about = "Sends requests to all servers that are installed while they are reloaded, restarted, killed and stopped.",
    long_about = "\
Sends requests to all servers that are installed while they are reloaded, restarted, killed and stopped.

nginx, nghttpx, Caddy, h2o, Apache httpd and HAProxy run on loopback, in the clear and over TLS, each
from a configuration and a folder of its own, in front of a backend that counts what it processed; and
a scripted server that sends GOAWAY, refuses, cuts and falls silent. GETs, PUTs and POSTs go through the
layers of this crate, and their account is compared with the backends'. docs/soak.md says more.",
    after_long_help = "\
What it counts as broken:
  doubled      requests that are not idempotent and were processed more than once
  lost         errors that prove that nothing was processed, though attempts remained
  hung         requests that did not end in the time that the layers promise
  wrong bytes  answers that are not those to their requests

Ctrl-C ends it early, with its report. REDIAL_REQUIRE_SERVERS=1 makes a server that is not installed a
failure.

Exit status:
  0  nothing was broken
  1  something was, or a server could not be started
  2  bad arguments: one line on stderr says so"
)]
struct CommandLine {
    /// How long it runs; fractions may be given.
    #[arg(long, value_name = "N", default_value = "1", value_parser = minutes)]
    minutes: Duration,

    /// Ends after so many requests instead.
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    total: Option<u64>,

    /// What the faults follow from; by default another in each run, which the report names.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How many requests are under way at a time to each server.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,

    /// Which servers, of nginx, nghttpx, caddy, h2o, apache, haproxy, scripted; all by default.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = server)]
    servers: Vec<String>,

    /// Prints the report as one JSON document on stdout, and the progress on stderr.
    #[arg(long)]
    json: bool,

    /// Prints the servers' table as Markdown on stdout, and the progress on stderr.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,

    /// Prints that table of a report that is there already, as JSON, and runs nothing.
    #[arg(long, value_name = "FILE", exclusive = true)]
    table_of: Option<PathBuf>,
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Markdown,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) time: Option<Duration>,
    pub(crate) total: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) servers: Vec<String>,
    pub(crate) format: Format,
    /// A report that is there already.
    pub(crate) table_of: Option<PathBuf>,
}

impl Args {
    /// Reads the process's arguments. Where there is nothing to run, whether for --help or for a mistake, that has been
    /// said, and the exit status is returned.
    pub(crate) fn from_command_line() -> Result<Self, ExitCode> {
        let parsed = CommandLine::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => {
                // A reader that is gone needs no help.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            _ => {
                crate::say(&format!("{} (--help says more)", one_line(&error)));
                ExitCode::from(2)
            }
        })?;
        let format = match (parsed.json, parsed.markdown) {
            (true, _) => Format::Json,
            (_, true) => Format::Markdown,
            _ => Format::Text,
        };
        let all = || servers::names().map(str::to_owned).collect();
        Ok(Self {
            time: parsed.total.is_none().then_some(parsed.minutes),
            total: parsed.total,
            seed: parsed.seed.unwrap_or_else(random),
            workers: usize::from(parsed.workers),
            servers: if parsed.servers.is_empty() { all() } else { parsed.servers },
            format,
            table_of: parsed.table_of,
        })
    }
}

/// A number that nobody chose.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0) >> 32
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    // A week is more than anybody waits for, and far less than what a Duration cannot hold.
    if minutes > 0.0 && minutes <= 10_080.0 {
        Ok(Duration::from_secs_f64(minutes * 60.0))
    } else {
        Err("neither more than 0 nor at most 10080, a week".to_owned())
    }
}

fn server(text: &str) -> Result<String, String> {
    if servers::names().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("none of {}", servers::names().collect::<Vec<_>>().join(", ")))
}

/// What clap has to say, without its hints on the lines below.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let said = said.collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}
