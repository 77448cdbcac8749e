//! The built-in server, and all it does wrong.

use std::time::Duration;

use crate::support::wire::reason;
use crate::support::{Cut, Fault, FaultyServer, GoAway, GoAwayStyle, Reply};

/// How many streams it allows at once: less than there are workers, so that some are seen to wait.
const STREAMS: u32 = 12;

/// Which request the first silent connection falls silent at. Early, so that it is seen within seconds.
const FIRST_SILENCE: u64 = 100;

/// And how often that happens later.
const SILENCE_EVERY: u64 = 1_500;

/// Some responses are slow, so that connections are seen to drain: the last one before the first GOAWAY for instance.
const SLOW_EVERY: u32 = 32;
const SLOW: u32 = 27;
const SLOW_DELAY: Duration = Duration::from_millis(1_600);

/// Starts it. It goes by how many requests have arrived, and knows no chance.
pub(crate) async fn start() -> FaultyServer {
    FaultyServer::builder()
        .goaway_in_turn([
            // What nginx and Envoy do. Early on the first connection, for the same reason.
            GoAway::every(60).debug("this node restarts"),
            GoAway::every(150).style(GoAwayStyle::LowLast),
            // What it says would clear the screen, if it were not escaped.
            GoAway::every(200).style(GoAwayStyle::Final).reason(reason::ENHANCE_YOUR_CALM).debug("\x1b[2Jslow down"),
            GoAway::every(250),
        ])
        .announced_streams(STREAMS)
        .every(40, Fault::Refuse)
        .every(700, Fault::Cut { how: Cut::Fin, processed: true })
        // What breaks after a response's head is not for these layers to repair.
        .spare_bodies()
        .choose(|_, nth| {
            let due = nth == FIRST_SILENCE || nth % SILENCE_EVERY == 0;
            due.then_some(Fault::Silence { processed: false })
        })
        .handler(|received, body| {
            let nth = received.stream_id / 2;
            // As different as those of a real server, and the same in each run.
            let spread = nth.wrapping_mul(7_919);
            let slow = nth % SLOW_EVERY == SLOW;
            let delay = if slow { SLOW_DELAY } else { Duration::from_millis(u64::from(30 + spread % 150)) };
            Reply::ok(vec![b'.'; body.len() + (spread % 8_192) as usize]).after(delay)
        })
        .start()
        .await
}
