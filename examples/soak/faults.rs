//! What is done to the servers, by chance from a seed.

use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::dice::Dice;
use crate::servers::{Real, Scripted, Subject};
use crate::watch::Watch;

/// How long a server is left in peace.
const PEACE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(9));

/// The scripted one is sooner back.
const SCRIPTED_PEACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// How long one that ended, or was killed, is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(1_500));

/// How long one stands still: sometimes too short for its connections to be given up, mostly not.
const STILL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(9));

#[derive(Clone, Copy, Debug)]
enum Fault {
    Reload,
    Restart,
    Kill,
    Stop,
}

/// How often each comes, for a server that people run.
const REAL: [Fault; 8] = [
    Fault::Reload,
    Fault::Reload,
    Fault::Reload,
    Fault::Restart,
    Fault::Restart,
    Fault::Kill,
    Fault::Kill,
    Fault::Stop,
];

/// Does one fault after the other, until it is told that all is over. Then the server serves, and is given back, so that what is
/// under way can end.
pub(crate) async fn run(mut subject: Subject, mut dice: Dice, watch: Watch, mut over: Receiver<bool>) -> Subject {
    let (least, most) = match subject {
        Subject::Real(_) => PEACE,
        Subject::Scripted(_) => SCRIPTED_PEACE,
    };
    loop {
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => return subject,
            () = tokio::time::sleep(dice.between(least, most)) => {}
        }
        let done = match &mut subject {
            Subject::Real(real) => real_fault(real, &mut dice, &mut over).await,
            Subject::Scripted(scripted) => scripted_fault(scripted, &mut dice),
        };
        watch.account().fault(done, 1);
    }
}

/// Ends with the server at work.
async fn real_fault(real: &mut Real, dice: &mut Dice, over: &mut Receiver<bool>) -> &'static str {
    match dice.of(&REAL) {
        Fault::Reload => {
            real.reload().await;
            "reload"
        }
        Fault::Restart => {
            real.end().await;
            tokio::time::sleep(dice.between(AWAY.0, AWAY.1)).await;
            real.start_again().await;
            "restart"
        }
        Fault::Kill => {
            real.kill();
            tokio::time::sleep(dice.between(AWAY.0, AWAY.1)).await;
            real.start_again().await;
            "kill -9"
        }
        Fault::Stop => {
            let paused = real.pause();
            let _ = tokio::time::timeout(dice.between(STILL.0, STILL.1), over.wait_for(|over| *over)).await;
            drop(paused);
            "kill -STOP"
        }
    }
}

fn scripted_fault(scripted: &Scripted, dice: &mut Dice) -> &'static str {
    match dice.below(8) {
        0..=3 => {
            scripted.go_away(dice);
            "GOAWAY to all"
        }
        4..=6 => {
            scripted.cut(dice);
            "cut of all"
        }
        _ => {
            scripted.silence(dice);
            "silence"
        }
    }
}
