//! All attacks, and the test that plays them.
//!
//! `REDIAL_HOSTILE=NAME cargo test --all-features --test hostile -- --nocapture` plays those whose name contains NAME.

use std::fmt::Write;
use std::sync::Arc;

use crate::attack::Attack;
use crate::bounds::Cost;
use crate::meter::alone;
use crate::over_time::memory_does_not_grow;
use crate::play::play;
use crate::{downloads, floods, frames, http1, outages, responses, streams};

/// The groups of the page, with their attacks.
pub(crate) fn catalogue() -> Vec<(&'static str, Vec<Attack>)> {
    vec![
        ("Floods", floods::attacks()),
        ("Streams, limits and windows", streams::attacks()),
        ("Frames", frames::attacks()),
        ("Responses without an end", responses::attacks()),
        ("HTTP/1.1", http1::attacks()),
        ("Outages", outages::attacks()),
        ("Downloads", downloads::attacks()),
    ]
}

/// A row of the page but for what was measured.
pub(crate) fn row(attack: &Attack) -> String {
    format!("| `{}` | {} | {} | {} |", attack.name, attack.source, attack.what, attack.bound_by)
}

fn measured(attack: &Attack, stack: &str, cost: &Cost) -> String {
    let Cost { attempts, connects, peak, kept, polls, pings, succeeded, frames: (frames, sent), .. } = cost;
    let (seconds, requests) = (cost.time.as_secs_f64(), attack.load.requests);
    format!(
        "| `{}` | {stack} | {attempts} | {connects} | {seconds:.1} | {peak} | {kept} | {polls} | {pings} | {frames}/{sent} | {succeeded}/{requests} |",
        attack.name
    )
}

/// Each attack on each client that it is for: attempts, connects, memory, time, polls and frames keep within their bounds.
#[test]
fn every_attack_keeps_within_its_bounds() {
    let _alone = alone();
    let only = std::env::var("REDIAL_HOSTILE").unwrap_or_default();
    let (mut broken, mut rows, mut played) = (Vec::new(), String::new(), 0);
    for (group, attacks) in catalogue() {
        writeln!(rows, "\n## {group}\n").unwrap();
        for attack in attacks.into_iter().map(Arc::new).filter(|attack| attack.name.contains(&only)) {
            println!("{}", row(&attack));
            for stack in attack.stacks {
                played += 1;
                let name = stack.name();
                let Some(cost) = play(&attack, *stack) else {
                    broken.push(format!("{} on {name}: it hung", attack.name));
                    continue;
                };
                let row = measured(&attack, name, &cost);
                println!("{row}");
                writeln!(rows, "{row}").unwrap();
                broken.extend(
                    attack.bounds.broken_by(&cost).into_iter().map(|how| format!("{} on {name}: {how}", attack.name)),
                );
            }
        }
    }
    println!("{rows}");
    if only.is_empty() {
        broken.extend(memory_does_not_grow());
    }
    assert!(played > 0, "no attack has {only:?} in its name");
    assert!(broken.is_empty(), "{} bounds broken:\n{}", broken.len(), broken.join("\n"));
}
