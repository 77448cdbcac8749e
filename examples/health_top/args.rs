//! The command line.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

#[derive(Parser, Debug)]
#[command(
    name = "health_top",
    about = "Shows the connections of an HTTP client live, while requests run against a server that misbehaves.",
    long_about = "\
Shows the connections of an HTTP client live, while requests run against a server that misbehaves.

It starts an HTTP/2 server of its own on loopback, which sends GOAWAY, refuses requests, cuts
connections, and lets one fall silent now and then. --concurrency workers send GETs and POSTs to it
through a client whose connections are watched and whose requests are resent where that is safe.",
    after_long_help = "\
Keys:
  q, Esc, Ctrl-C   end it
  d                have all connections replaced, without failing a request

What it shows:
  For each connection its state and why, the streams that are open and how many the server allows,
  the round trip of the last probe (there is one only on suspicion: silence, or a request after a
  pause), age, requests, bytes, and what the server said in its GOAWAY, escaped. Requests that
  `failed` are those that could not be resent safely: `given up` says why.

Exit status:
  0  it was ended, or its time was over, or --once has printed its frame
  1  something failed: one line on stderr says what
  2  bad arguments, or stdout is no terminal: one line on stderr says so"
)]
struct CommandLine {
    /// How many requests are under way at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=250))]
    concurrency: u16,

    /// Runs for some seconds, until there is something to see, and prints one frame as plain text.
    #[arg(long, conflicts_with = "seconds")]
    once: bool,

    /// Ends the view after so many seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) concurrency: usize,
    pub(crate) once: bool,
    pub(crate) seconds: Option<Duration>,
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
        Ok(Self {
            concurrency: usize::from(parsed.concurrency),
            once: parsed.once,
            seconds: parsed.seconds.map(|seconds| Duration::from_secs(u64::from(seconds))),
        })
    }
}

/// What clap has to say, without its hints on the lines below.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let said = said.collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}
