//! One server's account, as those share it who tell it something.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use tower_redial::resume;
use tower_redial::retry::{Decision, Event};

use crate::account::Account;

/// The handle to an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Account>>);

impl Watch {
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For `on_retry`.
    pub(crate) fn decided(&self, event: &Event<'_>) {
        let (number, failure) = (number(event.uri()), event.failure());
        match event.decision() {
            Decision::Stop(stop) => self.account().stopped(number, failure.fate(), failure.cause(), stop),
            // A resend; whatever else a decision may become, it is one about an attempt that failed.
            _ => self.account().resent(number, failure.cause()),
        }
    }

    /// For `on_resume`.
    pub(crate) fn broke(&self, event: &resume::Event<'_>) {
        if let resume::Decision::Resume { .. } = event.decision() {
            self.account().resumed(event.broke().label());
        }
    }
}

/// Where the request with this number goes: events show the URI, and not the headers.
pub(crate) fn uri(base: &str, path: &str, number: u64) -> Result<Uri, http::Error> {
    format!("{base}{path}?{number}").parse().map_err(Into::into)
}

fn number(uri: &Uri) -> u64 {
    uri.query().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}
