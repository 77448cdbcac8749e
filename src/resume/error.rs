use std::error::Error;
use std::fmt;

use http::StatusCode;
use tower::BoxError;

use crate::body_use::BodyUse;
use crate::fate::Failure;

/// A download that is not whole: how far it got, and why it does not go on.
///
/// All that the body gave before this error are the representation's own bytes, from its beginning or that of the range that was asked for; but for
/// [`Why::Digest`], which says that they are not what the server meant them to be.
///
/// Its `source()` is what broke the download last: the error of the response's body, or of the request for the rest. `Debug` shows that
/// error's [cause](crate::Cause) only, since an error of a client's may hold the URL with its query.
pub struct Incomplete {
    pub(super) received: u64,
    pub(super) expected: Option<u64>,
    pub(super) resumes: u32,
    pub(super) why: Why,
    pub(super) source: Option<BoxError>,
}

impl Incomplete {
    /// How many bytes the body gave.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How many it should have given; `None` where that was not said.
    #[must_use]
    pub const fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// How often the rest was asked for.
    #[must_use]
    pub const fn resumes(&self) -> u32 {
        self.resumes
    }

    /// Why it does not go on.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }

    /// The same once more, without what broke it.
    pub(super) const fn again(&self) -> Self {
        let Self { received, expected, resumes, why, .. } = *self;
        Self { received, expected, resumes, why, source: None }
    }
}

impl fmt::Debug for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, expected, resumes, why, source } = self;
        let cause = source.as_ref().map(|source| Failure::of(&**source, BodyUse::Untouched).cause());
        f.debug_struct("Incomplete")
            .field("received", received)
            .field("expected", expected)
            .field("resumes", resumes)
            .field("why", why)
            .field("cause", &cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Some(expected) => write!(f, "the download ended after {} of {expected} bytes", self.received)?,
            None => write!(f, "the download ended after {} bytes", self.received)?,
        }
        match self.resumes {
            0 => {}
            1 => f.write_str(" and one resume")?,
            resumes => write!(f, " and {resumes} resumes")?,
        }
        write!(f, ": {}", self.why)
    }
}

impl Error for Incomplete {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Why a download that broke does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The response has no strong validator: an answer with the rest could not be told from another version's.
    NoValidator,
    /// The response, or the answer with the rest, does not say how long it is. Its bytes may also be those of a layer that decoded it.
    NoLength,
    /// A content coding is applied: which bytes the rest has is not known.
    Encoded,
    /// The server says that it accepts no ranges, or sends several in one response.
    NoRanges,
    /// The answer has another validator: the representation has changed.
    Changed,
    /// The answer does not say that it is of the same representation.
    Unproven,
    /// The answer came from another URL than the response: a redirect led elsewhere than before.
    Elsewhere,
    /// The server sent the same once more from its beginning, and
    /// [`allow_restart`](super::ResumeLayer::allow_restart) is not set.
    RangeIgnored,
    /// What came is not the range that was asked for, or not all of it.
    WrongRange,
    /// The request for the rest was answered with this status.
    Status(StatusCode),
    /// A response is longer than it says.
    TooLong,
    /// All bytes are there, and do not have the digest that the server announced.
    Digest,
    /// All bytes are there, and the body failed before the trailers that the response announced.
    NoTrailers,
    /// The request for the rest failed so that another cannot help.
    Permanent,
    /// So many resumes in a row brought nothing: see [`ResumeLayer::limits`](super::ResumeLayer::limits).
    NoProgress,
    /// It was resumed as often as [`max_resumes`](super::ResumeLayer::max_resumes) allows.
    MaxResumes,
    /// The budget had nothing left, and nothing came in while the download waited for it.
    BudgetExhausted,
    /// There is no tokio runtime to wait in.
    NoTimer,
}

