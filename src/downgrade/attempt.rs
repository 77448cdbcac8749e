//! One attempt over HTTP/2, and what its end says of HTTP/2.

use std::error::Error;
use std::sync::Arc;

use http::{Extensions, Uri};

use super::io::Observed;
use super::machine::{Outcome, Route};
use super::registry::Hub;
use super::request::Need;
use crate::fate::{BodyUse, Cause, Failure, Reason, connect_info, is_http1, is_stream_error_of_ours};
use crate::health::Origin;

/// How a request goes.
pub(crate) enum Way {
    /// Where it would go without this layer, and nothing is learned of it.
    Unseen,
    /// Over HTTP/2, if that is what its client and the server agree on.
    Http2(Attempt),
    Http1,
}

impl Way {
    pub(super) fn of(hub: &Arc<Hub>, origin: Option<Origin>, need: Need) -> Self {
        let Some(origin) = origin else { return Self::Unseen };
        let needs_http2 = need == Need::Http2;
        let (epoch, probe) = if needs_http2 {
            (hub.epoch(&origin), None)
        } else {
            match hub.route(&origin, need == Need::Spared) {
                Route::Http2 { epoch } => (epoch, None),
                // What came down with others before it says enough of a probe too.
                Route::Probe(probe) => (0, Some(probe)),
                Route::Http1 => return Self::Http1,
            }
        };
        Self::Http2(Attempt { hub: Arc::clone(hub), origin, epoch, probe, needs_http2 })
    }
}

/// One attempt over HTTP/2.
///
/// A probe that is dropped has shown nothing: another may be made.
pub(crate) struct Attempt {
    hub: Arc<Hub>,
    origin: Origin,
    epoch: u64,
    probe: Option<u64>,
    needs_http2: bool,
}

impl Attempt {
    /// A response came, with these extensions.
    pub(crate) fn answered(mut self, extensions: &Extensions) {
        // Where its socket is watched, that says when it has come to its end, or that it never will.
        match extensions.get::<Observed>() {
            Some(observed) if observed.is_undecided() || observed.died() => self.probe = None,
            _ => self.tell(Outcome::Answered),
        }
    }

