use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::request::Parts;
use tower::Layer;

use super::grpc;
use super::policy::Policy;
use super::treatment::IDEMPOTENT_METHODS;
use super::{Event, Limits, RetryOnCanceled, Treatment, Typed};

/// The layer that puts [`RetryOnCanceled`] around a client, and the one builder of all its settings.
///
/// No setting panics; those that make no sense are brought within what does.
///
/// ```
/// use std::time::Duration;
///
/// use tower_redial::RetryOnCanceledLayer;
/// use tower_redial::retry::Limits;
///
/// let layer = RetryOnCanceledLayer::new()
///     .transparent(Limits::transparent().max_resends(20))
///     .retry_for(Duration::from_secs(60))
///     .on_retry(|event| eprintln!("{} {}: {}", event.method(), event.uri().path(), event.failure()));
/// # let _: RetryOnCanceledLayer = layer;
/// ```
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`transparent`](Self::transparent) | [`Limits::transparent`]: 6 resends, the first at once |
/// | [`after_loss`](Self::after_loss) | [`Limits::after_loss`]: 2 resends, from 50 ms |
/// | [`retry_for`](Self::retry_for) | 30 s |
/// | [`replay_limit`](Self::replay_limit) | 64 KiB |
/// | [`idempotent_methods`](Self::idempotent_methods) | GET, HEAD, PUT, DELETE, OPTIONS, TRACE |
/// | [`idempotent_grpc_methods`](Self::idempotent_grpc_methods) | none |
/// | [`single_hop`](Self::single_hop) | `true`; around reqwest `false` |
/// | [`trust_goaway`](Self::trust_goaway), [`resend_timeouts`](Self::resend_timeouts), [`resend_http_1_1_required`](Self::resend_http_1_1_required), [`observe_only`](Self::observe_only) | `false` |
///
/// # Clone
///
/// Clones, and all services made from them, share the budgets.
pub struct RetryOnCanceledLayer<M = Typed> {
    config: Arc<Config>,
    marker: PhantomData<fn() -> M>,
}

type TreatmentFn = dyn Fn(&Parts) -> Treatment + Send + Sync;
type OnRetryFn = dyn Fn(&Event<'_>) + Send + Sync;

/// What one layer's services share.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) policy: Policy,
    pub(super) replay_limit: usize,
    pub(super) idempotent_methods: Arc<[Method]>,
    pub(super) grpc_methods: Arc<[Box<str>]>,
    pub(super) treatment: Option<Arc<TreatmentFn>>,
    pub(super) on_retry: Option<Arc<OnRetryFn>>,
}

