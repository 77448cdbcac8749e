use std::sync::Arc;

use super::ConnectionId;
use super::gate::Ticket;
use super::registry::Site;

/// A request that was let through its origin's gate and counts against the peer's stream limit, until this is dropped.
pub(super) struct Permit {
    site: Arc<Site>,
    connection: Option<ConnectionId>,
    answered: bool,
}

impl Permit {
    /// For a request that was counted in.
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, connection: None, answered: false }
    }

    pub(super) fn assign(&mut self, connection: ConnectionId) {
        if self.connection != Some(connection) {
            let before = self.connection.replace(connection);
            self.site.gate.assign(connection, before);
        }
    }

    pub(super) fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.site.gate.answered();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.site.gate.release(self.connection, self.answered);
    }
}

/// A place in the queue before the gate, given up when this is dropped.
pub(super) struct Place {
    pub(super) site: Arc<Site>,
    pub(super) ticket: Option<Ticket>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.site.gate.leave(ticket);
        }
    }
}
