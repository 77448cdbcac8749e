//! kube's client, with its own layers around ours.

use std::sync::OnceLock;

use http::{Request, Uri};
use hyper_util::client::legacy::connect::Connect;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::ServiceBuilder;
use tower_redial::health::MonitoredConnector;
use tower_redial::retry::Boxed;
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::stacks::{SendFn, Setup, read};
use crate::support::tls::Trusting as _;
use crate::support::{REQUEST_ID, clients};

/// The client has one API server: it is made at the first request.
pub(crate) fn send(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>) -> SendFn {
    let (setup, client) = (setup.clone(), OnceLock::<Client>::new());
    Box::new(move |call, id, uri| {
        let client = client.get_or_init(|| client_of(&setup, layer.clone(), &uri)).clone();
        let request = Request::builder().method(call.method).uri(uri.path()).header(REQUEST_ID, id);
        let request = request.body(Body::from(call.bytes().to_vec())).expect("a method and a path");
        Box::pin(async move { read(client.send(request).await?).await })
    })
}

fn client_of(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>, uri: &Uri) -> Client {
    let mut base = uri.clone().into_parts();
    base.path_and_query = Some("/".parse().expect("a path"));
    let config = Config::new(Uri::from_parts(base).expect("a scheme and an authority"));
    let health = setup.health(|builder| builder);
    match &setup.trusted {
        Some(identity) => over(setup, config, layer, &health, health.connector(identity.connector()), false),
        None => over(setup, config, layer, &health, health.connector(clients::http_connector()), true),
    }
}

fn over<C>(
    setup: &Setup,
    config: Config,
    layer: RetryOnCanceledLayer<Boxed>,
    health: &ConnectionHealth,
    connector: MonitoredConnector<C>,
    prior_knowledge: bool,
) -> Client
where
    MonitoredConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(layer)
        .option_layer(config.auth_layer().expect("no credentials"))
        .layer(health.layer())
        .timeout(setup.timeout())
        .service(clients::builder().http2_only(prior_knowledge).build(connector));
    Client::new(service, config.default_namespace)
}
