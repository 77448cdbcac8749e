//! Choosing limits.
//!
//! The defaults suit a service that has up to a hundred requests at once to an origin and wants an answer within half a minute.
//! They are listed at [`RetryOnCanceledLayer`](crate::RetryOnCanceledLayer#default). Change them for a reason; these are the usual ones.
//!
//! # How often
//!
//! There are two counts for each request, since the two kinds of failure have nothing in common:
//!
//! | | [`transparent`](crate::RetryOnCanceledLayer::transparent) | [`after_loss`](crate::RetryOnCanceledLayer::after_loss) |
//! |---|---|---|
//! | what | the request came back, or was turned away unprocessed | the connection was lost with it, or none came to be |
//! | what it costs the server | next to nothing | up to a whole request; a connect |
//! | what it says of the server | that it is in good order, and winds connections up | that it may be in trouble |
//! | default | 6, the first at once | 2, from 50 ms |
//! | raise it | where a connection takes fewer requests than you have at once | for a batch that rather waits than fails |
//! | lower it | hardly ever | to 1 or 0 where somebody waits, and another origin could answer |
//!
//! A server that closes a connection after a few requests turns away whoever is in the queue behind them, again and again. With 64
//! requests at once against nginx and `keepalive_requests 10`, 11 GETs and 10 POSTs of 2,000 each needed more than 6 resends; with
//! nginx's default of 1,000 one resend was enough for each. `cargo test --test real_servers -- --nocapture` prints
//! how often requests were sent; the counts vary from run to run. Raise `max_resends` to about the number of requests at once over
//! the number that a connection takes, or put a limit of concurrency above.
//!
//! # How many at once
//!
//! One dead connection takes down everything that was open on it. So the budget needs room for a burst: by default each origin has 10
//! resends a second, saved up for ten seconds, and 20 % of the successes. That is 100 lost requests at once on a client that
//! was idle before. With more streams than that on a connection, give the budget as many:
//! [`budget_per_origin(0.2, n)`](crate::retry::Limits::budget_per_origin) is good for `10 * n` at once.
//!
//! # How much of a body
//!
//! [`replay_limit`](crate::RetryOnCanceledLayer::replay_limit) is what is kept of one request's body, 64 KiB by default. A `Bytes` of a KiB or
//! more is kept by a reference and costs nothing that was not there already; a stream's parts stay in memory until the
//! response's head has come. At the worst it is the limit, times the requests under way.
//!
//! A body above the limit can still be sent again as long as nobody took anything of it, which is so for most requests that come back
//! unsent. So raise the limit for uploads that meet *refusals* and *lost connections*, not for those that meet graceful shutdowns; and for
//! very large ones do not: let them fail and begin again where your protocol allows it.
//!
//! # How long
//!
//! [`retry_for`](crate::RetryOnCanceledLayer::retry_for) belongs to the timeouts: [`layers`](super::layers#the-numbers-have-to-fit).
//!
//! # Three examples
//!
//! Somebody waits, and a fallback is at hand: little, and soon.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::{Limits, Typed};
//!
//! let layer = RetryOnCanceledLayer::<Typed>::new()
//!     .after_loss(Limits::after_loss().max_resends(1))
//!     .retry_for(Duration::from_secs(2));
//! # drop(layer);
//! ```
//!
//! A batch of 400 at once, that runs for hours and must not fail for an outage of a minute:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::{Backoff, Limits, Typed};
//!
//! let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20));
//! let layer = RetryOnCanceledLayer::<Typed>::new()
//!     .transparent(Limits::transparent().max_resends(20).budget_per_origin(1.0, 40))
//!     .after_loss(Limits::after_loss().max_resends(8).backoff(backoff).budget_per_origin(0.2, 40))
//!     .retry_for(Duration::from_secs(300));
//! # drop(layer);
//! ```
//!
//! Uploads of up to 8 MiB as streams, 16 at once: 128 MiB at the worst.
//!
//! ```
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::Typed;
//!
//! let layer = RetryOnCanceledLayer::<Typed>::new().replay_limit(8 * 1024 * 1024);
//! # drop(layer);
//! ```
//!
//! # Try it before
//!
//! [`observe_only`](crate::RetryOnCanceledLayer::observe_only) decides and reports, and resends nothing: see
//! [`observing`](super::observing#a-safe-roll-out).
