//! Who takes part.

use super::sim::{Redial, Settings, Strategy};

/// A kind of client, and how it is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) name: String,
    pub(crate) strategy: Strategy,
    /// Colours that stay apart for those who see fewer of them (Okabe and Ito's).
    pub(crate) colour: &'static str,
    pub(crate) dashes: &'static str,
}

/// All of them, in the order of the table.
pub(crate) fn all(settings: &Settings) -> Vec<Player> {
    let Settings { processes, min_per_second, .. } = *settings;
    let player = |name: &str, strategy, colour, dashes| Player { name: name.to_owned(), strategy, colour, dashes };
    let timeouts = Redial { resend_timeouts: true, ..Redial::default() };
    let spread = Redial { processes: true, ..Redial::default() };
    let both = Redial { processes: true, ..timeouts };
    vec![
        player("no layer", Strategy::Once, "#000000", "2 3"),
        player("3 retries at once", Strategy::AtOnce { retries: 3 }, "#d55e00", ""),
        player("reqwest-retry, 3 retries", Strategy::reqwest_retry(), "#cc79a7", ""),
        player("redial, one layer", Strategy::Redial(Redial::default()), "#0072b2", ""),
        player("redial, one layer, timeouts too", Strategy::Redial(timeouts), "#009e73", ""),
        player(&format!("redial, {processes} layers"), Strategy::Redial(spread), "#0072b2", "7 4"),
        player(&format!("redial, {processes} layers, timeouts too"), Strategy::Redial(both), "#009e73", "7 4"),
        player(
            &format!("the same, min_per_second {min_per_second}"),
            Strategy::Redial(Redial { min_per_second: Some(min_per_second), ..both }),
            "#e69f00",
            "7 4",
        ),
    ]
}
