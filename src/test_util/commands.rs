//! Commands to many tasks, told in the order in which they asked.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// One channel for each task: those who wait for one and the same `watch` are woken in an order that tokio draws by lot,
/// so that a simulation would not repeat itself.
#[derive(Clone, Debug)]
pub struct Commands<T>(Arc<Mutex<Vec<watch::Sender<Option<T>>>>>);

impl<T> Default for Commands<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Commands<T> {
    /// Is told all commands from now on.
    pub fn subscribe(&self) -> watch::Receiver<Option<T>> {
        let (sender, receiver) = watch::channel(None);
        let mut senders = self.0.lock().unwrap();
        senders.retain(|sender| !sender.is_closed());
        senders.push(sender);
        receiver
    }

    /// Tells all that listen.
    pub fn tell(&self, command: T) {
        for sender in self.0.lock().unwrap().iter() {
            sender.send_replace(Some(command.clone()));
        }
    }
}
