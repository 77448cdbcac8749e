use std::sync::Arc;
use std::time::Duration;

use tower::retry::budget::Budget;

use super::Backoff;
use super::budget::Budgets;

/// How often, how fast and out of which budget one kind of failure is resent.
///
/// [`RetryOnCanceledLayer`](super::RetryOnCanceledLayer) has two: [`transparent`](Self::transparent) ones, for requests
/// that came back unprocessed at no cost to the server, and those [`after a loss`](Self::after_loss), for requests that
/// went down with their connection and for connects that failed.
///
/// ```
/// use std::time::Duration;
///
/// use tower_redial::RetryOnCanceledLayer;
/// use tower_redial::retry::{Backoff, Limits};
///
/// // Once, after a tenth of a second, for at most one request in twenty of each origin.
/// let careful = Limits::after_loss()
///     .max_resends(1)
///     .backoff(Backoff::new(Duration::from_millis(100), Duration::from_millis(100)))
///     .budget_per_origin(0.05, 1);
/// let layer: RetryOnCanceledLayer = RetryOnCanceledLayer::new().after_loss(careful);
/// # drop(layer);
/// ```
///
/// # Clone
///
/// A clone shares the budget.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) max_resends: u32,
    pub(super) backoff: Backoff,
    pub(super) budgets: Budgets,
}

impl Limits {
    /// For requests that were handed back, that the server refused, or that a graceful GOAWAY turned away.
    ///
    /// # Default
    ///
    /// 6 resends; the first at once, later ones after 25 ms, doubling up to 250 ms; from a budget of as many resends as
    /// there were successes, and 10 a second. The first two resends after a graceful GOAWAY are free of it, and the second waits
    /// no longer than the first: the server asked for them.
    #[must_use]
    pub fn transparent() -> Self {
        Self {
            max_resends: 6,
            backoff: Backoff::new(Duration::from_millis(25), Duration::from_millis(250)).first_at_once(true),
            budgets: Budgets::per_origin(1.0, 10),
        }
    }

    /// For requests that were lost with their connection, and for connects that failed: they cost the server something.
    ///
    /// # Default
    ///
    /// 2 resends; after 50 ms, doubling up to 5 s; from a budget of 20 % of the successes, and 10 a second.
    #[must_use]
    pub fn after_loss() -> Self {
        Self { max_resends: 2, backoff: Backoff::default(), budgets: Budgets::per_origin(0.2, 10) }
    }

    /// How often one request is resent at the most. 0 switches this kind of resend off.
    #[must_use]
    pub const fn max_resends(mut self, max_resends: u32) -> Self {
        self.max_resends = max_resends;
        self
    }

    /// How long to wait before each resend.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Draws on a budget of your own, one for all origins; tower's
    /// [`TpsBudget`](tower::retry::budget::TpsBudget), say, shared with other clients.
    ///
    /// It gets a deposit for each success, and a withdrawal at the moment of each resend.
    #[must_use]
    pub fn budget(mut self, budget: Arc<dyn Budget + Send + Sync>) -> Self {
        self.budgets = Budgets::One(budget);
        self
    }

    /// Draws on a budget for each origin: `ratio` resends for each success of the last ten seconds, and `min_per_second`
    /// in any case.
    ///
    /// The numbers are brought within what can be kept: a ratio of 0 to 1,000, a million a second. The share of the successes
    /// is kept by tower's [`TpsBudget`](tower::retry::budget::TpsBudget), in batches of about twenty successes; it rounds
    /// the ratio up to the next 1/n, takes its time in steps of a second (in tower 0.5.3 a success counts for five to ten of them), and may grant a few more to
    /// threads that ask at the same instant.
    ///
    /// The budget is that of this layer and its clones: many processes with few requests each have `min_per_second` many times
    /// over, and set 0 (`docs/storms.md` has the arithmetic).
    #[must_use]
    pub fn budget_per_origin(mut self, ratio: f32, min_per_second: u32) -> Self {
        self.budgets = Budgets::per_origin(ratio, min_per_second);
        self
    }

    /// Draws on no budget. Only [`max_resends`](Self::max_resends) and
    /// [`retry_for`](super::RetryOnCanceledLayer::retry_for) then bound the load that an outage adds.
    #[must_use]
    pub fn without_budget(mut self) -> Self {
        self.budgets = Budgets::Unlimited;
        self
    }

    /// How long to wait before the resend that comes after `earlier` others; `None` if there were too many.
    #[cfg(feature = "resume")]
    pub(crate) fn wait(&self, earlier: u32, random: f64) -> Option<Duration> {
        (earlier < self.max_resends).then(|| self.backoff.wait(earlier, random))
    }

    /// Takes what one resend costs, if it is there.
    #[cfg(feature = "resume")]
    pub(crate) fn withdraw(&self, uri: &http::Uri) -> bool {
        self.budgets.withdraw(uri)
    }

    /// Counts a success.
    #[cfg(feature = "resume")]
    pub(crate) fn deposit(&self, uri: &http::Uri) {
        self.budgets.deposit(uri);
    }
}
