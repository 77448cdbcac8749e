//! What a request costs by how many origins there are.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Empty;
use serde_json::json;
use tower::{Service, ServiceBuilder};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::Part;
use crate::service::InMemory;
use crate::shared::instructions;
use crate::shared::report::Target;
use crate::shared::statistics::{Estimate, estimate};
use crate::stacks::Stack;

const ORIGINS: [usize; 4] = [10, 100, 1_000, 10_000];

pub(crate) fn measure(quick: bool) -> Part {
    let (few, many) = if quick { (10_000, 20_000) } else { (20_000, 60_000) };
    let added: Vec<Option<f64>> = ORIGINS
        .into_iter()
        .map(|origins| {
            let count = |stack: Stack| {
                instructions::of_one(&[stack.name(), &origins.to_string()], few, many).map(|count| count.instructions)
            };
            Some(count(Stack::Layers)? - count(Stack::Bare)?)
        })
        .collect();
    let times = times(if quick { 3 } else { 31 });
    let mut lines = Vec::new();
    let mut figures = Vec::new();
    for ((origins, added), time) in ORIGINS.into_iter().zip(&added).zip(&times) {
        let instructions = added.map_or("-".to_owned(), |added| format!("{added:.0}"));
        lines.push(format!(
            "{origins:>6}: {instructions} instructions added; time over that with {} {:.2} ({:.2}-{:.2})",
            ORIGINS[0], time.median, time.low, time.high
        ));
        figures.push(json!({ "origins": origins, "instructions_added": added, "time_ratio": time }));
    }
    let mut targets = Vec::new();
    if let [Some(first), .., Some(last)] = added[..] {
        targets.push(Target::at_most("added instructions with 10,000 origins over those with 10", last / first, 1.1));
    }
    Part { lines, figures: json!(figures), targets }
}

/// Under both layers, over the time with the fewest origins in the same round.
fn times(rounds: usize) -> Vec<Estimate> {
    const REQUESTS: usize = 20_000;
    let mut times = vec![Vec::with_capacity(rounds); ORIGINS.len()];
    for round in 0..rounds {
        for turn in 0..ORIGINS.len() {
            let at = (turn + round) % ORIGINS.len();
            let uris = uris(ORIGINS[at]);
            let mut service = layered();
            drive(&mut service, &uris, ORIGINS[at]);
            let began = Instant::now();
            drive(&mut service, &uris, REQUESTS);
            times[at].push(began.elapsed().as_secs_f64());
        }
    }
    times
        .iter()
        .map(|these| estimate(&these.iter().zip(&times[0]).map(|(one, first)| one / first).collect::<Vec<_>>()))
        .collect()
}

/// For a process whose instructions are counted.
pub(crate) fn run(stack: Stack, origins: usize, requests: usize) {
    let uris = uris(origins);
    match stack {
        Stack::Bare => drive(&mut InMemory, &uris, requests),
        Stack::Layers => drive(&mut layered(), &uris, requests),
    }
}

pub(crate) fn layered() -> impl Service<Request<Empty<Bytes>>> + Clone + Send + 'static {
    ServiceBuilder::new()
        .layer(RetryOnCanceledLayer::new())
        .layer(ConnectionHealth::default().layer())
        .service(InMemory)
}

pub(crate) fn uris(origins: usize) -> Vec<Uri> {
    (0..origins).map(|n| format!("http://origin-{n}.example/").parse().expect("a URI")).collect()
}

/// So many requests, to one origin after the other.
pub(crate) fn drive<S>(service: &mut S, uris: &[Uri], requests: usize)
where
    S: Service<Request<Empty<Bytes>>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    for uri in uris.iter().cycle().take(requests) {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) else { unreachable!("it is always ready") };
        let future = pin!(service.call(request));
        let Poll::Ready(response) = future.poll(&mut cx) else { unreachable!("it answers at once") };
        drop(std::hint::black_box(response));
    }
}
