//! tonic's channel, with requests of any method: it takes them all.

use std::sync::OnceLock;

use http::Uri;
use tonic::transport::Endpoint;
use tower::{BoxError, ServiceBuilder};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::retry::Boxed;
use tower_redial::tonic::{GrpcLayer, GrpcService};

use crate::stacks::{SendFn, Setup, http};
use crate::support::clients;
use crate::support::tls::Trusting as _;

/// A channel has one origin: it is made at the first request.
pub(crate) fn send(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>) -> SendFn {
    let (setup, send) = (setup.clone(), OnceLock::<SendFn>::new());
    Box::new(move |call, id, uri| {
        let send = send.get_or_init(|| {
            let service = service(&setup, layer.clone(), &uri);
            http(ServiceBuilder::new().map_err(BoxError::from).service(service))
        });
        send(call, id, uri)
    })
}

fn service(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>, uri: &Uri) -> GrpcService {
    let health = setup.health(|builder| builder.own_goaway(true));
    // TLS ends in the connector, where frames can be seen.
    let plain = uri.to_string().replace("https://", "http://");
    let endpoint = Endpoint::from_shared(plain).expect("a URI").origin(uri.clone()).timeout(setup.timeout());
    let channel = match &setup.trusted {
        Some(identity) => endpoint.connect_with_connector_lazy(health.connector(identity.connector_for_http_uris())),
        None => endpoint.connect_with_connector_lazy(health.connector(clients::http_connector())),
    };
    ServiceBuilder::new().layer(GrpcLayer::new(layer, health.layer())).service(channel)
}
