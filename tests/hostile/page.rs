//! `docs/hostile.md` has the attacks that are played, and no other.

use std::collections::BTreeSet;

use crate::catalogue::{catalogue, row};
use crate::meter::alone;

const PAGE: &str = include_str!("../../docs/hostile.md");

/// Each attack's row is in its group, word for word; and each row that begins like one is an attack's.
#[test]
fn the_page_has_every_attack_and_no_other() {
    let _alone = alone();
    let mut expected = BTreeSet::new();
    for (group, attacks) in catalogue() {
        expected.insert(format!("## {group}"));
        expected.extend(attacks.iter().map(row));
    }
    let is_measured = |line: &str| line.matches(" | ").count() > 3;
    let lines = PAGE.lines().filter(|line| line.starts_with("| `") && !is_measured(line));
    let groups = PAGE.lines().filter(|line| line.starts_with("## ") && !line.ends_with('.'));
    let found: BTreeSet<_> = lines.chain(groups).map(str::to_owned).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let unknown: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:#?}\nno attacks: {unknown:#?}");
}

/// Every attack has its figures, on every client that it is played on.
#[test]
fn the_page_has_the_figures_of_every_attack() {
    let _alone = alone();
    let missing: Vec<_> = catalogue()
        .into_iter()
        .flat_map(|(_, attacks)| attacks)
        .flat_map(|attack| attack.stacks.iter().map(move |stack| format!("| `{}` | {} | ", attack.name, stack.name())))
        .filter(|begin| !PAGE.lines().any(|line| line.starts_with(begin)))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
