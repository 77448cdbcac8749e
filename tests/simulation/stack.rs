//! Every way in which the layers are put around a client, behind one face.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::buffer::Buffer;
use tower::reconnect::Reconnect;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_redial::body::WholeBodyLayer;
use tower_redial::connect::{MakeConnection, Pool};
use tower_redial::resume::ResumeLayer;
use tower_redial::retry::{Backoff, Boxed, Limits};
use tower_redial::{ConnectionHealth, Downgrade, ReplayBody, RetryOnCanceledLayer};

use crate::content::Content;
use crate::oracle::Oracle;
use crate::schedule::{ClientPlan, LanePlan, REPLAY_LIMIT, Stack};
use crate::server::{HTTP1, HTTP2};
use crate::transport::Connector;

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

pub(crate) type Client = BoxCloneSyncService<Request<Content>, Answer, BoxError>;

type Sent = ReplayBody<Content>;

type Inner = BoxCloneSyncService<Request<Sent>, Answer, BoxError>;

/// No attempt takes that long.
const NO_TIMEOUT: Duration = Duration::from_secs(3_600);

/// The stack of a client.
pub(crate) fn client(plan: &ClientPlan, host: &str, health: &ConnectionHealth, oracle: &Oracle) -> Client {
    let inner = inner(plan, host, health);
    let [transparent, after_loss] = plan.limits;
    let told = oracle.clone();
    let retry = RetryOnCanceledLayer::<Boxed>::new()
        .transparent(limits(Limits::transparent(), transparent))
        .after_loss(
            limits(Limits::after_loss(), after_loss)
                .backoff(Backoff::new(Duration::from_millis(20), Duration::from_millis(500))),
        )
        .retry_for(plan.retry_for)
        .replay_limit(REPLAY_LIMIT)
        .resend_timeouts(plan.per_try.is_some())
        .on_retry(move |event| told.retried(event));
    let told = oracle.clone();
    if plan.resume {
        let resume =
            ResumeLayer::new().stall_timeout(Duration::from_millis(700)).on_resume(move |event| told.resumed(event));
        erased(ServiceBuilder::new().layer(resume).layer(retry).service(inner))
    } else {
        erased(ServiceBuilder::new().layer(WholeBodyLayer::new()).layer(retry).service(inner))
    }
}

/// What watches its connections, with times that a short run can wait for.
pub(crate) fn health(plan: &ClientPlan) -> ConnectionHealth {
    const MS: fn(u64) -> Duration = Duration::from_millis;
    ConnectionHealth::builder()
        .probe_after(MS(300))
        .verify_idle(MS(300))
        .probe_timeout(MS(200))
        .dead_after(MS(500))
        .connect_timeout(MS(500))
        .handshake_timeout(MS(500))
        .max_wait(MS(1_500))
        .grace(MS(200))
        .own_goaway(plan.own_goaway)
        .max_age(plan.max_age)
        .max_requests(plan.max_requests)
        .streams_before_settings(plan.streams_before_settings)
        .build()
}

fn limits(limits: Limits, plan: LanePlan) -> Limits {
    limits.max_resends(plan.max_resends).budget_per_origin(plan.ratio, plan.per_second)
}

fn inner(plan: &ClientPlan, host: &str, health: &ConnectionHealth) -> Inner {
    let connector = |port| Connector { host: host.to_owned(), port };
    let stack = ServiceBuilder::new().layer(health.layer()).timeout(plan.per_try.unwrap_or(NO_TIMEOUT));
    let own = ServiceBuilder::new().timeout(plan.per_try.unwrap_or(NO_TIMEOUT));
    let mut builder = Legacy::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
    match plan.stack {
        Stack::Legacy => {
            erased(stack.service(builder.http2_only(true).build::<_, Sent>(health.connector(connector(HTTP2)))))
        }
        Stack::Legacy1 => erased(stack.service(builder.build::<_, Sent>(health.connector(connector(HTTP1))))),
        Stack::Downgrade => {
            let downgrade = Downgrade::builder().after(3, Duration::from_secs(5)).lasting(Duration::from_millis(600));
            let downgrade = downgrade.build();
            let http1 = builder.build::<_, Sent>(health.connector(connector(HTTP1)));
            let http1 = erased(ServiceBuilder::new().timeout(plan.per_try.unwrap_or(NO_TIMEOUT)).service(http1));
            let observed = downgrade.connector(health.connector(connector(HTTP2)));
            let http2 = erased(stack.service(builder.http2_only(true).build::<_, Sent>(observed)));
            erased(ServiceBuilder::new().layer(downgrade.layer().fallback(http1)).service(http2))
        }
        Stack::Pool => {
            let pool = Pool::<_, Sent>::builder(health, connector(HTTP2)).max_connections(3);
            let backoff = (Duration::from_millis(20), Duration::from_millis(300));
            erased(own.service(pool.backoff(backoff.0, backoff.1).build()))
        }
        Stack::Reconnect => {
            let make = MakeConnection::<_, Sent>::new(health, connector(HTTP2)).prior_knowledge(true);
            // What is made anew is not `Clone`: a buffer in front of it is.
            erased(own.service(Buffer::new(Reconnect::new(make, uri(host, "/")), 8)))
        }
    }
}

pub(crate) fn uri(host: &str, path: &str) -> Uri {
    format!("http://{host}{path}").parse().expect("a host and a path")
}

/// One type for all of them.
fn erased<S, B, R>(service: S) -> BoxCloneSyncService<Request<B>, Answer, BoxError>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let service = service.map_err(Into::into);
    BoxCloneSyncService::new(
        service.map_response(|response: Response<R>| response.map(|body| body.map_err(Into::into).boxed_unsync())),
    )
}