impl<M> RetryOnCanceledLayer<M> {
    /// A layer with every default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: Arc::new(Config {
                policy: Policy::default(),
                replay_limit: 64 * 1024,
                idempotent_methods: Arc::new(IDEMPOTENT_METHODS),
                grpc_methods: Arc::new([]),
                treatment: None,
                on_retry: None,
            }),
            marker: PhantomData,
        }
    }

    /// The limits for requests that were handed back, refused, or turned away by a graceful GOAWAY.
    #[must_use]
    pub fn transparent(mut self, limits: Limits) -> Self {
        self.config_mut().policy.transparent = limits;
        self
    }

    /// The limits for requests that were lost with their connection, and for connects that failed.
    #[must_use]
    pub fn after_loss(mut self, limits: Limits) -> Self {
        self.config_mut().policy.after_loss = limits;
        self
    }

    /// No resend begins later than this after the request did. It is no timeout: an attempt that is under way goes on.
    ///
    /// Put a `tower::timeout` above this layer for the whole, and one below for each attempt.
    #[must_use]
    pub fn retry_for(mut self, retry_for: Duration) -> Self {
        self.config_mut().policy.retry_for = retry_for;
        self
    }

    /// How many bytes of a request's body are kept for a resend. A larger body can be sent again only as long as nobody
    /// has taken anything of it.
    #[must_use]
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.config_mut().replay_limit = bytes;
        self
    }

    /// The methods whose requests may be processed twice. Method names are case-sensitive.
    #[must_use]
    pub fn idempotent_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.config_mut().idempotent_methods = methods.into_iter().collect();
        self
    }

    /// The gRPC methods that may be processed twice, each by its full name. gRPC sends everything by POST.
    ///
    /// ```
    /// use tower_redial::{RetryOnCanceledLayer, retry};
    ///
    /// let layer = RetryOnCanceledLayer::<retry::Boxed>::new()
    ///     .idempotent_grpc_methods(["/shop.Catalog/Get", "/shop.Catalog/List"]);
    /// # drop(layer);
    /// ```
    ///
    /// A call is told by its content-type, `application/grpc` and what may follow. Where
    /// [`treatment`](Self::treatment) says something of a call other than [`Treatment::ByRequest`], that counts.
    #[must_use]
    pub fn idempotent_grpc_methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.config_mut().grpc_methods = methods.into_iter().map(|name| grpc::method(name.as_ref())).collect();
        self
    }

    /// A predicate over the request's head, for what its method does not tell. It is asked only after a failure.
    ///
    /// ```
    /// use http::request::Parts;
    /// use tower_redial::RetryOnCanceledLayer;
    /// use tower_redial::retry::Treatment;
    ///
    /// let idempotent = ["/search", "/lookup"];
    /// let layer = RetryOnCanceledLayer::<tower_redial::retry::Typed>::new().treatment(move |head: &Parts| {
    ///     if idempotent.contains(&head.uri.path()) { Treatment::Idempotent } else { Treatment::ByRequest }
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn treatment(mut self, treatment: impl Fn(&Parts) -> Treatment + Send + Sync + 'static) -> Self {
        self.config_mut().treatment = Some(Arc::new(treatment));
        self
    }

    /// Whether the service below sends each request it is given once, to one server, and follows no redirect.
    ///
    /// Nor resends it by itself. Set this to `false` where it does: a failure then speaks of the last hop, and its proof is trusted for
    /// idempotent requests only. `POST /first` may have been processed before its redirect's target could not be reached.
    #[must_use]
    pub fn single_hop(mut self, single_hop: bool) -> Self {
        self.config_mut().policy.single_hop = Some(single_hop);
        self
    }

    /// Takes every GOAWAY for a proof, also that of a request without a body.
    ///
    /// It is not one ([`fate`](crate::fate#why-a-goaway-is-no-proof-by-itself)): with this set, a request that changes
    /// something is now and then processed twice. Other clients accept that silently.
    #[must_use]
    pub fn trust_goaway(mut self, trust: bool) -> Self {
        self.config_mut().policy.trust_goaway = trust;
        self
    }

    /// Whether idempotent requests are resent after a timeout that a layer below this one made, once for each attempt.
    ///
    /// That timeout has to be well below [`retry_for`](Self::retry_for), or the time is over when it comes.
    #[must_use]
    pub fn resend_timeouts(mut self, resend: bool) -> Self {
        self.config_mut().policy.resend_timeouts = resend;
        self
    }

    /// Whether requests are resent after HTTP_1_1_REQUIRED: say so where a [`downgrade`](crate::downgrade) stands below, around
    /// reqwest's client.
    ///
    /// With an `http::Request` that layer says so itself, for each request; reqwest's have no place for it. The resend follows
    /// the rules of [`fate`](crate::fate#http_1_1_required).
    #[must_use]
    pub fn resend_http_1_1_required(mut self, resend: bool) -> Self {
        self.config_mut().policy.resend_http11_required = resend;
        self
    }

    /// Decides and reports, but resends nothing: for a look at what would happen before it does.
    #[must_use]
    pub fn observe_only(mut self, observe_only: bool) -> Self {
        self.config_mut().policy.observe_only = observe_only;
        self
    }

    /// Is told of each failed attempt, once, at the moment when it is resent or its error goes to the caller.
    ///
    /// It runs inside the request's future: let it be short. A request that is dropped while it waits is not told of.
    #[must_use]
    pub fn on_retry(mut self, on_retry: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.config_mut().on_retry = Some(Arc::new(on_retry));
        self
    }
}

impl<M> RetryOnCanceledLayer<M> {
    fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }
}

impl<S, M> Layer<S> for RetryOnCanceledLayer<M> {
    type Service = RetryOnCanceled<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryOnCanceled::new(inner, Arc::clone(&self.config))
    }
}

impl<M> Default for RetryOnCanceledLayer<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Clone for RetryOnCanceledLayer<M> {
    fn clone(&self) -> Self {
        Self { config: Arc::clone(&self.config), marker: PhantomData }
    }
}

impl<M> fmt::Debug for RetryOnCanceledLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryOnCanceledLayer").field(&self.config).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("policy", &self.policy)
            .field("replay_limit", &self.replay_limit)
            .field("idempotent_methods", &self.idempotent_methods)
            .field("grpc_methods", &self.grpc_methods)
            .field("treatment", &self.treatment.as_ref().map(|_| ".."))
            .field("on_retry", &self.on_retry.as_ref().map(|_| ".."))
            .finish()
    }
}
