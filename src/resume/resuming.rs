use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{BoxError, Service};

use super::came_from::CameFrom;
use super::digest::Running;
use super::download::Download;
use super::event::{Break, Decision, Event};
use super::layer::Config;
use super::part::Part;
use super::timer::Timer;
use super::{Incomplete, Progress, Why, range};
use crate::body::{Whole, WrongLength};
use crate::body_use::BodyUse;
use crate::fate::{Cause, Failure, Fate, sources};
use crate::jitter;

/// All that a download needs beside the body that is being read.
pub(super) struct Resuming<S, B>
where
    S: Service<Request<B>>,
{
    service: S,
    /// The caller's request, as the first attempt had it.
    head: Parts,
    config: Arc<Config>,
    came_from: Option<CameFrom>,
    download: Download,
    progress: Progress,
    digest: Option<Running>,
    /// So many bytes of the body that is being read were delivered before.
    skip: u64,
    /// The body that is being read has more behind the part.
    has_more: bool,
    /// The body that is being read, or one before it, was a part of the part.
    is_joined: bool,
    phase: Phase<S::Future>,
    broke: Break,
    source: Option<BoxError>,
    waited: Duration,
    timer: Timer,
}

enum Phase<F> {
    Reading,
    Waiting(Duration),
    Readying,
    Asking(Pin<Box<F>>),
}

