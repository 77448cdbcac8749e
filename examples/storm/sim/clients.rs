//! The load: clients that send a request about once a second, whatever became of the one before.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::timeout::Timeout;

use super::random::Random;
use super::server::Server;
use super::settings::Settings;
use super::strategy::{Client, Strategy};
use super::tally::{Figures, Tally};

/// A client's pause between two requests, in milliseconds.
const PAUSE_MS: (u64, u64) = (500, 1_500);

/// How long the clients go on after the time that counts: the longest that reqwest-retry's three waits and four attempts take by
/// default.
const LONGER: Duration = Duration::from_secs(12);

/// For as long as it is watched, and a little longer.
pub(super) async fn play(settings: &Settings, strategy: &Strategy) -> Figures {
    let tally = Arc::new(Tally::new(settings));
    let attempt = Timeout::new(Server::start(settings, Arc::clone(&tally)), settings.timeout());
    let mut clients = JoinSet::new();
    for (number, client) in (0..settings.clients).zip(strategy.clients(&attempt, settings.processes)) {
        let random = Random::new(settings.seed, u64::from(number));
        clients.spawn(send(client, random, Arc::clone(&tally)));
    }
    sleep(Duration::from_secs(u64::from(settings.seconds)) + LONGER).await;
    tally.figures(settings)
}

/// One client, until it is dropped and all its requests with it.
async fn send(client: Client, mut random: Random, tally: Arc<Tally>) {
    // At the beginning they are spread as if they had been there for long.
    let mut next = Instant::now() + Duration::from_millis(random.between(0, 1_000));
    let mut requests = JoinSet::new();
    loop {
        sleep_until(next).await;
        let (client, tally) = (client.clone(), Arc::clone(&tally));
        requests.spawn(async move {
            let begun = tally.begun();
            if client.get().await {
                tally.answered(begun);
            }
        });
        while requests.try_join_next().is_some() {}
        next += Duration::from_millis(random.between(PAUSE_MS.0, PAUSE_MS.1));
    }
}
