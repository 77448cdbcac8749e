//! A server that winds each connection up after a second, as `MAX_CONNECTION_AGE` has gRPC servers do.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use tokio::time::Instant;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Status};
use tower_redial::ConnectionHealth;
use tower_redial::fate::{BodyUse, Failure};

use crate::greeter::{Greeter, GreeterClient, HelloReply, HelloRequest, Stack};
use crate::setup::{Attempts, bare, client_with};
use crate::support::Ledger;
use crate::support::bound::{LIMIT, checked};

const UNARY: usize = 64;
const STREAMS: usize = 8;
const RUN: Duration = Duration::from_secs(5);

/// How often the server replies on a stream: some end within a connection's life, most do not.
const REPLIES: u32 = 15;

/// A call that failed: its id, and how.
type Failed = (String, Status);

struct Tally {
    calls: u64,
    failed: Vec<Failed>,
}

async fn serve() -> crate::greeter::Running {
    Greeter::serve(Server::builder().max_connection_age(Duration::from_secs(1))).await
}

/// As many calls as there is time for.
async fn load<T>(client: &GreeterClient<T>) -> Tally
where
    T: Stack<Future: Send> + Clone + Send + 'static,
{
    let calls = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + RUN;
    let workers = (0..UNARY + STREAMS).map(|worker| {
        let (mut client, calls) = (client.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            let mut failed = Vec::new();
            for n in 0.. {
                if Instant::now() >= end {
                    break;
                }
                calls.fetch_add(1, Ordering::Relaxed);
                let id = format!("{worker}-{n}");
                let result = if worker < UNARY {
                    let request = HelloRequest { name: id.clone(), replies: 1, pace: 2 };
                    in_time(client.say_hello(request)).await.map(|reply| {
                        assert_eq!(reply.into_inner(), HelloReply::to(&id));
                    })
                } else {
                    let request = HelloRequest { name: id.clone(), replies: REPLIES, pace: 50 };
                    in_time(read(&mut client, request)).await
                };
                if let Err(status) = result {
                    failed.push((id, status));
                }
            }
            failed
        })
    });
    let failed = join_all(workers).await.into_iter().flat_map(|worker| worker.expect("a worker")).collect();
    Tally { calls: calls.load(Ordering::Relaxed), failed }
}

/// hyper can leave a call waiting for ever when its connection ends.
async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    checked(LIMIT, call).await.unwrap_or_else(|| Err(Status::deadline_exceeded("no answer, ever")))
}

async fn read<T: Stack>(client: &mut GreeterClient<T>, request: HelloRequest) -> Result<(), Status> {
    let mut replies = client.lots_of_replies(request).await?.into_inner();
    let mut count = 0;
    while replies.message().await?.is_some() {
        count += 1;
    }
    assert_eq!(count, REPLIES, "a stream that ends well has all of its replies");
    Ok(())
}

fn unprocessed<'a>(failed: &'a [Failed], ledger: &Ledger) -> Vec<&'a Failed> {
    failed.iter().filter(|(id, _)| ledger.times(id) == 0).collect()
}

/// G9, C7: 64 unary calls and 8 streams at once, none of them idempotent, with the layers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_the_layers_no_call_hears_of_it() {
    let server = serve().await;
    let attempts = Attempts::default();
    let endpoint = Endpoint::from(server.uri());
    let health = ConnectionHealth::builder().own_goaway(true);
    let client = client_with(endpoint, attempts.layer(), health).await;
    let tally = load(&client).await;
    let unprocessed = unprocessed(&tally.failed, &server.ledger);
    println!(
        "with the layers: {} calls, {} resends, {} failed, {} of them not processed, {} processed twice",
        tally.calls,
        attempts.all().len() - tally.failed.len(),
        tally.failed.len(),
        unprocessed.len(),
        server.ledger.doubled().len()
    );
    assert_eq!(server.ledger.doubled(), []);
    assert!(unprocessed.is_empty(), "{unprocessed:?}");
    assert!(tally.failed.iter().all(|(_, status)| status.code() == Code::Unavailable), "{:?}", tally.failed);
    assert!(server.connections() >= 4, "the server wound connections up: {}", server.connections());
}

/// The same without, to compare.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_layers_calls_fail_that_were_not_processed() {
    let server = serve().await;
    let uri: Uri = server.uri();
    let tally = load(&bare(&uri).await).await;
    let unprocessed = unprocessed(&tally.failed, &server.ledger);
    println!(
        "bare: {} calls, {} failed, {} of them not processed, {} processed twice; {} as canceled",
        tally.calls,
        tally.failed.len(),
        unprocessed.len(),
        server.ledger.doubled().len(),
        tally.failed.iter().filter(|(_, status)| status.code() == Code::Cancelled).count()
    );
    for (id, status) in tally.failed.iter().take(3) {
        println!("  {id}: {}: {status}", Failure::of(status, BodyUse::Untouched));
    }
    assert!(!unprocessed.is_empty());
}