impl Why {
    /// A short, stable name in snake case: a label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoValidator => "no_validator",
            Self::NoLength => "no_length",
            Self::Encoded => "encoded",
            Self::NoRanges => "no_ranges",
            Self::Changed => "changed",
            Self::Unproven => "unproven",
            Self::Elsewhere => "elsewhere",
            Self::RangeIgnored => "range_ignored",
            Self::WrongRange => "wrong_range",
            Self::Status(_) => "status",
            Self::TooLong => "too_long",
            Self::Digest => "digest",
            Self::NoTrailers => "no_trailers",
            Self::Permanent => "permanent",
            Self::NoProgress => "no_progress",
            Self::MaxResumes => "max_resumes",
            Self::BudgetExhausted => "budget_exhausted",
            Self::NoTimer => "no_timer",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoValidator => "it has no strong validator to be resumed by",
            Self::NoLength => "its length is not known",
            Self::Encoded => "a content coding is applied to it",
            Self::NoRanges => "the server gives no single ranges of it",
            Self::Changed => "it has changed on the server",
            Self::Unproven => "the answer does not say that it is of the same version",
            Self::Elsewhere => "the rest would have come from another URL",
            Self::RangeIgnored => "the server sent it from its beginning again",
            Self::WrongRange => "the server sent another range than was asked for",
            Self::Status(status) => return write!(f, "the request for the rest was answered with {status}"),
            Self::TooLong => "the server sent more than it said",
            Self::Digest => "its bytes do not have the digest that the server announced",
            Self::NoTrailers => "its trailers are missing",
            Self::Permanent => "the request for the rest failed for good",
            Self::NoProgress => "several resumes in a row brought nothing",
            Self::MaxResumes => "it was resumed as often as is allowed",
            Self::BudgetExhausted => "the budget for resumes is used up",
            Self::NoTimer => "there is no timer to wait with",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_far_it_got_and_why_no_further() {
        let source = Some(BoxError::from("gone"));
        let incomplete = Incomplete { received: 3, expected: Some(9), resumes: 2, why: Why::NoProgress, source };
        assert_eq!((incomplete.received(), incomplete.expected(), incomplete.resumes()), (3, Some(9), 2));
        assert_eq!(incomplete.source().unwrap().to_string(), "gone");
        assert!(incomplete.to_string().starts_with("the download ended after 3 of 9 bytes and 2 resumes: "));
        let again = incomplete.again();
        assert_eq!((again.to_string(), again.source().is_none()), (incomplete.to_string(), true));
    }

    #[test]
    fn one_resume_is_no_plural() {
        let incomplete = Incomplete { received: 3, expected: None, resumes: 1, why: Why::MaxResumes, source: None };
        assert!(incomplete.to_string().starts_with("the download ended after 3 bytes and one resume: "));
    }

    #[test]
    fn labels_are_stable() {
        for (why, label) in ALL {
            assert_eq!(why.label(), label);
        }
    }

    /// Whoever reads the text knows which it was.
    #[test]
    fn no_two_reasons_read_alike() {
        let texts: std::collections::BTreeSet<_> = ALL.iter().map(|(why, _)| why.to_string()).collect();
        assert_eq!(texts.len(), ALL.len());
        assert!(Why::Status(http::StatusCode::GONE).to_string().ends_with("was answered with 410 Gone"));
    }

    const ALL: [(Why, &str); 18] = [
        (Why::NoValidator, "no_validator"),
        (Why::NoLength, "no_length"),
        (Why::Encoded, "encoded"),
        (Why::NoRanges, "no_ranges"),
        (Why::Changed, "changed"),
        (Why::Unproven, "unproven"),
        (Why::Elsewhere, "elsewhere"),
        (Why::RangeIgnored, "range_ignored"),
        (Why::WrongRange, "wrong_range"),
        (Why::Status(http::StatusCode::GONE), "status"),
        (Why::TooLong, "too_long"),
        (Why::Digest, "digest"),
        (Why::NoTrailers, "no_trailers"),
        (Why::Permanent, "permanent"),
        (Why::NoProgress, "no_progress"),
        (Why::MaxResumes, "max_resumes"),
        (Why::BudgetExhausted, "budget_exhausted"),
        (Why::NoTimer, "no_timer"),
    ];
}
