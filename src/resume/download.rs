//! How far a download is, and what follows when it breaks. No clock and no IO.

use std::time::Duration;

use super::Why;
use super::part::Part;
use crate::retry::Limits;

/// A download under way.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) part: Part,
    /// How many bytes of the part were delivered.
    received: u64,
    /// How often the rest was asked for.
    resumes: u32,
    /// Attempts, and waits for the budget, since a byte came in.
    fruitless: u32,
    /// What had been received when it broke last.
    marked: u64,
}

/// What the download may be resumed by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) max_resumes: u32,
}

impl Download {
    pub(super) const fn new(part: Part) -> Self {
        Self { part, received: 0, resumes: 0, fruitless: 0, marked: 0 }
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    pub(super) const fn resumes(&self) -> u32 {
        self.resumes
    }

    /// The first byte of the representation that is missing.
    pub(super) const fn position(&self) -> u64 {
        self.part.first + self.received
    }

    /// How many bytes are missing.
    pub(super) const fn missing(&self) -> u64 {
        self.part.length() - self.received
    }

    /// So many more came. There cannot be more than are missing.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.received = self.received.saturating_add(bytes).min(self.part.length());
    }

    /// It broke. Says whether anything had come since it did so before: then it counts as a success.
    pub(super) const fn broke(&mut self) -> bool {
        let progressed = self.received > self.marked;
        self.marked = self.received;
        if progressed {
            self.fruitless = 0;
        }
        progressed
    }

    /// How long to wait before the rest is asked for.
    pub(super) fn wait(&mut self, rules: &Rules, random: f64) -> Result<Duration, Why> {
        if let Err(why) = &self.part.validator {
            return Err(*why);
        }
        if self.resumes >= rules.max_resumes {
            return Err(Why::MaxResumes);
        }
        let wait = rules.limits.wait(self.fruitless, random).ok_or(Why::NoProgress)?;
        self.fruitless = self.fruitless.saturating_add(1);
        Ok(wait)
    }

    /// The rest is asked for now.
    pub(super) const fn resumed(&mut self) {
        self.resumes = self.resumes.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::validator::Validator;
    use http::HeaderValue;

    fn download(validator: Result<Validator, Why>) -> Download {
        Download::new(Part { first: 10, end: 110, complete: 200, validator, digest: None, trailers: false })
    }

    fn resumable() -> Download {
        download(Ok(Validator::ETag(HeaderValue::from_static(r#""a""#))))
    }

    fn rules(in_a_row: u32, max_resumes: u32) -> Rules {
        Rules { limits: Limits::after_loss().max_resends(in_a_row), max_resumes }
    }

    /// R6: what moved forward begins to count anew; what does not comes to an end.
    #[test]
    fn progress_resets_the_count() {
        let (mut download, rules) = (resumable(), rules(2, 1000));
        for round in 0..30 {
            download.advance(3);
            assert!(download.broke());
            let first = download.wait(&rules, 1.0).unwrap();
            assert!(!download.broke());
            let second = download.wait(&rules, 1.0).unwrap();
            assert_eq!((first.as_millis(), second.as_millis()), (50, 100), "{round}");
            assert!(!download.broke());
            assert_eq!(download.wait(&rules, 1.0), Err(Why::NoProgress));
        }
        assert_eq!((download.received(), download.position(), download.missing()), (90, 100, 10));
    }

    /// R6: however little each brings.
    #[test]
    fn resumes_are_bounded_in_all() {
        let (mut download, rules) = (resumable(), rules(2, 5));
        let mut resumes = 0;
        loop {
            download.advance(1);
            download.broke();
            match download.wait(&rules, 0.5) {
                Ok(_) => download.resumed(),
                Err(why) => break assert_eq!(why, Why::MaxResumes),
            }
            resumes += 1;
        }
        assert_eq!((resumes, download.resumes()), (5, 5));
    }

    #[test]
    fn without_a_validator_nothing_is_asked_for() {
        let mut download = download(Err(Why::NoValidator));
        assert_eq!(download.wait(&rules(2, 5), 0.5), Err(Why::NoValidator));
    }

    #[test]
    fn there_is_never_more_than_the_part() {
        let mut download = resumable();
        download.advance(u64::MAX);
        assert_eq!((download.received(), download.missing(), download.position()), (100, 0, 110));
    }
}
