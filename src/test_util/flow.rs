//! Flow control (RFC 9113, 5.2 and 6.9), pure accounting.

use super::wire::{DEFAULT_FRAME_SIZE, DEFAULT_WINDOW, setting};

/// What we may still receive, on a stream or on the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    left: i64,
}

impl ReceiveWindow {
    /// A window of the size the peer was told.
    pub(super) fn new(size: u32) -> Self {
        Self { size, left: i64::from(size) }
    }

    /// Takes what a DATA frame used. `false` when the peer sent more than it may.
    #[must_use]
    pub(super) fn take(&mut self, flow: u32) -> bool {
        self.left -= i64::from(flow);
        self.left >= 0
    }

    /// What to give back by WINDOW_UPDATE, once half of the window is used; not sooner, to keep the frames few.
    pub(super) fn give_back(&mut self) -> Option<u32> {
        let used = i64::from(self.size) - self.left;
        if used * 2 < i64::from(self.size) || used <= 0 {
            return None;
        }
        self.left = i64::from(self.size);
        u32::try_from(used).ok()
    }
}

/// What the peer lets us send, on the connection and on a stream that begins now.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendLimits {
    /// The connection's window.
    pub connection: i64,
    /// The window a new stream begins with; a change of it changes every open stream's as well.
    pub initial: i64,
    /// The largest frame the peer takes.
    pub frame_size: usize,
}

impl Default for SendLimits {
    fn default() -> Self {
        let window = i64::from(DEFAULT_WINDOW);
        Self { connection: window, initial: window, frame_size: DEFAULT_FRAME_SIZE }
    }
}

impl SendLimits {
    /// Takes the peer's SETTINGS; returns by how much the open streams' windows change.
    pub(super) fn settings(&mut self, values: &[(u16, u32)]) -> i64 {
        let before = self.initial;
        for (id, value) in values {
            match *id {
                setting::INITIAL_WINDOW_SIZE => self.initial = i64::from(*value),
                // Larger frames would be allowed, but let streams interleave less well.
                setting::MAX_FRAME_SIZE => self.frame_size = DEFAULT_FRAME_SIZE.min(*value as usize),
                _ => {}
            }
        }
        self.initial - before
    }

    /// How much of `wanted` one DATA frame may carry now.
    pub(super) fn allowance(&self, stream: i64, wanted: usize) -> usize {
        let window = self.connection.min(stream).max(0);
        wanted.min(self.frame_size).min(usize::try_from(window).unwrap_or(usize::MAX))
    }
}
