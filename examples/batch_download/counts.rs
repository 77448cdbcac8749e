//! What is counted while a run goes on, wherever it happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Uri, Version};
use tower_redial::health::Origin;
use tower_redial::{resume, retry};

/// What the layers report: counts of each cause of a resend and of a resume, and of each reason for giving up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repairs(Arc<Mutex<Causes>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Causes {
    pub(crate) resends: BTreeMap<String, u64>,
    pub(crate) resumes: BTreeMap<String, u64>,
    pub(crate) gave_up: BTreeMap<String, u64>,
}

impl Repairs {
    /// For `on_retry`, which is told of each failed attempt once.
    pub(crate) fn count_resend(&self, event: &retry::Event<'_>) {
        let cause = event.failure().cause();
        let mut causes = self.causes();
        let count = match event.decision() {
            retry::Decision::Stop(stop) => causes.gave_up.entry(format!("{cause}: {stop}")),
            // A resend; whatever else a decision may become, it is one about an attempt that failed.
            _ => causes.resends.entry(cause.to_string()),
        };
        *count.or_default() += 1;
    }

    /// For `on_resume`, which is told of each body that broke once.
    pub(crate) fn count_resume(&self, event: &resume::Event<'_>) {
        let broke = event.broke().label();
        let mut causes = self.causes();
        let count = match event.decision() {
            resume::Decision::Stop(why) => causes.gave_up.entry(format!("{broke}: {why}")),
            _ => causes.resumes.entry(broke.to_owned()),
        };
        *count.or_default() += 1;
    }

    pub(crate) fn causes(&self) -> MutexGuard<'_, Causes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is spoken with each origin: how many responses each version had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Protocols(Arc<Mutex<Versions>>);

pub(crate) type Versions = BTreeMap<String, BTreeMap<String, u64>>;

impl Protocols {
    pub(crate) fn count(&self, uri: &Uri, version: Version) {
        let Some(origin) = Origin::of(uri) else { return };
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *versions.entry(origin.to_string()).or_default().entry(format!("{version:?}")).or_default() += 1;
    }

    pub(crate) fn versions(&self) -> Versions {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
