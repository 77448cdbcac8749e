//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::sim::Settings;

#[derive(Parser, Debug)]
#[command(
    name = "storm",
    about = "Simulates a server that loses capacity for a while, and clients that retry.",
    long_about = "\
Simulates a server that loses capacity for a while, and clients that retry.

Each kind of client meets the same server and sends the same requests, on a clock that jumps: nothing
goes over a network. The server answers in order and works on requests whose clients have given up,
unless --drops-abandoned is said.",
    after_long_help = "\
What it prints, for each kind of client:
  peak extra   the most that resends added to the load within half a second, of what is offered
  in outage    resends for each request, from the beginning of the outage until the capacity is back
  extra load   the same, over the whole run
  answered     requests that were answered, by whichever attempt
  wasted       the share of the server's work whose client had given up by then
  recovers     how long after the capacity is back 99 % of the requests are answered, and stay so

Exit status:
  0  it was simulated, whatever came out
  1  something failed: one line on stderr says what
  2  bad arguments: one line on stderr says so"
)]
struct CommandLine {
    /// How many clients there are. Each sends a request about once a second.
    #[arg(long, value_name = "N", default_value_t = Settings::default().clients, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,

    /// How many processes they are in, where each process has a layer of its own. [default: as many as clients]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    processes: Option<u32>,

    /// The floor of the budget of each process, in resends a second, for the last row.
    #[arg(long, value_name = "N", default_value_t = Settings::default().min_per_second)]
    min_per_second: u32,

    /// How many requests a second the server answers when it is well, to the next 25.
    #[arg(long, value_name = "N", default_value_t = Settings::default().capacity, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    capacity: u32,

    /// How many requests wait in the server before it refuses connections.
    #[arg(long, value_name = "N", default_value_t = Settings::default().queue)]
    queue: usize,

    /// How long a client waits for each attempt.
    #[arg(long, value_name = "MS", default_value_t = Settings::default().timeout_ms, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    timeout: u32,

    /// How long the outage takes. It begins after 20 seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = Settings::default().outage_s, value_parser = clap::value_parser!(u32).range(0..=600))]
    outage: u32,

    /// What is left of the capacity in the outage. With 0 the server is gone, and what was waiting in it too.
    #[arg(long, value_name = "PERCENT", default_value_t = Settings::default().left_percent, value_parser = clap::value_parser!(u32).range(0..=100))]
    left: u32,

    /// How long it is watched.
    #[arg(long, value_name = "SECONDS", default_value_t = Settings::default().seconds, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// The server leaves out requests whose clients have given up, instead of working on them.
    #[arg(long)]
    drops_abandoned: bool,

    /// When each client sends, and how long the server works on each request. The layers' jitter cannot be seeded, so that
    /// figures of clients that wait before they retry vary a little.
    #[arg(long, value_name = "N", default_value_t = Settings::default().seed)]
    seed: u64,

    /// Draws the load and the answers over time.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,

    /// Prints one JSON document instead of the table.
    #[arg(long)]
    json: bool,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) settings: Settings,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) json: bool,
}

impl Args {
    /// Reads the process's arguments. Where there is nothing to run, whether for --help or for a mistake, that has been
    /// said, and the exit status is returned.
    pub(crate) fn from_command_line() -> Result<Self, ExitCode> {
        let said = CommandLine::try_parse().map_err(|error| {
            // A reader that is gone needs no help.
            let _ = error.print();
            if error.kind() == ErrorKind::DisplayHelp { ExitCode::SUCCESS } else { ExitCode::from(2) }
        })?;
        let settings = Settings {
            clients: said.clients,
            processes: said.processes.unwrap_or(said.clients),
            min_per_second: said.min_per_second,
            capacity: said.capacity,
            queue: said.queue,
            timeout_ms: said.timeout,
            outage_s: said.outage,
            left_percent: said.left,
            seconds: said.seconds,
            drops_abandoned: said.drops_abandoned,
            seed: said.seed,
            ..Settings::default()
        };
        Ok(Self { settings, svg: said.svg, json: said.json })
    }
}
