//! Many of everything: idle connections, requests in flight, origins, threads.
//!
//! `cargo bench --bench scale`; with `-- --json` one JSON document. All of it is in memory: ten thousand sockets are more than many
//! machines allow, and what is measured is ours.

mod connections;
mod flight;
mod origins;
mod pipe;
#[path = "../overhead/service.rs"]
mod service;
#[path = "../shared/mod.rs"]
mod shared;
mod stacks;
mod threads;

use std::alloc::System;
use std::process::ExitCode;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use self::shared::options::Options;
use self::shared::report::{Report, Target};
use self::stacks::Stack;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let Some(options) = Options::parse() else { return ExitCode::FAILURE };
    if let [stack, origins, requests] = &options.child[..] {
        let number = |word: &String| word.parse().expect("a number");
        origins::run(Stack::named(stack), number(origins), number(requests));
        return ExitCode::SUCCESS;
    }
    let (connections, in_flight) = if options.quick { (500, 5_000) } else { (10_000, 100_000) };
    let parts = [
        ("idle connections", connections::measure(connections)),
        ("requests in flight", flight::measure(in_flight)),
        ("origins", origins::measure(options.quick)),
        ("threads", threads::measure(options.quick)),
    ];
    let mut figures = Vec::new();
    let mut targets = Vec::new();
    for (name, part) in parts {
        if !options.json {
            println!("{name}");
            part.lines.iter().for_each(|line| println!("  {line}"));
        }
        figures.push(json!({ "part": name, "measured": part.figures }));
        targets.extend(part.targets);
    }
    Report { bench: "scale", quick: options.quick, figures: Value::Array(figures), targets }.print(options.json);
    ExitCode::SUCCESS
}

/// What one part found.
struct Part {
    /// For whoever reads along.
    lines: Vec<String>,
    figures: Value,
    targets: Vec<Target>,
}

/// Bytes that were allocated since, and are still.
fn kept(since: &Region<'_, System>) -> f64 {
    let change = since.change();
    // What a reallocation adds or takes is in either.
    change.bytes_allocated as f64 - change.bytes_deallocated as f64
}
