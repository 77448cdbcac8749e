use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tower::BoxError;

use super::Renew;
use super::shared::Shared;

type OnRenewalFn = dyn Fn(&Renewal) + Send + Sync;

/// A rebuild that has ended, as [`RenewBuilder::on_renewal`] is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Renewal {
    /// There is a new client.
    Renewed {
        /// How many clients came before it.
        generation: u64,
    },
    /// The closure failed; the old client stays.
    Failed {
        /// What it said.
        error: BoxError,
    },
}

/// Sets up a [`Renew`].
///
/// No setting panics; those that make no sense are brought within what does.
#[derive(Clone)]
pub struct RenewBuilder {
    pub(super) timeouts: u32,
    pub(super) pace: Duration,
    pub(super) patience: Duration,
    pub(super) on_renewal: Option<Arc<OnRenewalFn>>,
}

impl RenewBuilder {
    /// After how many timeouts in a row to one origin the client is rebuilt. Default: 2. At least 1.
    #[must_use]
    pub fn timeouts(mut self, timeouts: u32) -> Self {
        self.timeouts = timeouts.max(1);
        self
    }

    /// The shortest time from one rebuild to the next. Default: 10 s.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// How long a failed request waits for the rebuild that it led to, before its error is given. Default: 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Is told of each rebuild that has ended. With the feature `tracing` it is logged besides.
    #[must_use]
    pub fn on_renewal(mut self, on_renewal: impl Fn(&Renewal) + Send + Sync + 'static) -> Self {
        self.on_renewal = Some(Arc::new(on_renewal));
        self
    }

    /// Makes the first client.
    ///
    /// # Errors
    ///
    /// The closure's, from this first call of it.
    pub fn build<F, E>(self, make: F) -> Result<Renew, E>
    where
        F: Fn() -> Result<Client, E> + Send + Sync + 'static,
        E: Into<BoxError>,
    {
        let client = make()?;
        Ok(Renew::new(Shared::new(self, client, move || make().map_err(Into::into))))
    }
}

impl Default for RenewBuilder {
    fn default() -> Self {
        Self { timeouts: 2, pace: Duration::from_secs(10), patience: Duration::from_secs(5), on_renewal: None }
    }
}

impl fmt::Debug for RenewBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewBuilder")
            .field("timeouts", &self.timeouts)
            .field("pace", &self.pace)
            .field("patience", &self.patience)
            .field("on_renewal", &self.on_renewal.as_ref().map(|_| ".."))
            .finish()
    }
}
