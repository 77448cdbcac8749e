//! Budgets across layers.
//!
//! A retry is a bet that the trouble was small. When it was not, everybody bets at once, and the retries are the trouble. Limits for one
//! request do not help there: three attempts each treble the load on a server that has just lost half of itself. A budget is a limit
//! for all requests together: so many resends for each success, and a few in any case.
//!
//! # What there is by default
//!
//! | layer | budget | counts as a success |
//! |---|---|---|
//! | [`transparent`](crate::RetryOnCanceledLayer::transparent) | as many as there were successes, and 10 a second | an answer, whatever its status |
//! | [`after_loss`](crate::RetryOnCanceledLayer::after_loss) | 20 % of the successes, and 10 a second | the same |
//! | `ResumeLayer` | as many as there were successes, and 10 a second | an attempt that brought a byte |
//!
//! Each for each origin, and shared by all clones of a layer. A success counts for ten seconds at the most. When an origin is gone
//! altogether there are no successes: then it gets no more than 10 resends a second of each kind, however many callers there are.
//! A status is an answer: a server that sheds load by 503 is not hit harder by these layers, and what a layer above makes
//! of the 503 is that layer's to bound.
//!
//! # One budget for two layers
//!
//! A download that breaks and a request that is lost often have one cause. A clone of [`Limits`](crate::retry::Limits) shares its budget:
//!
//! ```
//! # #[cfg(feature = "resume")]
//! # fn run() {
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::resume::ResumeLayer;
//! use tower_redial::retry::{Limits, Typed};
//!
//! let limits = Limits::after_loss().budget_per_origin(0.5, 20);
//! let resume = ResumeLayer::new().limits(limits.clone().max_resends(8));
//! let retry = RetryOnCanceledLayer::<Typed>::new().after_loss(limits);
//! # drop((resume, retry));
//! # }
//! ```
//!
//! # One budget with a layer of your own
//!
//! A retry layer for status codes above this one spends on the same server. Give both the same budget, tower's for instance; deposit
//! there what is a success to you, and nothing for what this layer has deposited already:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use tower::retry::budget::{Budget, TpsBudget};
//! use tower_redial::RetryOnCanceledLayer;
//! use tower_redial::retry::{Limits, Typed};
//!
//! // Counted for ten seconds: 20 % of the successes, and 10 a second.
//! let budget: Arc<dyn Budget + Send + Sync> = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2));
//! let layer = RetryOnCanceledLayer::<Typed>::new().after_loss(Limits::after_loss().budget(Arc::clone(&budget)));
//!
//! // In the layer above, before it sends a request again after a 503:
//! let may_retry = budget.withdraw();
//! assert!(may_retry);
//! # drop(layer);
//! ```
//!
//! A budget of your own is one for all origins that go through the layer. For several origins make a layer for each, or leave the
//! budgets apart.
//!
//! # Attempts must not multiply
//!
//! Two layers of three attempts each are nine. Retry each kind of failure in one place:
//!
//! | beside this layer | what to do |
//! |---|---|
//! | reqwest's own retry | `reqwest::retry::never()` ([why](../../reqwest/index.html#switch-reqwests-own-retry-off)) |
//! | hyper-util's `retry_canceled_requests` | nothing: it resends what came back, at once and for free |
//! | reqwest-retry, `tower::retry` | let them retry statuses only: [`moving`](super::moving) |
//! | a second `RetryOnCanceledLayer` above | nothing: this one finds the other's mark in the request, and resends nothing |
//! | a service mesh that retries too | one of the two: the mesh for statuses, this for connections |
//! | a loop of your own around the call | mark the request, as below |
//!
//! The mark is [`ResendCount`](crate::retry::ResendCount): put it on the requests that you send again, and the layer below leaves them alone.
//!
//! ```
//! use http::Request;
//! use tower_redial::retry::ResendCount;
//!
//! /// The `n`th resend, made by a loop that has its own rules.
//! fn again(mut request: Request<()>, n: u32) -> Request<()> {
//!     request.extensions_mut().insert(ResendCount::new(n));
//!     request
//! }
//! # assert_eq!(again(Request::new(()), 2).extensions().get(), Some(&ResendCount::new(2)));
//! ```
//!
//! It works where requests are `http::Request`s, and in reqwest-middleware; `reqwest::Request` has no place for it.
//!
//! # See whether it is too tight
//!
//! [`Stop::BudgetExhausted`](crate::retry::Stop::BudgetExhausted) in [`on_retry`](crate::RetryOnCanceledLayer::on_retry), `budget_exhausted` in the logs.
//! A few during an outage are what it is for. Some every day, while the server is well, say that
//! [bursts](super::limits#how-many-at-once) are larger than the budget.
