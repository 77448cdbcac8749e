//! What a client does when an attempt fails.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{RetryDecision, RetryPolicy};
use tokio::time::sleep;
use tower::timeout::Timeout;
use tower::{Layer, ServiceExt};
use tower_redial::RetryOnCanceledLayer;
use tower_redial::retry::{Boxed, Limits, RetryOnCanceled};

use super::server::Server;

/// Under each strategy: the server, with the timeout for one attempt.
pub(super) type Attempt = Timeout<Server>;

/// A kind of client.
#[derive(Clone, Debug)]
pub(crate) enum Strategy {
    /// One attempt, come what may.
    Once,
    /// So many more, each in the instant when the last has failed.
    AtOnce { retries: u32 },
    /// reqwest-retry's policy, which its middleware asks after a timeout, a failed connect and a reset connection: after all
    /// that can fail here.
    ReqwestRetry(ExponentialBackoff),
    /// This crate's layer.
    Redial(Redial),
}

/// How this crate's layer is set: by default, but for what is said here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Redial {
    /// Timeouts are resent as well.
    pub(crate) resend_timeouts: bool,
    /// The clients are spread over processes, none of which knows of the others' failures. Otherwise all share one layer.
    pub(crate) processes: bool,
    /// Resends a second in any case, where it is not the default.
    pub(crate) min_per_second: Option<u32>,
    /// No budget at all: what the checks must be able to find.
    pub(crate) without_budget: bool,
}

impl Redial {
    fn layer(self) -> RetryOnCanceledLayer<Boxed> {
        let mut limits = Limits::after_loss();
        if let Some(min_per_second) = self.min_per_second {
            limits = limits.budget_per_origin(0.2, min_per_second);
        }
        if self.without_budget {
            limits = limits.without_budget();
        }
        RetryOnCanceledLayer::new().resend_timeouts(self.resend_timeouts).after_loss(limits)
    }
}

impl Strategy {
    /// reqwest-retry as its documentation sets it up: three retries, and the builder's defaults.
    pub(crate) fn reqwest_retry() -> Self {
        Self::ReqwestRetry(ExponentialBackoff::builder().build_with_max_retries(3))
    }

    /// As many clients as are asked for. Every `processes`th has the same layer, where each process has its own.
    pub(super) fn clients(&self, attempt: &Attempt, processes: u32) -> impl Iterator<Item = Client> {
        let processes = match self {
            Self::Redial(redial) if redial.processes => processes,
            _ => 1,
        };
        let of_each: Vec<_> = (0..processes).map(|_| self.client(attempt.clone())).collect();
        of_each.into_iter().cycle()
    }

    fn client(&self, attempt: Attempt) -> Client {
        match self {
            Self::Once => Client::AtOnce { attempt, retries: 0 },
            Self::AtOnce { retries } => Client::AtOnce { attempt, retries: *retries },
            Self::ReqwestRetry(policy) => Client::ReqwestRetry { attempt, policy: *policy },
            Self::Redial(redial) => Client::Redial(redial.layer().layer(attempt)),
        }
    }
}

/// One client.
#[derive(Clone, Debug)]
pub(super) enum Client {
    AtOnce { attempt: Attempt, retries: u32 },
    ReqwestRetry { attempt: Attempt, policy: ExponentialBackoff },
    Redial(RetryOnCanceled<Attempt, Boxed>),
}

impl Client {
    /// Sends one GET. Whether it was answered.
    pub(super) async fn get(self) -> bool {
        match self {
            Self::AtOnce { attempt, retries } => {
                for _ in 0..=retries {
                    if attempt.clone().oneshot(request()).await.is_ok() {
                        return true;
                    }
                }
                false
            }
            Self::ReqwestRetry { attempt, policy } => {
                let mut past = 0;
                while attempt.clone().oneshot(request()).await.is_err() {
                    // As its middleware does: the policy names an instant of the wall clock, counted from now.
                    let RetryDecision::Retry { execute_after } = policy.should_retry(SystemTime::now(), past) else {
                        return false;
                    };
                    sleep(execute_after.duration_since(SystemTime::now()).unwrap_or_default()).await;
                    past += 1;
                }
                true
            }
            Self::Redial(service) => service.oneshot(request()).await.is_ok(),
        }
    }
}

fn request() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static("http://server/");
    request
}