impl<S, B> Resuming<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(service: S, head: Parts, config: Arc<Config>, part: Part, came_from: Option<CameFrom>) -> Self {
        let digest = part.digest.as_ref().filter(|_| config.check_digest && part.is_all()).map(Running::new);
        Self {
            service,
            head,
            config,
            came_from,
            progress: Progress::new(part.length()),
            download: Download::new(part),
            digest,
            skip: 0,
            has_more: false,
            is_joined: false,
            phase: Phase::Reading,
            broke: Break::Short,
            source: None,
            waited: Duration::ZERO,
            timer: Timer::default(),
        }
    }

    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) const fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Reading)
    }

    pub(super) const fn missing(&self) -> u64 {
        self.download.missing()
    }

    /// Whether there is nothing more to read, though the body that is being read may have more.
    pub(super) const fn is_cut_off(&self) -> bool {
        self.has_more && self.download.missing() == 0
    }

    /// Whether all bytes are there, and were found to be right.
    pub(super) const fn is_checked(&self) -> bool {
        self.download.missing() == 0 && self.digest.is_none()
    }

    /// What is new in a frame's data; nothing, if that was all delivered before.
    pub(super) fn take(&mut self, mut data: impl Buf) -> Result<Option<Bytes>, Incomplete> {
        if data.has_remaining() {
            self.timer.disarm();
        }
        let skip = self.skip.min(data.remaining() as u64);
        data.advance(skip as usize);
        self.skip -= skip;
        let len = self.download.missing().min(data.remaining() as u64);
        let bytes = data.copy_to_bytes(len as usize);
        if bytes.is_empty() {
            return Ok(None);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(&bytes);
        }
        if len == self.download.missing() {
            self.check_digest()?;
        }
        self.download.advance(len);
        self.progress.set_received(self.download.received());
        Ok(Some(bytes))
    }

    /// The trailers of the whole: what those of a rest say of the rest's own content is left out (RFC 9530, section 2).
    pub(super) fn trailers(&self, mut trailers: HeaderMap) -> HeaderMap {
        if self.is_joined {
            trailers.remove("content-digest");
        }
        trailers
    }

    /// All bytes came, and nothing after them.
    pub(super) fn finish(&mut self) -> Result<(), Incomplete> {
        self.check_digest()?;
        self.config.rules.limits.deposit(&self.head.uri);
        Ok(())
    }

    fn check_digest(&mut self) -> Result<(), Incomplete> {
        if self.digest.take().is_none_or(Running::matches) {
            return Ok(());
        }
        Err(self.give_up(Break::AtTheEnd, None, Why::Digest))
    }

    /// Nothing has come for too long. Where there is no use in it, nobody waits for that.
    pub(super) fn is_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let can_help = self.download.part.validator.is_ok() || self.download.missing() == 0;
        can_help && self.timer.poll_stalled(self.config.stall_timeout, cx).is_ready()
    }

    /// The body that was being read stands still, or has failed. `Ok(true)` if nothing was missing but its end.
    pub(super) fn break_off(&mut self, error: Option<BoxError>) -> Result<bool, Incomplete> {
        let wrong = error.as_ref().and_then(|error| error.downcast_ref::<WrongLength>()).copied();
        let broke = match (&error, wrong) {
            (None, _) => Break::Stalled,
            (Some(_), Some(_)) => Break::Short,
            (Some(error), None) => Break::Failed(cause(&**error)),
        };
        if wrong.is_some_and(|wrong| wrong.received() > wrong.expected()) {
            return Err(self.give_up(broke, error, Why::TooLong));
        }
        if self.download.missing() > 0 {
            return self.broke(broke, error).map(|()| false);
        }
        if self.download.part.trailers {
            return Err(self.give_up(Break::AtTheEnd, error, Why::NoTrailers));
        }
        self.finish()?;
        Ok(true)
    }

    /// Decides what follows.
    fn broke(&mut self, broke: Break, source: Option<BoxError>) -> Result<(), Incomplete> {
        self.timer.disarm();
        if self.download.broke() {
            self.config.rules.limits.deposit(&self.head.uri);
        }
        self.broke = broke;
        self.source = source;
        self.waited = Duration::ZERO;
        self.wait_or(Why::NoProgress)
    }

    /// Waits for the next attempt; gives up for this reason where there were too many that brought nothing.
    fn wait_or(&mut self, exhausted: Why) -> Result<(), Incomplete> {
        let wait = match self.download.wait(&self.config.rules, jitter::random()) {
            Ok(wait) => wait,
            Err(Why::NoProgress) => return Err(self.stop(exhausted)),
            Err(why) => return Err(self.stop(why)),
        };
        self.waited = self.waited.saturating_add(wait);
        self.phase = Phase::Waiting(wait);
        Ok(())
    }

    /// The error that ends the download.
    fn stop(&mut self, why: Why) -> Incomplete {
        self.report(Decision::Stop(why));
        Incomplete {
            received: self.download.received(),
            expected: Some(self.download.part.length()),
            resumes: self.download.resumes(),
            why,
            source: self.source.take(),
        }
    }

    fn give_up(&mut self, broke: Break, source: Option<BoxError>, why: Why) -> Incomplete {
        self.broke = broke;
        self.source = source.or_else(|| self.source.take());
        self.stop(why)
    }

    fn report(&self, decision: Decision) {
        let event = Event {
            head: &self.head,
            broke: self.broke,
            decision,
            resumes: self.download.resumes(),
            received: self.download.received(),
            expected: self.download.part.length(),
        };
        #[cfg(feature = "tracing")]
        super::trace::event(&event);
        if let Some(on_resume) = &self.config.on_resume {
            on_resume(&event);
        }
    }
}

