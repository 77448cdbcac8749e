//! What the layers cost by themselves: around a service in memory that is ready at once, so that nothing else is measured.
//!
//! `cargo bench --bench overhead`; with `-- --json` one JSON document. Times are taken in turn, round by round; allocations are
//! counted by the allocator; instructions by callgrind, where valgrind is installed, as the difference between many requests
//! and few.

#[path = "../shared/mod.rs"]
mod shared;

mod cases;
mod measure;
mod service;
mod stacks;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::cases::Case;
use self::measure::Measured;
use self::shared::options::Options;
use self::shared::report::{Report, Target};
use self::stacks::Stack;

fn main() -> ExitCode {
    let Some(options) = Options::parse() else { return ExitCode::FAILURE };
    if let [stack, case, requests] = &options.child[..] {
        let (stack, case) = (Stack::named(stack), Case::named(case));
        let requests = requests.parse().expect("a number of requests");
        stacks::run(stack, case, requests);
        return ExitCode::SUCCESS;
    }

    let mut figures = Vec::new();
    let mut targets = Vec::new();
    for case in Case::ALL {
        let measured = measure::case(case, options.quick);
        if !options.json {
            print_table(case, &measured);
        }
        targets.extend(targets_of(case, &measured));
        figures.push(json!({ "case": case.name(), "stacks": measured.iter().map(Measured::json).collect::<Vec<_>>() }));
    }
    Report { bench: "overhead", quick: options.quick, figures: Value::Array(figures), targets }.print(options.json);
    ExitCode::SUCCESS
}

/// What is held against what.
fn targets_of(case: Case, measured: &[Measured]) -> Vec<Target> {
    let of = |stack| measured.iter().find(|one| one.stack == stack).expect("each stack is measured");
    let (bare, ours, tower) = (of(Stack::Bare), of(Stack::Retry), of(Stack::TowerRetry));
    let allocations = |one: &Measured| one.allocations - bare.allocations;
    let mut targets = Vec::new();
    match case {
        Case::Get => {
            if let (Some(bare), Some(ours), Some(tower)) = (bare.instructions, ours.instructions, tower.instructions) {
                let added = "added instructions of RetryOnCanceled, as a share of tower::retry's";
                targets.push(Target::at_most(added, (ours - bare) / (tower - bare), 0.5));
            }
            targets.push(Target::at_most("allocations for a GET with static header values", allocations(ours), 0.0));
        }
        Case::GetDynamic => {
            let dynamic = cases::DYNAMIC_VALUES as f64;
            targets.push(Target::at_most(
                "allocations for each dynamic header value",
                allocations(ours) / dynamic,
                1.0,
            ));
        }
        Case::Post => targets.push(Target::at_most("allocations for a POST of 1 KiB", allocations(ours), 2.0)),
        Case::Stream => {
            let limit = cases::REPLAY_LIMIT as f64 * 2.0;
            targets.push(Target::at_most("bytes allocated for a stream of 1 MiB", ours.bytes - bare.bytes, limit));
        }
    }
    targets
}

fn print_table(case: Case, measured: &[Measured]) {
    println!("{}", case.name());
    println!(
        "  {:<24}{:>10}{:>20}{:>14}{:>14}{:>14}",
        "", "ns", "ratio (95 %)", "instructions", "allocations", "bytes"
    );
    for one in measured {
        let Measured { stack, nanoseconds, ratio, instructions, allocations, bytes } = one;
        let instructions = instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
        let ratio = format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high);
        println!(
            "  {:<24}{nanoseconds:>10.0}{ratio:>20}{instructions:>14}{allocations:>14.2}{bytes:>14.0}",
            stack.name()
        );
    }
}
