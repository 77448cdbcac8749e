//! A server that loses capacity for a while, and many clients that depend on it, on a clock that jumps from event to event.
//!
//! Nothing here waits in real time and nothing goes over a socket. The retry layers are the real ones; the server is a queue.

mod clients;
mod random;
mod server;
mod settings;
mod strategy;
mod tally;

use std::io;

use tokio::runtime;

pub(crate) use self::settings::Settings;
pub(crate) use self::strategy::{Redial, Strategy};
pub(crate) use self::tally::{Figures, STEPS_PER_SECOND};

/// Plays the outage to clients of one kind.
///
/// # Errors
///
/// When there can be no runtime.
pub(crate) fn run(settings: &Settings, strategy: &Strategy) -> io::Result<Figures> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(clients::play(settings, strategy)))
}
