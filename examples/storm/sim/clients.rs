//! The load: clients that send a request about once a second, whatever became of the one before.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tower::timeout::Timeout;

use super::random::Random;
use super::server::Server;
use super::settings::Settings;
use super::strategy::{Client, Strategy};
use super::tally::{Figures, Tally};

/// A client's pause between two requests, in milliseconds.
const PAUSE_MS: (u64, u64) = (500, 1_500);

/// Until the last request is over.
pub(super) async fn play(settings: &Settings, strategy: &Strategy) -> Figures {
    let tally = Arc::new(Tally::new(settings));
    let attempt = Timeout::new(Server::start(settings, Arc::clone(&tally)), settings.timeout());
    let end = Instant::now() + Duration::from_secs(u64::from(settings.seconds));
    let mut clients = JoinSet::new();
    for (number, client) in (0..settings.clients).zip(strategy.clients(attempt)) {
        let random = Random::new(settings.seed, u64::from(number));
        clients.spawn(send(client, random, end, Arc::clone(&tally)));
    }
    clients.join_all().await;
    tally.figures(settings)
}

/// One client, until it stops and its last request is over.
async fn send(client: Client, mut random: Random, end: Instant, tally: Arc<Tally>) {
    // At the beginning they are spread as if they had been there for long.
    let mut next = Instant::now() + Duration::from_millis(random.between(0, PAUSE_MS.1));
    let mut requests = JoinSet::new();
    while next < end {
        sleep_until(next).await;
        let (client, tally, begun) = (client.clone(), Arc::clone(&tally), Instant::now());
        requests.spawn(async move { tally.ended(begun, client.get().await) });
        while requests.try_join_next().is_some() {}
        next += Duration::from_millis(random.between(PAUSE_MS.0, PAUSE_MS.1));
    }
    requests.join_all().await;
}
