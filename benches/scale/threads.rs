//! Whether threads wait for each other: two of them under the same layers, on one origin and on two.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use serde_json::json;
use tower::Service;

use crate::Part;
use crate::origins::{drive, layered, uris};
use crate::service::InMemory;
use crate::shared::report::Target;
use crate::shared::statistics::estimate;
use crate::stacks::Stack;

const REQUESTS: usize = 200_000;

/// What the threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// There is one thread.
    Alone,
    /// The layers, with an origin each.
    Layers,
    /// The layers and the origin.
    Origin,
}

impl Sharing {
    const ALL: [Self; 3] = [Self::Alone, Self::Layers, Self::Origin];

    const fn name(self) -> &'static str {
        match self {
            Self::Alone => "one thread",
            Self::Layers => "two threads, an origin each",
            Self::Origin => "two threads, one origin",
        }
    }
}

/// One run.
struct Run {
    nanoseconds: f64,
    /// How often a thread stopped to wait for something.
    waits: f64,
}

pub(crate) fn measure(quick: bool) -> Part {
    let rounds = if quick { 3 } else { 31 };
    let (mut lines, mut figures, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for stack in Stack::ALL {
        let mut runs: Vec<Vec<Run>> = Sharing::ALL.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            for turn in 0..Sharing::ALL.len() {
                let at = (turn + round) % Sharing::ALL.len();
                runs[at].push(match stack {
                    Stack::Bare => run(&InMemory, Sharing::ALL[at]),
                    Stack::Layers => run(&layered(), Sharing::ALL[at]),
                });
            }
        }
        for (sharing, these) in Sharing::ALL.into_iter().zip(&runs) {
            let ratios: Vec<_> =
                these.iter().zip(&runs[0]).map(|(one, alone)| one.nanoseconds / alone.nanoseconds).collect();
            let ratio = estimate(&ratios);
            let nanoseconds = estimate(&these.iter().map(|run| run.nanoseconds).collect::<Vec<_>>()).median;
            let waits = estimate(&these.iter().map(|run| run.waits).collect::<Vec<_>>()).median;
            lines.push(format!(
                "{}: {}: {nanoseconds:.0} ns for a request, over that of one thread {:.2} ({:.2}-{:.2}); a million wait {waits:.0} times",
                stack.name(),
                sharing.name(),
                ratio.median,
                ratio.low,
                ratio.high
            ));
            figures.push(json!({
                "stack": stack.name(),
                "threads": sharing.name(),
                "nanoseconds": nanoseconds,
                "ratio_to_one_thread": ratio,
                "waits_of_a_million": waits,
            }));
            if stack == Stack::Layers && sharing == Sharing::Layers {
                targets.push(Target::at_most(
                    "waits of two threads with an origin each, of a million requests",
                    waits,
                    10.0,
                ));
            }
        }
    }
    Part { lines, figures: json!(figures), targets }
}

fn run<S>(service: &S, sharing: Sharing) -> Run
where
    S: Service<Request<Empty<Bytes>>> + Clone + Send,
{
    let origins = match sharing {
        Sharing::Alone => vec![0],
        Sharing::Layers => vec![0, 1],
        Sharing::Origin => vec![0, 0],
    };
    let (uris, barrier) = (uris(2), Barrier::new(origins.len()));
    let runs: Vec<Run> = thread::scope(|scope| {
        let threads: Vec<_> = origins
            .iter()
            .map(|origin| {
                let (mut service, uris, barrier) = (service.clone(), &uris[*origin..=*origin], &barrier);
                scope.spawn(move || {
                    drive(&mut service, uris, 100);
                    barrier.wait();
                    let (began, waits) = (Instant::now(), waits());
                    drive(&mut service, uris, REQUESTS);
                    let nanoseconds = began.elapsed().as_nanos() as f64 / REQUESTS as f64;
                    Run { nanoseconds, waits: self::waits() - waits }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let threads = runs.len() as f64;
    Run {
        nanoseconds: runs.iter().map(|run| run.nanoseconds).sum::<f64>() / threads,
        waits: runs.iter().map(|run| run.waits).sum::<f64>() / threads * 1e6 / REQUESTS as f64,
    }
}

/// How often this thread has given its processor up because it had to wait: for a lock, say.
fn waits() -> f64 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a number")
}
