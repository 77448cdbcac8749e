//! What all clones of a [`Renew`](super::Renew) share, and how it is rebuilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use reqwest::Client;
use tokio::runtime::Handle;
use tower::BoxError;

use super::builder::{RenewBuilder, Renewal};
use super::suspects::Suspects;
use super::turns::{Current, Turns, Wish};

type MakeFn = dyn Fn() -> Result<Client, BoxError> + Send + Sync;

pub(super) struct Shared {
    pub(super) settings: RenewBuilder,
    pub(super) suspects: Suspects,
    make: Box<MakeFn>,
    turns: Turns<Client>,
}

impl Shared {
    pub(super) fn new(
        settings: RenewBuilder,
        client: Client,
        make: impl Fn() -> Result<Client, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self { settings, suspects: Suspects::default(), make: Box::new(make), turns: Turns::new(client) }
    }

    pub(super) fn current(&self) -> Current<Client> {
        self.turns.current()
    }

    /// Has the client of this generation replaced.
    pub(super) fn renew(self: &Arc<Self>, generation: u64) -> Wish {
        let (wish, begins) = self.turns.ask(generation, self.settings.pace);
        if begins {
            self.begin();
        }
        wish
    }

    /// Has the client replaced whenever the last time was.
    pub(super) fn renew_now(self: &Arc<Self>) {
        if self.turns.ask_now() {
            self.begin();
        }
    }

    fn begin(self: &Arc<Self>) {
        let rebuild = Rebuild(Arc::clone(self));
        // Elsewhere: it may block, and whoever asked may leave.
        let run = move || rebuild.run();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(run)),
            Err(_) => drop(thread::Builder::new().spawn(run)),
        }
    }

    fn install(&self, client: Client) -> u64 {
        // What the old client's timeouts say is no suspicion against the new one.
        self.suspects.clear();
        self.turns.install(client)
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
        self.0.turns.end();
    }
}
