//! The clients that are compared: what people have, and the same with our layers.

use std::future::{Ready, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower::retry::Policy;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::connect::Pool;
use tower_redial::reqwest::Renew;
use tower_redial::retry::{Backoff, Limits};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::connects::Connects;
use crate::support::clients;

pub(crate) type Outgoing = Request<Full<Bytes>>;
type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
pub(crate) type Client = BoxCloneSyncService<Outgoing, Answer, BoxError>;

/// One column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// hyper-util's client by itself.
    HyperUtil,
    /// The same under `tower::retry`, which resends after every error, up to three times.
    TowerRetry,
    /// reqwest as it comes.
    Reqwest,
    /// The same under reqwest-retry, up to three times with its exponential backoff.
    ReqwestRetry,
    /// hyper-util's client under our layers, with the monitored connector.
    Layers,
    /// Our pool under our retry layer.
    Pool,
    /// reqwest, renewed when it falls silent, under our retry layer.
    Renewed,
}

impl Stack {
    pub(crate) const ALL: [Self; 7] =
        [Self::HyperUtil, Self::TowerRetry, Self::Reqwest, Self::ReqwestRetry, Self::Layers, Self::Pool, Self::Renewed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HyperUtil => "hyper-util",
            Self::TowerRetry => "hyper-util, tower::retry",
            Self::Reqwest => "reqwest",
            Self::ReqwestRetry => "reqwest, reqwest-retry",
            Self::Layers => "redial, hyper-util",
            Self::Pool => "redial, its pool",
            Self::Renewed => "redial, reqwest",
        }
    }

    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Layers | Self::Pool | Self::Renewed)
    }

    /// Which of ours is around the same client.
    pub(crate) const fn ours(self) -> Option<Self> {
        match self {
            Self::HyperUtil | Self::TowerRetry => Some(Self::Layers),
            Self::Reqwest | Self::ReqwestRetry => Some(Self::Renewed),
            _ => None,
        }
    }

    /// The client, whose connects are counted.
    pub(crate) fn client(self, connects: &Connects, patient: bool) -> Client {
        match self {
            Self::HyperUtil => erase(clients::builder().http2_only(true).build(connector(connects))),
            Self::TowerRetry => {
                let client = clients::builder().http2_only(true).build(connector(connects));
                erase(ServiceBuilder::new().retry(ResendAll { left: 3 }).service(client))
            }
            Self::Reqwest => {
                let client = reqwest(connects).build().expect("a client");
                over_reqwest(client)
            }
            Self::ReqwestRetry => {
                let policy = ExponentialBackoff::builder().build_with_max_retries(3);
                let client = reqwest_middleware::ClientBuilder::new(reqwest(connects).build().expect("a client"))
                    .with(RetryTransientMiddleware::new_with_policy(policy))
                    .build();
                over_reqwest(tower::service_fn(move |request| {
                    let client = client.clone();
                    async move { client.execute(request).await }
                }))
            }
            Self::Layers => {
                let health = health();
                let client = clients::builder().http2_only(true).build(health.connector(connector(connects)));
                erase(ServiceBuilder::new().layer(retry(patient)).layer(health.layer()).service(client))
            }
            Self::Pool => {
                let pool = Pool::builder(&health(), connector(connects)).prior_knowledge(true).build();
                erase(ServiceBuilder::new().layer(retry(patient)).service(pool))
            }
            Self::Renewed => {
                let connects = connects.clone();
                // The timeout is what tells a silent connection here.
                let make = move || {
                    let builder = reqwest(&connects).retry(reqwest::retry::never());
                    builder.redirect(reqwest::redirect::Policy::none()).timeout(2 * SUSPICIOUS).build()
                };
                let client = Renew::builder().timeouts(1).pace(Duration::from_secs(1)).build(make).expect("a client");
                let layer = retry(patient).single_hop(true).resend_timeouts(true);
                over_reqwest(ServiceBuilder::new().layer(layer).service(client))
            }
        }
    }
}

/// How long a connection has to be silent to be probed.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// The default is to suspect nobody before 15 seconds: a row of a minute shows as much, and takes longer.
fn health() -> ConnectionHealth {
    ConnectionHealth::builder().probe_after(SUSPICIOUS).probe_timeout(SUSPICIOUS).dead_after(SUSPICIOUS).build()
}

/// The defaults, or those of somebody who knows that the server may be away for ten seconds, or refuses many times in a row.
fn retry<M>(patient: bool) -> RetryOnCanceledLayer<M> {
    let layer = RetryOnCanceledLayer::new();
    if !patient {
        return layer;
    }
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let limits = Limits::after_loss().max_resends(30).backoff(backoff).without_budget();
    layer.transparent(Limits::transparent().max_resends(20)).after_loss(limits).retry_for(Duration::from_secs(15))
}

fn connector(connects: &Connects) -> crate::connects::Counted<hyper_util::client::legacy::connect::HttpConnector> {
    tower::Layer::layer(connects, clients::http_connector())
}

/// With all its defaults, its own retry among them, but for proxies and trust.
fn reqwest(connects: &Connects) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(crate::support::tls::trust_nobody())
        .http2_prior_knowledge()
        .connector_layer(connects.clone())
}

fn over_reqwest<S, R>(client: S) -> Client
where
    S: Service<reqwest::Request, Response = R, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static,
    R: Into<Response<reqwest::Body>> + 'static,
{
    let client = client.map_err(Into::into);
    BoxCloneSyncService::new(tower::service_fn(move |request: Outgoing| {
        let client = client.clone();
        async move {
            let (head, body) = request.into_parts();
            // Bytes, so that whoever resends by cloning can.
            let bytes = body.collect().await.expect("it is infallible").to_bytes();
            let request = reqwest::Request::try_from(Request::from_parts(head, bytes))?;
            let response: Response<reqwest::Body> = client.oneshot(request).await?.into();
            Ok::<_, BoxError>(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
    }))
}

fn erase<S, B>(client: S) -> Client
where
    S: Service<Outgoing, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let client = client.map_err(Into::into);
    BoxCloneSyncService::new(
        client.map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync())),
    )
}

/// What people write for `tower::retry`.
#[derive(Clone, Copy, Debug)]
struct ResendAll {
    left: u32,
}

impl<A, E> Policy<Outgoing, A, E> for ResendAll {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Outgoing, result: &mut Result<A, E>) -> Option<Ready<()>> {
        if result.is_ok() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Outgoing) -> Option<Outgoing> {
        Some(request.clone())
    }
}
