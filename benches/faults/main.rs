//! What becomes of requests whose connections die: with what people have, and with our layers around it, side by side.
//!
//! `cargo bench --bench faults`; with `-- --json` one JSON document. nginx where it is installed, else the scripted server. Each
//! server has a handler that takes a millisecond and a book by which it knows what it processed twice. Every other request is a POST.

#[path = "../../tests/real_servers/backend.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod backend;
#[path = "../../examples/soak/connects.rs"]
#[allow(dead_code, reason = "the example uses more of it")]
mod connects;
#[path = "../../tests/real_servers/front.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod front;
mod gate;
mod load;
mod measure;
#[path = "../../tests/real_servers/nginx.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nginx;
#[path = "../../tests/real_servers/process.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod process;
mod rows;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../../tests/real_servers/signals.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod signals;
mod site;
mod stacks;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use self::measure::{Figures, Measured, Rounds};
use self::rows::{Row, Trouble};
use self::shared::options::Options;
use self::shared::report::{Report, Target};

fn main() -> ExitCode {
    let Some(options) = Options::parse() else { return ExitCode::FAILURE };
    let (times, rounds) = if options.quick {
        (rows::QUICK, Rounds { closed: 1, paced: 1 })
    } else {
        (rows::FULL, Rounds { closed: 13, paced: 3 })
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let measured = runtime.block_on(measure::all(&Row::all(), &times, rounds));
    if !options.json {
        measured.iter().for_each(print_row);
    }
    let targets = measured.iter().flat_map(targets_of).collect();
    let figures = serde_json::to_value(&measured).expect("numbers and names");
    Report { bench: "faults", quick: options.quick, figures, targets }.print(options.json);
    ExitCode::SUCCESS
}

fn targets_of(measured: &Measured) -> Vec<Target> {
    let Measured { row, name, stacks, .. } = measured;
    let mut targets = Vec::new();
    let defaults = row.trouble == Trouble::Outage && !row.patient;
    for ours in stacks.iter().filter(|figures| figures.of.is_ours()) {
        let what = |about: &str| format!("{name}: {}: {about}", ours.stack);
        targets.push(Target::at_most(what("processed twice"), ours.doubled as f64, 0.0));
        targets.push(Target::at_most(what("timed out"), ours.timed_out as f64, 0.0));
        if defaults {
            targets.push(Target::at_most(what("load"), ours.load, 1.2));
        } else {
            targets.push(Target::at_least(what("success, where allowed"), ours.success_where_allowed, 1.0));
        }
        if row.trouble == Trouble::GoAway(100) {
            targets.push(Target::at_least(what("goodput"), ours.goodput.median, 0.95));
        }
    }
    if row.trouble == Trouble::Nothing {
        return targets;
    }
    // Whoever doubles what must not be is not better by what else he answers.
    for peer in stacks.iter().filter(|figures| figures.doubled == 0) {
        let Some((ours, against)) = peer.of.ours().zip(peer.against_ours) else { continue };
        let ours = stacks.iter().find(|figures| figures.of == ours).expect("each stack is in each row");
        let what = |about: &str| format!("{name}: {}: {about} over that of {}", peer.stack, ours.stack);
        targets.push(Target::at_most(what("success"), peer.success / ours.success, 1.0));
        // Where a worker has its next request at once when one has failed, who fails is quick.
        if peer.success >= ours.success {
            targets.push(Target::at_most(what("goodput, lower bound,"), against.low, 1.0));
        }
    }
    targets
}

fn print_row(measured: &Measured) {
    println!("{} ({})", measured.name, measured.server);
    for Figures { stack, requests, success, unproven, doubled, timed_out, load, goodput, p50_ms, p999_ms, .. } in
        &measured.stacks
    {
        println!(
            "  {stack:<25} {requests:>7} requests {:>8.3} % answered {unproven:>5} unproven {timed_out:>5} timed out {doubled:>5} \
             twice; goodput {:.3} ({:.3}-{:.3}); {p50_ms:.1} ms, {p999_ms:.1} ms; load {load:.3}",
            success * 100.0,
            goodput.median,
            goodput.low,
            goodput.high
        );
    }
}
