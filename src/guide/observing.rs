//! Observing.
//!
//! | you want to know | look at |
//! |---|---|
//! | why this response took three attempts | [`Attempts`](crate::retry::Attempts) in its extensions |
//! | what is resent, what is not, and why | [`on_retry`](crate::RetryOnCanceledLayer::on_retry), or the log |
//! | what connections there are, and how they are | [`ConnectionHealth::snapshot`](crate::ConnectionHealth::snapshot) |
//! | what happens to connections | [`ConnectionHealth::subscribe`](crate::ConnectionHealth::subscribe), or the log |
//! | all of that over months | the feature `metrics`: [which there are](#metrics) |
//! | which origins are on HTTP/1.1 | [`Downgrade::snapshot`](crate::Downgrade::snapshot) |
//! | how far a download is | [`Progress`](../../resume/struct.Progress.html) in its response's extensions |
//!
//! `cargo run --release --example health_top` shows a client's connections live.
//!
//! # Count decisions
//!
//! `on_retry` is told each failed attempt once. Its labels are few and stable, fit for metrics:
//!
//! ```
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::{Decision, Typed};
//!
//! let layer = RetryOnCanceledLayer::<Typed>::new().on_retry(|event| {
//!     let cause = event.failure().cause().label();
//!     match event.decision() {
//!         Decision::Resend { .. } => metrics::counter!("resends", "cause" => cause).increment(1),
//!         Decision::Stop(stop) => {
//!             metrics::counter!("gave_up", "cause" => cause, "why" => stop.label()).increment(1);
//!         }
//!         _ => {}
//!     }
//! });
//! # drop(layer);
//! ```
//!
//! What to watch:
//!
//! | what rises | what it says |
//! |---|---|
//! | resends with `handed_back`, `goaway`, `refused` | nothing is wrong: connections are wound up. Many `refused` say that you have more streams than the server likes |
//! | `closed`, `silent` | connections die without notice: an idle timeout that is shorter than yours, a NAT, a server that is killed |
//! | `gave_up` with `not_idempotent` | requests of which nobody knows what became of them. Each is one for your reconciliation |
//! | `budget_exhausted` | an outage, or bursts larger than [the budget](super::budgets) |
//! | `out_of_time` | [timeouts that do not fit](super::layers#the-numbers-have-to-fit) |
//! | `rescued` among the events of connections | hyper lost requests, and they were ended |
//!
//! # Follow connections
//!
//! ```
//! use tower_redial::ConnectionHealth;
//! use tower_redial::health::{EventKind, Notice};
//!
//! async fn follow(health: &ConnectionHealth) {
//!     let mut events = health.subscribe();
//!     while let Some(notice) = events.next().await {
//!         match notice {
//!             Notice::Event(event) => match event.kind {
//!                 EventKind::Draining { reason } => println!("{}: leaves a connection: {reason}", event.origin),
//!                 EventKind::Closed { reason, silent_for } => {
//!                     println!("{}: {}, silent for {silent_for:?}", event.origin, reason.label());
//!                 }
//!                 _ => {}
//!             },
//!             Notice::Missed(events) => println!("too slow: {events} events are lost"),
//!         }
//!     }
//! }
//! # drop(follow(&ConnectionHealth::default()));
//! ```
//!
//! # Metrics
//!
//! With the feature `metrics`, by the facade of that name. Where OpenTelemetry's conventions for HTTP clients have a name, it is that one.
//! All have `server.address`, `server.port` and `url.scheme` as labels; no path, query or header is in any.
//!
//! | metric | kind | other labels |
//! |---|---|---|
//! | `http.client.open_connections` | gauge | `http.connection.state`: `idle`, `active` |
//! | `http.client.connection.duration` | histogram, s | `network.protocol.version`, `reason` |
//! | `http.client.active_requests` | gauge | |
//! | `http.client.request.duration` | histogram, s: one attempt, to the response's head | `http.response.status_code`, or `error.type` with the [cause](crate::Cause::label) |
//! | `tower_redial.connection.events` | counter | `event`, `reason` |
//! | `tower_redial.probe.duration` | histogram, s | |
//! | `tower_redial.request.wait.duration` | histogram, s: requests that had to wait for a stream | |
//! | `tower_redial.downgrade.events` | counter | `event`, `reason` |
//!
//! # The log
//!
//! With the feature `tracing` all of it is logged at debug level, and nothing above: `tower_redial=debug` switches it on. Each attempt is a
//! span, the parent of what happens below it. Names are OpenTelemetry's where it has one:
//!
//! | | name | fields |
//! |---|---|---|
//! | span | `attempt` | `otel.name`, `otel.kind`, `otel.status_code`, `http.request.method`, `server.address`, `server.port`, `url.scheme`, `http.request.resend_count`, `http.response.status_code`, `error.type`, `fate` |
//! | event | `request attempt failed` | `http.request.method`, `server.address`, `http.request.resend_count`, `error.type`, `fate`, `cause`, `decision`, `reason`, `waited_ms` |
//! | event | `connection` | `connection`, `server.address`, `server.port`, `event`, `reason`, `millis` |
//! | event | `downgrade` | `server.address`, `server.port`, `event`, `reason`, `seconds` |
//! | event | `download broke` | `server.address`, `error.type`, `resumes`, `received`, `expected`, `decision`, `reason`, `waited_ms` |
//! | event | `client renewed`, `client not renewed` | `generation`; `error` |
//!
//! Paths, queries and headers are in none of them, since they may hold secrets; [`Event::uri`](crate::retry::Event::uri) has the URI for a
//! callback that knows better. `cargo run --example opentelemetry --features metrics,tracing` exports spans, events and metrics
//! through OpenTelemetry's SDK.
//!
//! # A safe roll-out
//!
//! Nobody likes to have a layer resend requests on the first day. Let it tell what it would do:
//!
//! ```
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::{Decision, Stop, Typed};
//!
//! let layer = RetryOnCanceledLayer::<Typed>::new().observe_only(true).on_retry(|event| {
//!     if event.decision() == Decision::Stop(Stop::ObserveOnly) {
//!         println!("{} would have been resent: {}", event.method(), event.failure());
//!     }
//! });
//! # drop(layer);
//! ```
//!
//! Then switch on proofs alone, by [`after_loss(Limits::after_loss().max_resends(0))`](crate::RetryOnCanceledLayer::after_loss): what is resent
//! then came back unsent, was refused, or met a graceful shutdown, which leaves idempotent requests without a body as the only ones that may be
//! processed twice. Connects that failed are not tried again then either. Then the rest.
