//! The clients that are attacked, each with its layers as the documentation has them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_redial::connect::Pool;
use tower_redial::health::Events;
use tower_redial::resume::ResumeLayer;
use tower_redial::{ConnectionHealth, Downgrade, RetryOnCanceledLayer};

use crate::attack::Attack;
use crate::meter::{Meter, one_more};
use crate::pipe::Pipes;
use crate::support::{REQUEST_ID, clients};

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
pub(crate) type Stacked = BoxCloneSyncService<Request<Full<Bytes>>, Answer, BoxError>;

const NEVER: Duration = Duration::from_secs(1_000_000);

/// A client with its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// hyper-util's client for HTTP/2, both halves of health, and resends.
    HyperUtil,
    /// The same for HTTP/1.1.
    Http1,
    /// `connect`'s pool, and resends.
    Pool,
    /// The first under downloads that are resumed.
    Resume,
    /// The same where all may be sent once more from its beginning.
    Restart,
    /// Two clients of hyper-util's, of which the second is for HTTP/1.1.
    Downgrade,
}

impl Stack {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HyperUtil => "hyper-util",
            Self::Http1 => "hyper-util, HTTP/1.1",
            Self::Pool => "connect::Pool",
            Self::Resume => "resume",
            Self::Restart => "resume, allow_restart",
            Self::Downgrade => "downgrade",
        }
    }

    /// The client, and the events of its connections, which nobody reads.
    pub(crate) fn build(self, attack: &Arc<Attack>, meter: &Arc<Meter>) -> (Stacked, Unread) {
        let health = ConnectionHealth::default();
        let unread = Unread { _events: health.subscribe(), _health: health.clone() };
        let pipes = Pipes::new(attack, meter);
        // Without one it never comes, and a request that only it could end breaks the bound on time.
        let timeout = attack.load.timeouts.map_or(NEVER, |(attempt, _)| attempt);
        let resends = RetryOnCanceledLayer::new().resend_timeouts(true);
        let attempt = || ServiceBuilder::new().layer(health.layer()).timeout(timeout);
        let hyper = |http2| clients::builder().http2_only(http2).build(health.connector(pipes.clone()));
        let counted = ServiceBuilder::new().layer(resends).map_request(counting(meter));
        let stacked = match self {
            Self::HyperUtil => boxed(counted.service(attempt().service(hyper(true)))),
            Self::Http1 => boxed(counted.service(attempt().service(hyper(false)))),
            Self::Pool => boxed(counted.timeout(timeout).service(Pool::builder(&health, pipes.clone()).build())),
            Self::Resume | Self::Restart => {
                let resume = ResumeLayer::new().allow_restart(self == Self::Restart);
                boxed(resume.layer(counted.service(attempt().service(hyper(true)))))
            }
            Self::Downgrade => {
                let downgrade = Downgrade::builder().after(3, Duration::from_secs(60)).build();
                let connector = health.connector(downgrade.connector(pipes.clone()));
                let http2: Client<_, _> = clients::builder().http2_only(true).build(connector);
                let fallback = downgrade.layer().fallback(attempt().service(hyper(false)));
                boxed(counted.layer(fallback).service(attempt().service(http2)))
            }
        };
        (stacked, unread)
    }
}

/// What is held as long as the client is.
pub(crate) struct Unread {
    _events: Events,
    _health: ConnectionHealth,
}

/// Counts an attempt of each request that passes.
fn counting<B>(meter: &Arc<Meter>) -> impl Fn(Request<B>) -> Request<B> + Clone + Send + Sync + 'static {
    let meter = Arc::clone(meter);
    move |request| {
        let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        one_more(&meter.attempts, id.unwrap_or_default());
        request
    }
}

fn boxed<S, B>(service: S) -> Stacked
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service =
        service.map_response(|response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync()));
    BoxCloneSyncService::new(service.map_err(Into::into))
}
