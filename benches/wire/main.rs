//! What the layers cost on a real connection: hyper-util's client over loopback HTTP/2, bare and with both layers and the watched
//! connector, in the clear and over TLS, with few and many requests at a time.
//!
//! `cargo bench --bench wire`; with `-- --json` one JSON document. The server is a process of its own, with one thread; so is
//! the client whose instructions are counted. Times are taken in turn, round by round, against one and the same server.

#[path = "../shared/mod.rs"]
mod shared;

mod client;
mod load;
mod measure;
mod server;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::client::Stack;
use self::load::Load;
use self::measure::{Figures, Measured};
use self::shared::options::Options;
use self::shared::report::{Report, Target};

fn main() -> ExitCode {
    let Some(options) = Options::parse() else { return ExitCode::FAILURE };
    let child: Vec<_> = options.child.iter().map(String::as_str).collect();
    match child[..] {
        ["server", tls] => {
            server::serve(tls == "tls");
            return ExitCode::SUCCESS;
        }
        ["client", stack, load, address, certificate, requests] => {
            let requests = requests.parse().expect("a number of requests");
            let address = address.parse().expect("an address");
            measure::run_once(Stack::named(stack), Load::named(load), address, certificate, requests);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }

    let mut figures = Vec::new();
    let mut targets = Vec::new();
    for load in Load::all() {
        let measured = measure::load(load, options.quick);
        if !options.json {
            print_row(load, &measured);
        }
        targets.extend(targets_of(load, &measured));
        figures.push(json!({ "load": load.name(), "measured": measured }));
    }
    Report { bench: "wire", quick: options.quick, figures: Value::Array(figures), targets }.print(options.json);
    ExitCode::SUCCESS
}

fn targets_of(load: Load, measured: &Measured) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(ratio) = measured.layers.instructions_ratio {
        targets.push(Target::at_most(format!("{}: instructions over the bare client's", load.name()), ratio, 1.02));
    }
    let low = measured.layers.speed_ratio.low;
    targets.push(Target::at_least(format!("{}: speed over the bare client's, lower bound", load.name()), low, 0.95));
    targets
}

fn print_row(load: Load, measured: &Measured) {
    let parts = [("capture", &measured.capture), ("retry", &measured.retry)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
    for (name, figures) in [("bare", &measured.bare), ("layers", &measured.layers)].into_iter().chain(parts) {
        let Figures { per_second, bytes_per_second: _, cpu_microseconds, count, speed_ratio, instructions_ratio } =
            figures;
        let of = |count: Option<f64>, places| count.map_or("-".to_owned(), |count| format!("{count:.places$}"));
        println!(
            "{:<16} {name:<8} {per_second:>9.0}/s {cpu_microseconds:>7.1} us cpu; speed {:.3} ({:.3}-{:.3}); instructions {} ({}), locked {}",
            load.name(),
            speed_ratio.median,
            speed_ratio.low,
            speed_ratio.high,
            of(count.map(|count| count.instructions), 0),
            of(*instructions_ratio, 3),
            of(count.map(|count| count.locked), 0),
        );
    }
}
