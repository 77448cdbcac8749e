//! The clients: what people build of the crate's layers, one of each kind for each server.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, Service, ServiceBuilder, ServiceExt as _};
use tower_redial::connect::Pool;
use tower_redial::health::MonitoredConnector;
use tower_redial::reqwest::Renew;
use tower_redial::resume::ResumeLayer;
use tower_redial::retry::{Backoff, Limits};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::connects::{Connects, Counted};
use crate::servers::Site;
use crate::support::tls::Trusting as _;
use crate::support::{clients, tls};
use crate::watch::Watch;

pub(crate) type AnyBody = BoxBody<Bytes, Infallible>;
pub(crate) type AnyClient = BoxCloneSyncService<Request<AnyBody>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

type Connector = Counted<hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>>;

/// No resend begins later after its request did: the layer's own default.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// How long an attempt lasts at the most on a connection that has died: until it is probed, and then until it is given up.
const ATTEMPT: Duration = Duration::from_secs(10);

/// How long a request may take in these stacks, all attempts together.
pub(crate) const PROMISED: Duration = RETRY_FOR.saturating_add(ATTEMPT);

/// The clients of one server.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// hyper-util's client under both halves of health and the retry layer.
    pub(crate) layers: AnyClient,
    /// The crate's own pool under the retry layer.
    pub(crate) pool: AnyClient,
    /// reqwest, renewed when it falls silent, under the retry layer.
    pub(crate) reqwest: AnyClient,
    /// The first, under the layer for downloads.
    pub(crate) downloads: AnyClient,
}

impl Clients {
    pub(crate) fn new(site: &Site, watch: &Watch, connects: &Connects) -> Result<Self, BoxError> {
        let connector = connects.layer(site.identity.connector());
        Ok(Self {
            layers: erase(layers(site, watch, &connector)),
            pool: erase(pool(watch, &connector)),
            reqwest: reqwest(site, watch, connects)?,
            downloads: erase(downloads(site, watch, &connector)),
        })
    }
}

/// Times so short that a run of minutes has many silent connections, and so long that a busy machine makes none.
fn health() -> ConnectionHealth {
    ConnectionHealth::builder()
        .probe_after(Duration::from_secs(2))
        .probe_timeout(Duration::from_secs(1))
        .dead_after(Duration::from_secs(3))
        .connect_timeout(Duration::from_secs(4))
        .handshake_timeout(Duration::from_secs(4))
        .max_age(Duration::from_secs(30))
        .build()
}

/// The layer of somebody who knows that the servers are away now and then, for as long as they take to start: the defaults resend
/// twice, within 150 ms. Its budget bounds what an outage adds.
fn retry<M>(watch: &Watch) -> RetryOnCanceledLayer<M> {
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    let after_loss = Limits::after_loss().max_resends(20).backoff(backoff).budget_per_origin(0.2, 100);
    let watch = watch.clone();
    RetryOnCanceledLayer::new()
        .after_loss(after_loss)
        .retry_for(RETRY_FOR)
        .resend_timeouts(true)
        .on_retry(move |event| watch.decided(event))
}

fn layers(
    site: &Site,
    watch: &Watch,
    connector: &Connector,
) -> impl Service<
    Request<AnyBody>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let health = health();
    let connector: MonitoredConnector<Connector> = health.connector(connector.clone());
    // With TLS it is ALPN that chooses HTTP/2.
    let client = clients::builder().http2_only(!site.tls).build(connector);
    ServiceBuilder::new().layer(retry(watch)).layer(health.layer()).service(client)
}

fn pool(
    watch: &Watch,
    connector: &Connector,
) -> impl Service<
    Request<AnyBody>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>,
    Error: Into<BoxError>,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let pool = Pool::builder(&health(), connector.clone()).max_connections(4).build();
    ServiceBuilder::new().layer(retry(watch)).service(pool)
}

fn downloads(
    site: &Site,
    watch: &Watch,
    connector: &Connector,
) -> impl Service<
    Request<AnyBody>,
    Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let told = watch.clone();
    // As patient as the layer below.
    let limits = Limits::after_loss().max_resends(20).budget_per_origin(1.0, 100);
    let resume = ResumeLayer::new()
        .limits(limits)
        .stall_timeout(Duration::from_secs(5))
        .on_resume(move |event| told.broke(event));
    resume.layer(BoxCloneSyncService::new(layers(site, watch, connector)))
}

/// reqwest follows no redirect here, so that a proof is one for requests that change something too.
fn reqwest(site: &Site, watch: &Watch, connects: &Connects) -> Result<AnyClient, BoxError> {
    let mut config = site.identity.client_config();
    config.alpn_protocols = vec![tls::H2.to_vec()];
    let connects = connects.clone();
    let make = move || {
        reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(config.clone())
            .http2_prior_knowledge()
            .connector_layer(connects.clone())
            .timeout(ATTEMPT / 2)
            .build()
    };
    let renew = Renew::builder().timeouts(1).pace(Duration::from_secs(1)).build(make)?;
    let client = ServiceBuilder::new().layer(retry(watch).single_hop(true)).service(renew);
    let service = tower::service_fn(move |request: Request<AnyBody>| {
        let client = client.clone();
        async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))?;
            let response: Response<reqwest::Body> = client.oneshot(request).await?.into();
            Ok::<_, BoxError>(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
    });
    Ok(BoxCloneSyncService::new(service))
}

/// The same whatever it is made of.
fn erase<S, B>(client: S) -> AnyClient
where
    S: Service<Request<AnyBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let client = client.map_err(Into::into);
    BoxCloneSyncService::new(
        client.map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync())),
    )
}