impl<S, B, R> Resuming<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Default,
    R: http_body::Body,
{
    /// The body with the rest.
    pub(super) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<Whole<R>, Incomplete>> {
        loop {
            match &mut self.phase {
                Phase::Reading => return Poll::Pending,
                Phase::Waiting(wait) => {
                    let wait = *wait;
                    if !wait.is_zero() {
                        match self.timer.poll(wait, cx) {
                            Some(waited) => ready!(waited),
                            None => return Poll::Ready(Err(self.stop(Why::NoTimer))),
                        }
                    }
                    self.phase = Phase::Readying;
                    // Who never waits must not keep the task's other futures from their turn.
                    if wait.is_zero() {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Phase::Readying => match self.service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => self.ask()?,
                    Poll::Ready(Err(error)) => self.ask_failed(error.into())?,
                    Poll::Pending => ready!(self.poll_stalled(cx))?,
                },
                Phase::Asking(future) => match future.as_mut().poll(cx) {
                    Poll::Ready(Ok(response)) => return Poll::Ready(self.join(response)),
                    Poll::Ready(Err(error)) => self.ask_failed(error.into())?,
                    Poll::Pending => ready!(self.poll_stalled(cx))?,
                },
            }
        }
    }

    /// The service is ready: the request goes out, if the budget pays for it.
    fn ask(&mut self) -> Result<(), Incomplete> {
        self.timer.disarm();
        if !self.config.rules.limits.withdraw(&self.head.uri) {
            self.let_go();
            return self.wait_or(Why::BudgetExhausted);
        }
        self.report(Decision::Resume { waited: self.waited });
        self.download.resumed();
        self.progress.set_resumes(self.download.resumes());
        let request = Request::from_parts(self.head_for_the_rest(), B::default());
        self.phase = Phase::Asking(Box::pin(self.service.call(request)));
        Ok(())
    }

    fn head_for_the_rest(&self) -> Parts {
        let mut head = self.head.clone();
        // They were about all of it; whether it is still the same is what `If-Range` asks.
        for condition in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            head.headers.remove(condition);
        }
        let Part { end, complete, .. } = self.download.part;
        head.headers.insert(RANGE, range::ask(self.download.position(), end, complete));
        if let Ok(validator) = &self.download.part.validator {
            head.headers.insert(IF_RANGE, validator.value().clone());
        }
        head
    }

    /// What the service keeps ready for a request, or the place that it has in a queue for it, is not kept while the download
    /// waits.
    fn let_go(&mut self) {
        self.service = self.service.clone();
    }

    fn ask_failed(&mut self, error: BoxError) -> Result<(), Incomplete> {
        let failure = Failure::of(&*error, BodyUse::Untouched);
        // What nobody knows may pass, and a request that only reads can be made again.
        if failure.fate() == Fate::Permanent && failure.cause() != Cause::Other {
            return Err(self.give_up(Break::Failed(failure.cause()), Some(error), Why::Permanent));
        }
        self.let_go();
        self.broke(Break::Failed(cause(&*error)), Some(error))
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Incomplete>> {
        self.timer.poll_stalled(self.config.stall_timeout, cx).map(|()| {
            self.let_go();
            self.broke(Break::Stalled, None)
        })
    }

    fn join(&mut self, response: Response<R>) -> Result<Whole<R>, Incomplete> {
        self.timer.disarm();
        self.phase = Phase::Reading;
        let (head, body) = response.into_parts();
        let elsewhere =
            self.came_from.as_ref().zip(head.extensions.get()).is_some_and(|(then, now)| !then.is_where(now));
        if elsewhere {
            return Err(self.give_up(Break::Refused, None, Why::Elsewhere));
        }
        let position = self.download.position();
        let rest = self.download.part.rest(position, self.config.allow_restart, head.status, &head.headers);
        let rest = match rest {
            Ok(rest) => rest,
            Err(why) => return Err(self.give_up(Break::Refused, None, why)),
        };
        self.is_joined |= head.status == StatusCode::PARTIAL_CONTENT;
        self.skip = rest.skip;
        self.has_more = rest.length > rest.skip + self.download.missing();
        if rest.skip == 0 {
            self.progress.keep(self.download.received());
        }
        Ok(Whole::new(body, Some(rest.length)))
    }
}

/// The first cause that is known down the chain: errors of a body's are wrapped by clients in errors that say nothing of it.
fn cause(error: &(dyn Error + 'static)) -> Cause {
    let causes = sources(error).map(|error| Failure::of(error, BodyUse::Untouched).cause());
    causes.into_iter().find(|cause| *cause != Cause::Other).unwrap_or(Cause::Other)
}
