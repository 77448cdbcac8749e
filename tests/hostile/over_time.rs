//! What goes on for longer costs no more: nothing is kept of what is over.

use std::sync::Arc;

use crate::attack::Attack;
use crate::bounds::Cost;
use crate::play::play;
use crate::stacks::Stack;
use crate::{outages, streams};

/// What an attack costs under so many requests.
fn cost(name: &str, stack: Stack, requests: usize) -> Cost {
    let mut attacks = outages::attacks().into_iter().chain(streams::attacks());
    let attack = attacks.find(|attack| attack.name == name).expect("an attack of this name");
    let at_once = attack.load.at_once.min(10);
    play(&Arc::new(Attack::load(attack, requests, at_once)), stack).expect("an end")
}

/// Connections that come and go, whose events nobody reads: after ten times as many the process has no more memory. Not in a test
/// of its own, since memory is all of the process's: [`every_attack_keeps_within_its_bounds`](crate::catalogue) calls it.
pub(crate) fn memory_does_not_grow() -> Vec<String> {
    let mut grown = Vec::new();
    for name in ["goaway-each-request", "accept-and-close", "connects-refused", "rapid-reset", "flapping"] {
        for stack in [Stack::HyperUtil, Stack::Pool] {
            // The first is long enough for all that is bounded to be full: the events, and the ended connections.
            let (short, long) = (cost(name, stack, 1_500), cost(name, stack, 6_000));
            println!(
                "{name} on {}: {} KiB kept after 1,500 requests, {} KiB after 6,000; at most {} and {}",
                stack.name(),
                short.kept,
                long.kept,
                short.peak,
                long.peak
            );
            if long.kept > short.kept + SLACK {
                grown.push(format!("{name} on {}: {} and then {} KiB", stack.name(), short.kept, long.kept));
            }
        }
    }
    grown
}

/// What a map may hold more because it had more in it once, in KiB.
const SLACK: usize = 64;
