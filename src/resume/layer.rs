use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower::Layer;

use super::download::Rules;
use super::{Event, Resume};
use crate::retry::Limits;

/// The layer that puts [`Resume`] around a client, and the one builder of all its settings.
///
/// No setting panics.
///
/// ```
/// use std::time::Duration;
///
/// use tower_redial::resume::ResumeLayer;
///
/// let layer = ResumeLayer::new()
///     .stall_timeout(Duration::from_secs(20))
///     .on_resume(|event| eprintln!("{} after {} bytes", event.broke().label(), event.received()));
/// # drop(layer);
/// ```
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`limits`](Self::limits) | 8 resumes in a row that bring nothing, after 50 ms doubling up to 5 s; a budget of as many as successes, and 10 a second |
/// | [`max_resumes`](Self::max_resumes) | 1,000 for each download |
/// | [`stall_timeout`](Self::stall_timeout) | 30 s |
/// | [`allow_restart`](Self::allow_restart) | `false` |
/// | [`check_digest`](Self::check_digest) | `true` |
///
/// # Clone
///
/// Clones, and all services made from them, share the budget.
#[derive(Clone)]
pub struct ResumeLayer {
    config: Arc<Config>,
}

type OnResumeFn = dyn Fn(&Event<'_>) + Send + Sync;

/// What one layer's services share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) rules: Rules,
    pub(super) stall_timeout: Duration,
    pub(super) allow_restart: bool,
    pub(super) check_digest: bool,
    pub(super) on_resume: Option<Arc<OnResumeFn>>,
}

impl ResumeLayer {
    /// A layer with every default.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits::after_loss().max_resends(8).budget_per_origin(1.0, 10);
        Self {
            config: Arc::new(Config {
                rules: Rules { limits, max_resumes: 1_000 },
                stall_timeout: Duration::from_secs(30),
                allow_restart: false,
                check_digest: true,
                on_resume: None,
            }),
        }
    }

    /// How often a download is resumed in a row without a byte in between, how fast, and out of which budget.
    ///
    /// An attempt that brings a byte begins to count anew, and is a success to the budget. A download that the budget
    /// does not pay for waits for it as it would before another attempt, and each wait counts as one. Give
    /// [`RetryOnCanceledLayer::after_loss`](crate::RetryOnCanceledLayer::after_loss) a clone of the same limits, and both
    /// draw on one budget. With [`max_resends(0)`](Limits::max_resends) nothing is resumed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config_mut().rules.limits = limits;
        self
    }

    /// How often one download is resumed in all, however far each attempt brought it. With
    /// [`allow_restart`](Self::allow_restart) each may fetch all of it again.
    #[must_use]
    pub fn max_resumes(mut self, max_resumes: u32) -> Self {
        self.config_mut().rules.max_resumes = max_resumes;
        self
    }

    /// How long a download may stand still, while somebody reads it, until it counts as broken; and how long the head of the
    /// answer to a request for the rest may take.
    ///
    /// [`Duration::MAX`] waits for ever. What cannot be resumed is not broken off.
    #[must_use]
    pub fn stall_timeout(mut self, stall_timeout: Duration) -> Self {
        self.config_mut().stall_timeout = stall_timeout;
        self
    }

    /// Whether a server that ignores ranges may send everything once more, where the validator says that it is the same. What was
    /// delivered is then fetched again, and skipped.
    #[must_use]
    pub fn allow_restart(mut self, allow: bool) -> Self {
        self.config_mut().allow_restart = allow;
        self
    }

    /// Whether a whole representation is checked against the `Repr-Digest` that the server sends with it (RFC 9530; sha-256 and
    /// sha-512).
    ///
    /// It costs the digest, about as much as TLS does, and nothing where the server sends none.
    #[must_use]
    pub fn check_digest(mut self, check: bool) -> Self {
        self.config_mut().check_digest = check;
        self
    }

    /// Is told of each time that a download broke of which it is known which bytes it has, once, at the moment when the rest is
    /// asked for or the error goes to the reader.
    ///
    /// It runs while the body is polled: let it be short.
    #[must_use]
    pub fn on_resume(mut self, on_resume: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.config_mut().on_resume = Some(Arc::new(on_resume));
        self
    }

    fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }
}

impl<S> Layer<S> for ResumeLayer {
    type Service = Resume<S>;

    fn layer(&self, inner: S) -> Resume<S> {
        Resume::new(inner, Arc::clone(&self.config))
    }
}

impl Default for ResumeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ResumeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResumeLayer").field(&self.config).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("rules", &self.rules)
            .field("stall_timeout", &self.stall_timeout)
            .field("allow_restart", &self.allow_restart)
            .field("check_digest", &self.check_digest)
            .field("on_resume", &self.on_resume.as_ref().map(|_| ".."))
            .finish()
    }
}
