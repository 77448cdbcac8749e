//! The scripted server, which does what no other can be made to do at will.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{SCRIPTED, STREAMS, Site, answer};
use crate::dice::Dice;
use crate::support::files::mix;
use crate::support::tls::Identity;
use crate::support::{Counters, Cut, Fault, FaultyServer, GoAway, GoAwayStyle, Ledger, Received, reason};

/// What is done to the next request, whichever that is.
type Armed = Arc<Mutex<Option<Fault>>>;

/// A server of our own.
#[derive(Debug)]
pub(crate) struct Scripted {
    server: FaultyServer,
    armed: Armed,
}

impl Scripted {
    pub(super) async fn start(tls: bool, seed: u64) -> (Site, Self) {
        let (ledger, identity, armed) = (Ledger::new(), Identity::new(), Armed::default());
        let styles = [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered];
        let goaways =
            styles.into_iter().zip([120, 300, 180, 500]).map(|(style, every)| GoAway::every(every).style(style));
        let arm = Arc::clone(&armed);
        let mut builder = FaultyServer::builder()
            .ledger(ledger.clone())
            .announced_streams(STREAMS)
            .goaway_in_turn(goaways)
            .choose(move |received, nth| choose(&arm, received, seed, nth))
            .handler(|received, body| answer(received, &body))
            .delay(Duration::from_millis(1));
        if tls {
            builder = builder.tls(identity.clone());
        }
        let server = builder.start().await;
        let (scheme, suffix) = if tls { ("https", "+tls") } else { ("http", "") };
        let site = Site {
            name: format!("{SCRIPTED}{suffix}"),
            version: concat!("of tower-redial ", env!("CARGO_PKG_VERSION")).to_owned(),
            base: format!("{scheme}://{}", server.addr()),
            tls,
            identity,
            ledger,
        };
        (site, Self { server, armed })
    }

    /// Winds up every connection, in a style that chance gives.
    pub(crate) fn go_away(&self, dice: &mut Dice) {
        let styles = [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered];
        let reasons = [reason::NO_ERROR, reason::NO_ERROR, reason::ENHANCE_YOUR_CALM, reason::INTERNAL_ERROR];
        let goaway = GoAway::every(0).style(*dice.of(&styles)).reason(*dice.of(&reasons));
        self.server.go_away(goaway);
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self, dice: &mut Dice) {
        self.server.cut(*dice.of(&[Cut::Fin, Cut::Rst]));
    }

    /// The next request's connection falls silent.
    pub(crate) fn silence(&self, dice: &mut Dice) {
        let silence = Fault::Silence { processed: dice.below(2) == 0 };
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(silence);
    }

    pub(crate) fn counters(&self) -> Counters {
        self.server.counters()
    }

    /// What clients did against the protocol.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.server.violations()
    }
}

/// What is armed; or a fault for one request of about fifty, and for every third download.
fn choose(armed: &Armed, received: &Received, seed: u64, nth: u64) -> Option<Fault> {
    if let Some(fault) = armed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Some(fault);
    }
    let chance = mix(seed ^ nth);
    if received.path.starts_with("/files/") {
        let after = usize::try_from(chance >> 8).unwrap_or_default() % 16_384;
        return match chance % 18 {
            0 => Some(Fault::ResetBody { after, reason: reason::INTERNAL_ERROR }),
            1 => Some(Fault::ResetBody { after, reason: reason::NO_ERROR }),
            2 => Some(Fault::EndBody { after }),
            3 => Some(Fault::StallBody { after }),
            4 => Some(Fault::CutBody { after, how: Cut::Fin }),
            5 => Some(Fault::CutBody { after, how: Cut::Rst }),
            _ => None,
        };
    }
    let processed = chance >> 60 & 1 == 0;
    match chance % 1_000 {
        0..=15 => Some(Fault::Refuse),
        16 => Some(Fault::Reset { reason: reason::CANCEL, processed }),
        17 => Some(Fault::Reset { reason: reason::INTERNAL_ERROR, processed }),
        18 => Some(Fault::Reset { reason: reason::NO_ERROR, processed }),
        19 => Some(Fault::Cut { how: if processed { Cut::Fin } else { Cut::Rst }, processed }),
        _ => None,
    }
}