    /// It failed. Whether it was for HTTP_1_1_REQUIRED, and the request's next attempt goes over HTTP/1.1.
    pub(crate) fn failed(mut self, error: &(dyn Error + 'static)) -> bool {
        // A head that is too large, say, came by a connection of which others are served.
        let lives = is_stream_error_of_ours(error);
        let outcome = if lives { Outcome::Nothing } else { outcome(error, self.origin.scheme() == "https") };
        self.tell(outcome);
        if outcome != Outcome::Required {
            return false;
        }
        // It serves nobody any more, and the next probe is to have a new one.
        if let Some(connected) = connect_info(error) {
            connected.poison();
        }
        !self.needs_http2 && self.hub.is_downgraded(&self.origin)
    }

    fn tell(&mut self, outcome: Outcome) {
        match (self.probe.take(), outcome) {
            (Some(probe), outcome) => self.hub.probed(&self.origin, probe, outcome),
            (None, Outcome::Answered) => self.hub.answered(&self.origin),
            (None, Outcome::Required) => self.hub.required(&self.origin),
            (None, Outcome::Died) => self.hub.died(&self.origin, self.epoch),
            (None, Outcome::Nothing) => {}
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.probe.is_some() {
            self.tell(Outcome::Nothing);
        }
    }
}

/// What an error says of HTTP/2.
fn outcome(error: &(dyn Error + 'static), https: bool) -> Outcome {
    let cause = Failure::of(error, BodyUse::Untouched).cause();
    let died = match cause {
        Cause::Http11Required => return Outcome::Required,
        // Too many resets, or pings, of this side's: what it does itself.
        Cause::GoAway { reason } => !matches!(reason, Reason::NO_ERROR | Reason::ENHANCE_YOUR_CALM),
        // By ENHANCE_YOUR_CALM this side's h2 ends a connection on which its own resets were too many (h2 #856).
        Cause::Local { reason } => reason != Reason::ENHANCE_YOUR_CALM,
        Cause::Closed | Cause::Silent => true,
        _ => false,
    };
    let connected = connect_info(error);
    // With ALPN it is known what was spoken.
    let spoke_http1 = https && connected.is_some_and(|connected| !connected.is_negotiated_h2());
    if !died || spoke_http1 || is_http1(error) {
        return Outcome::Nothing;
    }
    let mut extras = Extensions::new();
    if let Some(connected) = connected {
        connected.get_extras(&mut extras);
    }
    // Its socket knows better: it saw whether the connection had been of use, and whether it was wound up before.
    let died = extras
        .get::<Observed>()
        .is_none_or(|observed| observed.died() || (cause == Cause::Silent && observed.is_undecided()));
    if died { Outcome::Died } else { Outcome::Nothing }
}

/// The origin of a request of one client: HTTP/2 is chosen by ALPN there, so without TLS there is no choice.
pub(super) fn with_alpn(uri: &Uri) -> Option<Origin> {
    Origin::of(uri).filter(|origin| origin.scheme() == "https")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::{io, thread};

    use super::super::machine::Settings;
    use super::*;
    use crate::fate::{Fate, Verdict};

    fn hub(settings: Settings) -> Arc<Hub> {
        let hub = Arc::new(Hub::new(settings, 16));
        hub.fall_back();
        hub
    }

    fn origin() -> Option<Origin> {
        Origin::of(&Uri::from_static("https://example.com/"))
    }

    fn http2(hub: &Arc<Hub>, need: Need) -> Attempt {
        match Way::of(hub, origin(), need) {
            Way::Http2(attempt) => attempt,
            Way::Http1 | Way::Unseen => panic!("not over HTTP/2"),
        }
    }

    #[test]
    fn a_dropped_probe_gives_its_place_up() {
        let lasting = Duration::from_millis(400);
        let hub = hub(Settings { lasting, ..Settings::default() });
        hub.required(&origin().unwrap());
        thread::sleep(lasting);
        let probe = http2(&hub, Need::Spared);
        assert!(matches!(Way::of(&hub, origin(), Need::Spared), Way::Http1));
        drop(probe);
        thread::sleep(lasting / 8);
        http2(&hub, Need::Spared).answered(&Extensions::new());
        drop((http2(&hub, Need::Spared), http2(&hub, Need::Spared)));
    }

    /// X3: what needs HTTP/2 goes over it, and takes no probe's place.
    #[test]
    fn what_needs_http2_gets_it() {
        let hub = hub(Settings { lasting: Duration::MAX, ..Settings::default() });
        hub.required(&origin().unwrap());
        assert!(matches!(Way::of(&hub, origin(), Need::Spared), Way::Http1));
        http2(&hub, Need::Http2).answered(&Extensions::new());
        assert!(matches!(Way::of(&hub, origin(), Need::Spared), Way::Http1));
    }

    /// What comes down together is one death.
    #[test]
    fn one_connection_dies_once() {
        let lost = || Verdict::connection_lost("lost");
        let hub = hub(Settings { after: Some((2, Duration::MAX)), lasting: Duration::MAX });
        let attempts: Vec<_> = (0..100).map(|_| http2(&hub, Need::Spared)).collect();
        for attempt in attempts {
            assert!(!attempt.failed(&lost()));
        }
        assert_eq!(hub.snapshot().origins[0].died, 1);
        http2(&hub, Need::Spared).answered(&Extensions::new());
        assert_eq!(hub.snapshot().origins[0].died, 0, "it was of use");
        http2(&hub, Need::Spared).failed(&lost());
        http2(&hub, Need::Spared).failed(&lost());
        assert!(matches!(Way::of(&hub, origin(), Need::Spared), Way::Http1));
    }

    /// X4: what this side did, and what came before there was HTTP/2, says nothing of it.
    #[test]
    fn errors_of_ones_own_are_no_sign() {
        let signs = |error: &(dyn Error + 'static)| outcome(error, true);
        assert_eq!(signs(&Verdict::connection_lost("lost")), Outcome::Died);
        assert_eq!(signs(&Verdict::connection_silent("silent")), Outcome::Died);
        assert_eq!(signs(&io::Error::from(io::ErrorKind::ConnectionReset)), Outcome::Died);
        assert_eq!(signs(&Verdict::not_sent("no room")), Outcome::Nothing);
        assert_eq!(signs(&Verdict::not_connected("no route")), Outcome::Nothing);
        assert_eq!(signs(&io::Error::from(io::ErrorKind::ConnectionRefused)), Outcome::Nothing);
        assert_eq!(signs(&io::Error::other("a body's")), Outcome::Nothing);
        assert_eq!(signs(&tower::timeout::error::Elapsed::new()), Outcome::Nothing);
    }

    /// By ENHANCE_YOUR_CALM this side's h2 ends a connection for this side's resets.
    #[test]
    fn what_this_sides_h2_ends_is_the_peers_doing_but_for_resets_of_ones_own() {
        for (reason, died) in [(Reason::ENHANCE_YOUR_CALM, 0), (Reason::PROTOCOL_ERROR, 1)] {
            let hub = hub(Settings { after: Some((9, Duration::MAX)), lasting: Duration::MAX });
            let local = Verdict::new(Failure::new(Fate::Unknown, Cause::Local { reason }), "ended");
            assert!(!http2(&hub, Need::Spared).failed(&local));
            let counted: usize = hub.snapshot().origins.iter().map(|origin| origin.died).sum();
            assert_eq!(counted, died, "{reason}");
        }
    }
}
