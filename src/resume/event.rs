use std::fmt;
use std::time::Duration;

use http::Uri;
use http::request::Parts;

use super::Why;
use crate::fate::Cause;

/// A download that broke and what was decided about it, as [`ResumeLayer::on_resume`](super::ResumeLayer::on_resume) is told.
///
/// Its `Debug` shows no URI: it may hold secrets.
pub struct Event<'a> {
    pub(super) head: &'a Parts,
    pub(super) broke: Break,
    pub(super) decision: Decision,
    pub(super) resumes: u32,
    pub(super) received: u64,
    pub(super) expected: u64,
}

/// How a download broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The response's body, or the request for the rest, failed.
    Failed(Cause),
    /// The body ended cleanly, but early.
    Short,
    /// Nothing came for the [`stall_timeout`](super::ResumeLayer::stall_timeout).
    Stalled,
    /// The answer to the request for the rest cannot be joined on.
    Refused,
    /// All bytes were there; see [`Why::Digest`] and [`Why::NoTrailers`].
    AtTheEnd,
}

/// What became of a download that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The rest is asked for now.
    Resume {
        /// The waits that came before.
        waited: Duration,
    },
    /// The error goes to whoever reads the body.
    Stop(Why),
}

impl Event<'_> {
    /// The request's URI. It may hold secrets.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// How it broke.
    #[must_use]
    pub const fn broke(&self) -> Break {
        self.broke
    }

    /// Whether the rest is asked for, and if not, why.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// How often the rest was asked for before.
    #[must_use]
    pub const fn resumes(&self) -> u32 {
        self.resumes
    }

    /// How many bytes the body has given.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How many it gives in all.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.expected
    }
}

impl Break {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failed(cause) => cause.label(),
            Self::Short => "short",
            Self::Stalled => "stalled",
            Self::Refused => "refused_rest",
            Self::AtTheEnd => "at_the_end",
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("broke", &self.broke)
            .field("decision", &self.decision)
            .field("resumes", &self.resumes)
            .field("received", &self.received)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable() {
        let labels = [Break::Failed(Cause::Silent), Break::Short, Break::Stalled, Break::Refused, Break::AtTheEnd]
            .map(Break::label);
        assert_eq!(labels, ["silent", "short", "stalled", "refused_rest", "at_the_end"]);
    }
}
