//! The example `storm`, its simulation by itself: what resends add to the load of a server in an outage, and whether it recovers.
#![allow(dead_code, reason = "the example's modules have more than the tests use")]

#[path = "../examples/storm/cast.rs"]
mod cast;
#[path = "../examples/storm/plot.rs"]
mod plot;
#[path = "../examples/storm/sim/mod.rs"]
mod sim;

use cast::Player;
use sim::{Figures, Redial, Settings, Strategy};

/// A fifth of the clients and of the server, and as long an outage: the same queues for the same times.
fn small() -> Settings {
    Settings {
        clients: 200,
        processes: 200,
        capacity: 250,
        queue: 820,
        outage_at_s: 12,
        outage_s: 10,
        seconds: 45,
        ..Settings::default()
    }
}

fn play(settings: &Settings, strategy: &Strategy) -> Figures {
    sim::run(settings, strategy).expect("a runtime")
}

/// What the budget of one layer lets through in the outage: 20 % of the successes of the ten seconds before and of those in it,
/// and ten a second, ten seconds of which were saved up.
fn budget(settings: &Settings) -> u64 {
    let floor = 10 * (10 + u64::from(settings.outage_s));
    let before = u64::from(settings.clients) * 10;
    let within = u64::from(settings.capacity) * u64::from(settings.left_percent) / 100 * u64::from(settings.outage_s);
    (before + within) / 5 + floor
}

/// T1: the load of an outage is at most 1.2 times the requests, but for the floor; and the server recovers from it.
#[test]
fn one_layer_stays_within_its_budget_and_the_server_recovers() {
    for resend_timeouts in [false, true] {
        for left_percent in [20, 0] {
            let settings = Settings { left_percent, ..small() };
            let figures = play(&settings, &Strategy::Redial(Redial { resend_timeouts, ..Redial::default() }));
            assert!(figures.extra_in_outage <= budget(&settings), "{settings:?}: {figures:?}");
            let floor = u64::from(settings.outage_s) * 10 + 100;
            assert!(figures.extra_in_outage * 5 <= figures.requests_in_outage + floor * 5, "{settings:?}: {figures:?}");
            assert!(figures.extra_in_outage >= 100, "the floor is there to be used: {settings:?}: {figures:?}");
            assert!(figures.recovered_after_s.is_some_and(|after| after <= 20.0), "{settings:?}: {figures:?}");
        }
    }
}

/// The checks of the test above can fail: other retries, and the same layer without its budget, are found out by them.
#[test]
fn retries_without_a_budget_exceed_it_and_the_server_does_not_recover() {
    let settings = small();
    let without_budget = Redial { resend_timeouts: true, without_budget: true, ..Redial::default() };
    for strategy in [Strategy::AtOnce { retries: 3 }, Strategy::reqwest_retry(), Strategy::Redial(without_budget)] {
        let figures = play(&settings, &strategy);
        assert!(figures.extra_in_outage > budget(&settings), "{strategy:?}: {figures:?}");
        assert!(figures.peak_extra > 1.2, "{strategy:?}: {figures:?}");
        assert_eq!(figures.recovered_after_s, None, "{strategy:?}: {figures:?}");
        assert!(figures.wasted > 0.5, "the server works for nobody: {strategy:?}: {figures:?}");
    }
}

/// The floor is each layer's: with a process for each client it never says no, and what bounds the load is the number of resends.
/// Without a floor a fleet is bounded as one layer is.
#[test]
fn a_fleet_of_small_processes_is_bounded_only_without_a_floor() {
    let settings = small();
    let fleet = Redial { resend_timeouts: true, processes: true, ..Redial::default() };
    let figures = play(&settings, &Strategy::Redial(fleet));
    assert!(figures.extra_in_outage > budget(&settings), "{figures:?}");
    assert!(figures.extra_in_outage <= 2 * (figures.requests_in_outage + u64::from(settings.clients)), "{figures:?}");
    assert_eq!(figures.recovered_after_s, None, "{figures:?}");

    let figures = play(&settings, &Strategy::Redial(Redial { min_per_second: Some(0), ..fleet }));
    assert!(figures.extra_in_outage <= budget(&settings), "{figures:?}");
    assert!(figures.recovered_after_s.is_some_and(|after| after <= 20.0), "{figures:?}");
}

/// Where nothing draws numbers of its own, the seed decides everything.
#[test]
fn the_seed_decides_what_happens() {
    let settings = Settings { seconds: 25, ..small() };
    for strategy in [Strategy::Once, Strategy::AtOnce { retries: 3 }] {
        let [one, same] = [(); 2].map(|()| play(&settings, &strategy));
        let other = play(&Settings { seed: 2, ..settings.clone() }, &strategy);
        assert_eq!((&one.load, &one.goodput), (&same.load, &same.goodput));
        assert_ne!(one.load, other.load);
    }
}

/// With a server that is well, nobody resends anything, and all is answered.
#[test]
fn without_an_outage_all_are_the_same() {
    let settings = Settings { outage_s: 0, seconds: 20, ..small() };
    for Player { name, strategy, .. } in cast::all(&settings) {
        let figures = play(&settings, &strategy);
        assert_eq!((figures.extra, figures.answered), (0, figures.requests), "{name}");
        assert!(figures.requests > 3_500 && figures.recovered_after_s == Some(0.0), "{name}: {figures:?}");
    }
}

/// What it draws can be read as XML: each element is closed by its own end, and each line has a point for each step.
#[test]
fn the_plot_is_well_formed() {
    let settings = Settings { clients: 20, processes: 20, capacity: 25, seconds: 30, ..Settings::default() };
    let outcomes: Vec<_> = cast::all(&settings)
        .into_iter()
        .map(|player| (Player { name: "<&>".to_owned(), ..player.clone() }, play(&settings, &player.strategy)))
        .collect();
    let svg = plot::svg(&settings, &outcomes);
    let mut open = Vec::new();
    let mut lines = 0;
    for element in svg.split('<').skip(1) {
        let (tag, text) = element.split_once('>').expect("a tag that ends");
        assert!(!tag.contains('&') && !text.contains('>'), "{element}");
        assert!(
            text.split('&').skip(1).all(|rest| ["amp;", "lt;", "gt;"].iter().any(|name| rest.starts_with(name))),
            "{element}"
        );
        assert_eq!(tag.matches('"').count() % 2, 0, "{element}");
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{element}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        if let Some((_, points)) = tag.split_once("points=\"") {
            let points = points.split('"').next().unwrap_or_default();
            assert_eq!(points.split(' ').count(), settings.seconds as usize * sim::STEPS_PER_SECOND as usize);
            assert!(!points.contains("NaN") && !points.contains("inf"), "{points}");
            lines += 1;
        }
    }
    assert_eq!((open, lines), (vec![], 2 * outcomes.len()), "{svg}");
}
