use std::sync::Arc;
use std::time::Duration;

use crate::fate::Failure;

/// Response extension: the failed attempts before the one that this response answers.
///
/// It is there only if there was a resend, so that a request that goes well costs nothing.
///
/// ```
/// use http::Response;
/// use tower_redial::retry::Attempts;
///
/// fn log<B>(response: &Response<B>) {
///     for attempt in response.extensions().get::<Attempts>().into_iter().flat_map(Attempts::iter) {
///         println!("{}: {}, resent after {:?}", attempt.number(), attempt.failure(), attempt.waited());
///     }
/// }
/// # log(&Response::new(()));
/// ```
#[derive(Clone, Debug)]
pub struct Attempts {
    attempts: Arc<[Attempt]>,
    resends: u32,
}

impl Attempts {
    pub(super) fn new(attempts: Vec<Attempt>, resends: u32) -> Self {
        Self { attempts: attempts.into(), resends }
    }

    /// The failed attempts, in order; the first hundred, if there were more.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Attempt> {
        self.attempts.iter()
    }

    /// How often the request was resent.
    #[must_use]
    pub fn resends(&self) -> u32 {
        self.resends
    }
}

/// One attempt that failed and was followed by another.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub(super) number: u32,
    pub(super) failure: Failure,
    pub(super) failed_after: Duration,
    pub(super) waited: Duration,
}

impl Attempt {
    /// Its number; the first is 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// What its failure proved, and why it came.
    #[must_use]
    pub const fn failure(&self) -> Failure {
        self.failure
    }

    /// When it failed, from the beginning of the request.
    #[must_use]
    pub const fn failed_after(&self) -> Duration {
        self.failed_after
    }

    /// The backoffs before the next attempt.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

/// Request extension on every resend: how many attempts came before. OpenTelemetry calls it
/// `http.request.resend_count`.
///
/// A [`RetryOnCanceled`](super::RetryOnCanceled) that meets it on a request which it did not put it on resends nothing:
/// the layer above does, and attempts must not multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendCount(u32);

impl ResendCount {
    /// For a request that a layer of your own has resent this often.
    #[must_use]
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The count; 1 on the first resend.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}
