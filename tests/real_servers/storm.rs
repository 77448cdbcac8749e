//! Requests of every kind, over and over, while something happens to the server.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use tokio::task::JoinSet;
use tower_redial::{BodyUse, Failure, Fate};

use crate::{
    attempts::Attempts,
    load::{Failed, Kind, Outcome, causes, exchange},
    support::{Ledger, bound::within},
    watched::Watched,
};

/// Who sends what, in turn.
const KINDS: [Kind; 4] = [Kind::Get, Kind::Post, Kind::Get, Kind::EmptyPost];

/// A load that goes on until it is ended.
#[derive(Debug)]
pub(crate) struct Storm {
    shared: Arc<Shared>,
    workers: JoinSet<Outcome>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    sent: AtomicUsize,
    answered: AtomicUsize,
}

impl Storm {
    /// Begins, with so many requests at a time.
    pub(crate) fn begin(client: &Watched, uri: &Uri, concurrent: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let mut workers = JoinSet::new();
        for _ in 0..concurrent {
            workers.spawn(work(client.clone(), uri.clone(), Arc::clone(&shared)));
        }
        Self { shared, workers }
    }

    /// Waits until so many more requests have been answered.
    pub(crate) async fn goes_on(&self, more: usize) {
        let before = self.shared.answered.load(Ordering::Relaxed);
        within(format_args!("{more} answers"), async {
            while self.shared.answered.load(Ordering::Relaxed) < before + more {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Begins no more requests, and returns when those that were begun have come to their ends.
    pub(crate) async fn end(self) -> Outcome {
        self.shared.over.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        self.workers.join_all().await.into_iter().for_each(|outcome| all.add(outcome));
        all
    }
}

async fn work(client: Watched, uri: Uri, shared: Arc<Shared>) -> Outcome {
    let mut outcome = Outcome::default();
    while !shared.over.load(Ordering::Relaxed) {
        let number = shared.sent.fetch_add(1, Ordering::Relaxed);
        let kind = KINDS[number % KINDS.len()];
        let id = format!("{kind:?}-{number}");
        match exchange(client.clone(), kind, uri.clone(), &id).await {
            Ok(()) => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
                outcome.answered += 1;
            }
            Err(error) => outcome.failed.push(Failed { kind, id, error }),
        }
    }
    outcome
}

/// Checks that no GET failed, that a POST failed only where nobody can know what became of it, and that none was processed
/// twice.
pub(crate) fn check(name: &str, outcome: &Outcome, attempts: &Attempts, ledger: &Ledger) {
    let mut errors = BTreeMap::<_, usize>::new();
    for Failed { kind, id, error } in &outcome.failed {
        let text = causes(&**error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert_ne!(*kind, Kind::Get, "{name}: {id}, sent {} times: {text}", attempts.of(id));
        let body = if attempts.polled(id) { BodyUse::Polled } else { BodyUse::Untouched };
        let failure = Failure::of(&**error, body);
        assert_eq!(failure.fate(), Fate::Unknown, "{name}: {id}: {text}");
        assert!(!attempts.was_safe_to_resend(*kind, id, &**error), "{name}: {id}: {text}");
        let done = if ledger.times(id) > 0 { "processed" } else { "not processed" };
        *errors.entry(format!("{kind:?}: {failure}, {done}")).or_default() += 1;
    }
    let twice: Vec<_> = ledger.doubled().into_iter().filter(|(id, _)| is_post(id)).collect();
    println!(
        "{name}: {} answered, {} POSTs failed, sends, as (times, requests): {:?}",
        outcome.answered,
        outcome.failed.len(),
        attempts.sends(),
    );
    errors.iter().for_each(|(error, count)| println!("  {count:>5} x {error}"));
    assert!(twice.is_empty(), "{name}: POSTs processed twice: {twice:?}");
}

fn is_post(id: &str) -> bool {
    !id.starts_with(&format!("{:?}-", Kind::Get))
}
