//! What passed of a body, kept for a later attempt.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// Frames smaller than this are copied into one piece with their neighbours: a handle for each, and whatever larger buffer
/// each is a slice of, would cost more than their bytes.
const SMALL: usize = 1024;

/// The frames that passed, up to a limit in bytes, and how many of them the current attempt was given.
#[derive(Debug)]
pub(super) struct Recording {
    pieces: Vec<Bytes>,
    /// Small frames that came last, not yet a piece. The current attempt was given them.
    small: BytesMut,
    trailers: Option<HeaderMap>,
    /// How many pieces the current attempt was given.
    given: usize,
    trailers_given: bool,
    /// Bytes held.
    len: usize,
    limit: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All that passed is held.
    Whole,
    /// More passed than may be held: nothing is.
    Lost,
    /// Nobody will ask for it again: what the current attempt was not given yet is all that is held.
    Ending,
}

impl Recording {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            pieces: Vec::new(),
            small: BytesMut::new(),
            trailers: None,
            given: 0,
            trailers_given: false,
            len: 0,
            limit,
            state: State::Whole,
        }
    }

    /// Whether a new attempt can be given all that passed.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// A new attempt begins.
    pub(super) fn rewind(&mut self) {
        self.join_small();
        self.given = 0;
        self.trailers_given = false;
    }

    /// There will be no new attempt.
    pub(super) fn end(&mut self) {
        if self.state == State::Whole {
            self.state = State::Ending;
            self.small = BytesMut::new();
        }
        self.free_given();
    }

    /// Gives up on everything.
    pub(super) fn clear(&mut self) {
        self.pieces = Vec::new();
        self.small = BytesMut::new();
        self.trailers = None;
        self.given = 0;
        self.len = 0;
        self.state = State::Lost;
    }

    /// The next recorded data that the current attempt was not given yet.
    pub(super) fn next_data(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.given)?.clone();
        self.given += 1;
        self.free_given();
        Some(piece)
    }

    /// The recorded trailers, once.
    pub(super) fn next_trailers(&mut self) -> Option<HeaderMap> {
        if self.trailers_given {
            return None;
        }
        let trailers = if self.state == State::Ending { self.trailers.take() } else { self.trailers.clone() };
        self.trailers_given = trailers.is_some();
        trailers
    }

    /// Records data that the current attempt is being given from the source. All that was recorded must have been given
    /// before.
    pub(super) fn push_data(&mut self, data: &Bytes) {
        // An empty frame is no bytes, and there may be any number of them.
        if data.is_empty() || !self.admit(data.len()) {
            return;
        }
        if data.len() < SMALL {
            self.small.extend_from_slice(data);
            return;
        }
        self.join_small();
        self.pieces.push(data.clone());
        self.given = self.pieces.len();
    }

    /// Records trailers that the current attempt is being given from the source.
    pub(super) fn push_trailers(&mut self, trailers: &HeaderMap) {
        let len = trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if self.admit(len) {
            self.trailers = Some(trailers.clone());
            self.trailers_given = true;
        }
    }

    /// Recorded bytes that the current attempt was not given yet.
    pub(super) fn bytes_left(&self) -> u64 {
        self.pieces[self.given..].iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether the current attempt was given all that is recorded.
    pub(super) fn is_given(&self) -> bool {
        self.given == self.pieces.len() && (self.trailers_given || self.trailers.is_none())
    }

    fn admit(&mut self, more: usize) -> bool {
        if self.state != State::Whole {
            return false;
        }
        match self.len.checked_add(more) {
            Some(len) if len <= self.limit => {
                self.len = len;
                true
            }
            _ => {
                self.clear();
                false
            }
        }
    }

    fn join_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).freeze());
            self.given = self.pieces.len();
        }
    }

    fn free_given(&mut self) {
        if self.state == State::Ending {
            self.pieces.drain(..self.given);
            self.given = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field's name and its value.
    #[test]
    fn trailers_count_against_the_limit() {
        let trailers = HeaderMap::from_iter([("abc".parse().unwrap(), "0123456789".parse().unwrap())]);
        for (limit, is_whole) in [(13, true), (12, false)] {
            let mut recording = Recording::new(limit);
            recording.push_trailers(&trailers);
            assert_eq!(recording.is_whole(), is_whole, "{limit}");
        }
    }
}
