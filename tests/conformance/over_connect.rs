//! Connections of our own: a pool of them, and one that is made anew.

use std::sync::OnceLock;

use http::{Request, Response};
use tower::buffer::Buffer;
use tower::reconnect::Reconnect;
use tower::{BoxError, Service, ServiceBuilder};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::connect::{MakeConnection, Pool};
use tower_redial::retry::Boxed;

use crate::call::BoxBody;
use crate::stacks::{SendFn, Setup, http};
use crate::support::clients;
use crate::support::tls::Trusting as _;

type Body = tower_redial::ReplayBody<BoxBody>;

pub(crate) fn pool(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>) -> SendFn {
    let health = setup.health(|builder| builder);
    let stack = ServiceBuilder::new().layer(layer).timeout(setup.timeout());
    match &setup.trusted {
        Some(identity) => http(stack.service(Pool::<_, Body>::builder(&health, identity.connector()).build())),
        None => http(stack.service(Pool::<_, Body>::builder(&health, clients::http_connector()).build())),
    }
}

/// It has one origin: it is made at the first request.
pub(crate) fn connection(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>) -> SendFn {
    let (setup, send) = (setup.clone(), OnceLock::<SendFn>::new());
    Box::new(move |call, id, uri| {
        let send = send.get_or_init(|| {
            let health = setup.health(|builder| builder);
            match &setup.trusted {
                Some(identity) => {
                    let make = MakeConnection::<_, Body>::new(&health, identity.connector());
                    over(&setup, layer.clone(), Reconnect::new(make, uri.clone()))
                }
                None => {
                    let make = MakeConnection::<_, Body>::new(&health, clients::http_connector());
                    over(&setup, layer.clone(), Reconnect::new(make.prior_knowledge(true), uri.clone()))
                }
            }
        });
        send(call, id, uri)
    })
}

fn over<S, R>(setup: &Setup, layer: RetryOnCanceledLayer<Boxed>, connection: S) -> SendFn
where
    S: Service<Request<Body>, Response = Response<R>, Error: Into<BoxError> + Send + Sync, Future: Send>
        + Send
        + 'static,
    R: http_body::Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    // What is made anew is not `Clone`: a buffer in front of it is.
    let connection = Buffer::new(connection, 8);
    http(ServiceBuilder::new().layer(layer).timeout(setup.timeout()).service(connection))
}
