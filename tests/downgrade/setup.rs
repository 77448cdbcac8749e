//! Clients in both forms, and servers that are ill for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use tower_redial::downgrade::{Builder, DowngradeConnector, Event, EventKind, OriginSnapshot, State};
use tower_redial::health::{Events, Notice};
use tower_redial::{Downgrade, RetryOnCanceledLayer};

use crate::support::bound::within;
use crate::support::faulty_server;
use crate::support::message::Received;
use crate::support::tls::Identity;
use crate::support::tls::Trusting as _;
use crate::support::{Fault, FaultyServer, clients};

pub(crate) type Service = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, BoxError>;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The two ways to install it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// One client, whose connector falls back.
    OneClient,
    /// Two clients.
    TwoClients,
}

pub(crate) const FORMS: [Form; 2] = [Form::OneClient, Form::TwoClients];

/// One that only HTTP_1_1_REQUIRED sets off.
pub(crate) fn quiet() -> Builder {
    Downgrade::builder()
}

/// One that so many deaths set off.
pub(crate) fn after(deaths: u32) -> Builder {
    Downgrade::builder().after(deaths, MINUTE)
}

impl Form {
    /// Without resends.
    pub(crate) fn bare(self, downgrade: &Downgrade, identity: &Identity) -> Service {
        match self {
            Self::OneClient => {
                let connector = falling_back(downgrade, identity);
                BoxCloneSyncService::new(connector.layer().layer(clients::builder().build(connector)))
            }
            Self::TwoClients => {
                let layer = downgrade.layer().fallback(http1(identity));
                BoxCloneSyncService::new(layer.layer(http2(downgrade, identity)))
            }
        }
    }

    /// Under a retry layer.
    pub(crate) fn resent(self, downgrade: &Downgrade, identity: &Identity) -> Service {
        let stack = ServiceBuilder::new().layer(RetryOnCanceledLayer::new());
        match self {
            Self::OneClient => {
                let connector = falling_back(downgrade, identity);
                let layer = connector.layer();
                BoxCloneSyncService::new(stack.layer(layer).service(clients::builder().build(connector)))
            }
            Self::TwoClients => {
                let layer = downgrade.layer().fallback(http1(identity));
                BoxCloneSyncService::new(stack.layer(layer).service(http2(downgrade, identity)))
            }
        }
    }
}

type Https = HttpsConnector<HttpConnector>;
type Observed = DowngradeConnector<Https>;

fn falling_back(downgrade: &Downgrade, identity: &Identity) -> Observed {
    downgrade.connector(identity.connector()).fallback(identity.connector_h1())
}

fn http2<B>(downgrade: &Downgrade, identity: &Identity) -> Client<Observed, B>
where
    B: Body + Send,
    B::Data: Send,
{
    clients::builder().build(downgrade.connector(identity.connector()))
}

fn http1<B>(identity: &Identity) -> Client<Https, B>
where
    B: Body + Send,
    B::Data: Send,
{
    clients::builder().build(identity.connector_h1())
}

/// A server for both versions, on one port with TLS.
pub(crate) fn both() -> faulty_server::Builder {
    FaultyServer::builder().tls(Identity::new()).http1()
}

/// Whether a server is ill.
#[derive(Clone, Debug)]
pub(crate) struct Ill(Arc<AtomicBool>);

impl Ill {
    pub(crate) fn yes() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn cure(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// What to do to each request over HTTP/2 while it is.
    pub(crate) fn with(&self, fault: Fault) -> impl Fn(&Received, u64) -> Option<Fault> + Send + Sync + use<> {
        let ill = self.clone();
        move |_: &Received, _| ill.0.load(Ordering::SeqCst).then_some(fault)
    }
}

/// The whole body of the response to a request.
pub(crate) async fn fetch(service: &Service, request: Request<Full<Bytes>>) -> Result<Bytes, BoxError> {
    let response = within("a response", service.clone().oneshot(request)).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

/// A GET.
pub(crate) async fn get(service: &Service, uri: Uri, id: &str) -> Result<Bytes, BoxError> {
    fetch(service, clients::get(uri, id)).await
}

/// The one origin that was in trouble.
pub(crate) fn only(downgrade: &Downgrade) -> OriginSnapshot {
    let mut origins = downgrade.snapshot().origins;
    assert_eq!(origins.len(), 1, "{origins:?}");
    origins.remove(0)
}

pub(crate) fn is_over_http1(downgrade: &Downgrade) -> bool {
    matches!(only(downgrade).state, State::Http1 { .. })
}

/// Waits until something happens.
pub(crate) async fn until(events: &mut Events<Event>, wanted: impl Fn(&EventKind) -> bool) -> Event {
    within("an event", async {
        loop {
            match events.next().await.expect("the downgrade is there") {
                Notice::Event(event) if wanted(&event.kind) => return event,
                Notice::Event(_) => {}
                Notice::Missed(missed) => panic!("{missed} events missed"),
            }
        }
    })
    .await
}

/// What has happened so far.
pub(crate) fn so_far(events: &mut Events<Event>) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    while let Some(Some(Notice::Event(event))) = futures_util::FutureExt::now_or_never(events.next()) {
        kinds.push(event.kind);
    }
    kinds
}
