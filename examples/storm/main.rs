//! A server loses capacity for a while, and clients retry: with what does it recover?
//!
//! ```text
//! cargo run --release --example storm
//! cargo run --release --example storm -- --svg storm.svg
//! cargo run --release --example storm -- --left 0 --outage 30
//! cargo run --release --example storm -- --help
//! ```
//!
//! All of it is simulated in this process, on a clock that jumps from event to event: [`sim`] has the server, the clients and what
//! they do when an attempt fails, `cast.rs` which kinds of clients are compared. `docs/storms.md` says what comes out, and what it
//! means.

mod args;
mod cast;
mod plot;
mod sim;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use serde_json::json;

use self::args::Args;
use self::cast::Player;
use self::sim::{Figures, Settings};

fn main() -> ExitCode {
    let args = match Args::from_command_line() {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "storm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let outcomes = play(&args.settings)?;
    if let Some(path) = &args.svg {
        std::fs::write(path, plot::svg(&args.settings, &outcomes))?;
    }
    let text = if args.json { json(&args.settings, &outcomes) } else { table::table(&args.settings, &outcomes) };
    io::stdout().write_all(text.as_bytes())
}

/// Each kind of client has a world of its own, so that they can be played side by side.
fn play(settings: &Settings) -> io::Result<Vec<(Player, Figures)>> {
    thread::scope(|scope| {
        let worlds = cast::all(settings)
            .into_iter()
            .map(|player| scope.spawn(move || sim::run(settings, &player.strategy).map(|figures| (player, figures))));
        let worlds: Vec<_> = worlds.collect();
        worlds
            .into_iter()
            .map(|world| world.join().unwrap_or_else(|_| Err(io::Error::other("a world ended"))))
            .collect()
    })
}

fn json(settings: &Settings, outcomes: &[(Player, Figures)]) -> String {
    let clients: Vec<_> =
        outcomes.iter().map(|(player, figures)| json!({ "name": player.name, "figures": figures })).collect();
    let document = json!({ "settings": settings, "steps_per_second": sim::STEPS_PER_SECOND, "clients": clients });
    format!("{document:#}\n")
}
