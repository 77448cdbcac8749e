//! What all clones of a [`Renew`](super::Renew) share, and how it is rebuilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use reqwest::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::BoxError;

use super::builder::{RenewBuilder, Renewal};
use super::suspects::Suspects;

type MakeFn = dyn Fn() -> Result<Client, BoxError> + Send + Sync;

pub(super) struct Shared {
    pub(super) settings: RenewBuilder,
    pub(super) suspects: Suspects,
    make: Box<MakeFn>,
    current: RwLock<Current>,
    progress: Mutex<Progress>,
    /// How many rebuilds have ended, well or not.
    ended: watch::Sender<u64>,
}

#[derive(Clone)]
pub(super) struct Current {
    pub(super) client: Client,
    pub(super) generation: u64,
}

#[derive(Default)]
struct Progress {
    building: bool,
    /// When the last rebuild began.
    last: Option<Instant>,
}

/// What becomes of a wish for a new client.
pub(super) enum Wish {
    /// A rebuild is under way: this changes when it has ended.
    UnderWay(watch::Receiver<u64>),
    /// There is a newer client already, or it is too soon for another.
    Declined,
}

impl Shared {
    pub(super) fn new(
        settings: RenewBuilder,
        client: Client,
        make: impl Fn() -> Result<Client, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            settings,
            suspects: Suspects::default(),
            make: Box::new(make),
            current: RwLock::new(Current { client, generation: 0 }),
            progress: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }

    pub(super) fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the client of this generation replaced.
    pub(super) fn renew(self: &Arc<Self>, generation: u64) -> Wish {
        // Before anything else, so that no end is missed.
        let ended = self.ended.subscribe();
        let progress = self.progress();
        if self.current().generation != generation {
            return Wish::Declined;
        }
        if !progress.building {
            if progress.last.is_some_and(|last| last.elapsed() < self.settings.pace) {
                return Wish::Declined;
            }
            self.begin(progress);
        }
        Wish::UnderWay(ended)
    }

    /// Has the client replaced whenever the last time was.
    pub(super) fn renew_now(self: &Arc<Self>) {
        let progress = self.progress();
        if !progress.building {
            self.begin(progress);
        }
    }

    fn begin(self: &Arc<Self>, mut progress: MutexGuard<'_, Progress>) {
        progress.building = true;
        progress.last = Some(Instant::now());
        // A rebuild that cannot be run ends at once, and wants the lock for it.
        drop(progress);
        let rebuild = Rebuild(Arc::clone(self));
        // Elsewhere: it may block, and whoever asked may leave.
        let run = move || rebuild.run();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(run)),
            Err(_) => drop(thread::Builder::new().spawn(run)),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, client: Client) -> u64 {
        // What the old client's timeouts say is no suspicion against the new one.
        self.suspects.clear();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        let old = std::mem::replace(&mut *current, Current { client, generation });
        drop(current);
        // Perhaps the last of its handles, and its pool goes with it.
        drop(old);
        generation
    }
}

/// A rebuild under way. It has ended when this is dropped, also where a runtime that shuts down never runs it.
struct Rebuild(Arc<Shared>);

impl Rebuild {
    fn run(&self) {
        let shared = &*self.0;
        let made = catch_unwind(AssertUnwindSafe(|| (shared.make)()));
        let renewal = match made.unwrap_or_else(|_| Err("the closure that makes the client panicked".into())) {
            Ok(client) => Renewal::Renewed { generation: shared.install(client) },
            Err(error) => Renewal::Failed { error },
        };
        #[cfg(feature = "tracing")]
        super::trace::renewal(&renewal);
        if let Some(on_renewal) = &shared.settings.on_renewal {
            on_renewal(&renewal);
        }
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.0.progress().building = false;
        self.0.ended.send_modify(|ended| *ended += 1);
    }
}
