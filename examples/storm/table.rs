//! What came of it, as a table.

use crate::cast::Player;
use crate::sim::{Figures, Settings};

const HEADER: [&str; 6] = ["peak extra", "in outage", "extra load", "answered", "wasted", "recovers"];

pub(crate) fn table(settings: &Settings, outcomes: &[(Player, Figures)]) -> String {
    let mut text = format!(
        "{} clients, each a GET about once a second, {} ms for each attempt; a server for {} a second, {} waiting at the most;\n",
        settings.clients, settings.timeout_ms, settings.capacity, settings.queue
    );
    text.push_str(&format!(
        "{} % of that from {} s to {} s; {} s in all; seed {}{}\n\n",
        settings.left_percent,
        settings.outage_at_s,
        settings.back_at_s(),
        settings.seconds,
        settings.seed,
        if settings.drops_abandoned { "; requests that were given up are left out" } else { "" }
    ));
    let width = outcomes.iter().map(|(player, _)| player.name.len()).max().unwrap_or_default();
    text.push_str(&row(width, "", &HEADER.map(str::to_owned)));
    for (player, figures) in outcomes {
        text.push_str(&row(width, &player.name, &cells(settings, figures)));
    }
    text
}

fn cells(settings: &Settings, figures: &Figures) -> [String; 6] {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    [
        percent(figures.peak_extra),
        percent(figures.extra_load_in_outage()),
        percent(figures.extra_load()),
        percent(figures.success_rate()),
        percent(figures.wasted),
        figures.recovers(settings),
    ]
}

fn row(width: usize, name: &str, cells: &[String; 6]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
    format!("{name:<width$}{cells}\n")
}
