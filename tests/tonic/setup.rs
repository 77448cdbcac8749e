//! Channels, bare and with the layers.

use std::sync::{Arc, Mutex};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceBuilder;
use tower_redial::fate::{Cause, Fate};
use tower_redial::health::Builder;
use tower_redial::retry::{Boxed, Decision};
use tower_redial::tonic::{GrpcLayer, GrpcService};
use tower_redial::{ConnectionHealth, RetryOnCanceledLayer};

use crate::greeter::GreeterClient;
use crate::support::bound::within;
use crate::support::clients;

pub(crate) type Layer = RetryOnCanceledLayer<Boxed>;
pub(crate) type Client = GreeterClient<GrpcService>;

/// A channel with nothing around it.
pub(crate) async fn bare(uri: &Uri) -> GreeterClient<Channel> {
    GreeterClient::new(connect(Endpoint::from(uri.clone()), None).await)
}

/// All layers, with what a test wants of them.
pub(crate) async fn client(uri: &Uri, retry: RetryOnCanceledLayer<Boxed>) -> Client {
    client_with(Endpoint::from(uri.clone()), retry, ConnectionHealth::builder()).await
}

pub(crate) async fn client_with(endpoint: Endpoint, retry: RetryOnCanceledLayer<Boxed>, health: Builder) -> Client {
    let health = health.build();
    let origin = endpoint.uri().clone();
    let channel = connect(endpoint, Some(&health)).await;
    let layer = GrpcLayer::new(retry, health.layer().origin(&origin));
    GreeterClient::new(ServiceBuilder::new().layer(layer).service(channel))
}

async fn connect(endpoint: Endpoint, health: Option<&ConnectionHealth>) -> Channel {
    let connector: HttpConnector = clients::http_connector();
    let connected = async {
        match health {
            Some(health) => endpoint.connect_with_connector(health.connector(connector)).await,
            None => endpoint.connect_with_connector(connector).await,
        }
    };
    within("tonic to connect", connected).await.expect("a connection")
}

/// What became of each failed attempt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<Vec<(Fate, Cause, Decision)>>>);

impl Attempts {
    /// A layer that tells of them.
    pub(crate) fn layer(&self) -> RetryOnCanceledLayer<Boxed> {
        let told = Arc::clone(&self.0);
        RetryOnCanceledLayer::new().on_retry(move |event| {
            told.lock().unwrap().push((event.failure().fate(), event.failure().cause(), event.decision()));
        })
    }

    pub(crate) fn all(&self) -> Vec<(Fate, Cause, Decision)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn fates(&self) -> Vec<(Fate, &'static str)> {
        self.all().iter().map(|(fate, cause, _)| (*fate, cause.label())).collect()
    }

    /// Why the last one was not resent.
    pub(crate) fn stop(&self) -> Option<&'static str> {
        match self.all().last() {
            Some((.., Decision::Stop(stop))) => Some(stop.label()),
            _ => None,
        }
    }
}
