use proptest::prelude::*;

use super::*;

const WITHIN: Duration = Duration::from_secs(60);
const LASTING: Duration = Duration::from_secs(300);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn machine() -> Machine {
    Machine::new(Settings { after: Some((3, WITHIN)), lasting: LASTING })
}

/// A connection begins and dies.
fn die(machine: &mut Machine, now: Duration) -> Option<EventKind> {
    machine.died(machine.epoch(), now)
}

fn probe(machine: &mut Machine, now: Duration) -> u64 {
    match machine.route(true, now) {
        (Route::Probe(probe), Some(EventKind::Probing)) => probe,
        other => panic!("no probe: {other:?}"),
    }
}

const DOWNGRADED: Option<EventKind> = Some(EventKind::Downgraded { reason: Trouble::Died, lasting: LASTING });

/// X2: so many in so long, then HTTP/1.1 for a set time, then one probe.
#[test]
fn deaths_in_a_row_downgrade() {
    let mut machine = machine();
    assert_eq!(die(&mut machine, secs(0)), Some(EventKind::Died { in_a_row: 1 }));
    assert_eq!(die(&mut machine, secs(30)), Some(EventKind::Died { in_a_row: 2 }));
    assert!(matches!(machine.route(true, secs(30)).0, Route::Http2 { .. }));
    assert_eq!(die(&mut machine, secs(60)), DOWNGRADED);
    assert_eq!(machine.route(true, secs(359)), (Route::Http1, None));
    let first = probe(&mut machine, secs(360));
    assert_eq!(machine.route(true, secs(360)), (Route::Http1, None), "one at a time");
    assert_eq!(machine.probed(first, Outcome::Died, secs(361)), DOWNGRADED);
    assert_eq!(machine.route(true, secs(660)), (Route::Http1, None));
    let second = probe(&mut machine, secs(661));
    assert_eq!(machine.probed(second, Outcome::Answered, secs(662)), Some(EventKind::Restored));
    assert!(matches!(machine.route(true, secs(662)).0, Route::Http2 { .. }));
    assert_eq!((machine.downgrades(), machine.deaths(secs(662))), (2, 0));
}

#[test]
fn deaths_far_apart_do_not() {
    let mut machine = machine();
    for n in 0..10 {
        assert!(matches!(die(&mut machine, secs(n * 31)), Some(EventKind::Died { in_a_row: 1 | 2 })), "{n}");
    }
}

#[test]
fn a_response_in_between_forgives() {
    let mut machine = machine();
    for n in 0..10 {
        assert_eq!(die(&mut machine, secs(n)), Some(EventKind::Died { in_a_row: 1 }));
        machine.answered();
    }
}

/// 100 connections that one outage takes down are one sign.
#[test]
fn what_dies_together_counts_once() {
    let mut machine = machine();
    let epoch = machine.epoch();
    assert!(machine.died(epoch, secs(1)).is_some());
    for _ in 0..100 {
        assert_eq!(machine.died(epoch, secs(1)), None);
    }
    assert_eq!(machine.deaths(secs(1)), 1);
}

/// What began before a downgrade, and fails after the next restoration, is old news.
#[test]
fn what_began_before_a_downgrade_does_not_count_after_it() {
    let mut machine = machine();
    let epoch = machine.epoch();
    machine.required(secs(0));
    let probe = probe(&mut machine, secs(300));
    machine.probed(probe, Outcome::Answered, secs(300));
    assert_eq!(machine.died(epoch, secs(301)), None);
}

#[test]
fn deaths_alone_do_nothing_unless_asked_for() {
    let mut machine = Machine::new(Settings::default());
    for n in 0..100 {
        assert_eq!(die(&mut machine, secs(n)), None);
    }
    assert_eq!(machine.state(), State::Http2);
}

/// X1: at once, and remembered with an expiry.
#[test]
fn http_1_1_required_downgrades_at_once() {
    let mut machine = Machine::new(Settings::default());
    let told = EventKind::Downgraded { reason: Trouble::Http11Required, lasting: secs(300) };
    assert_eq!(machine.required(secs(10)), Some(told));
    assert_eq!(machine.required(secs(100)), None, "the time is not begun anew by what comes late");
    assert_eq!(machine.route(true, secs(309)), (Route::Http1, None));
    let probe = probe(&mut machine, secs(310));
    assert_eq!(machine.required(secs(310)), None, "only the probe decides");
    assert_eq!(machine.probed(probe, Outcome::Required, secs(310)), Some(told));
}

/// X2: HTTP/2 may be broken in a way that says nothing, and HTTP/1.1 may not: ever fewer requests find out.
#[test]
fn a_probe_that_shows_nothing_is_followed_by_another_ever_later() {
    let mut machine = machine();
    machine.required(secs(0));
    let mut now = secs(300);
    for share in [8, 4, 2, 1, 1, 1] {
        let number = probe(&mut machine, now);
        assert_eq!(machine.probed(number, Outcome::Nothing, now), Some(EventKind::Inconclusive));
        assert_eq!(machine.probed(number, Outcome::Died, now), None, "it has had its say");
        assert_eq!(machine.route(true, now + LASTING / share - secs(1)), (Route::Http1, None), "{share}");
        now += LASTING / share;
    }
    let answered = probe(&mut machine, now);
    assert_eq!(machine.probed(answered, Outcome::Answered, now), Some(EventKind::Restored));
    // The next time it begins anew.
    machine.required(now);
    now += LASTING;
    let next = probe(&mut machine, now);
    machine.probed(next, Outcome::Nothing, now);
    probe(&mut machine, now + LASTING / 8);
}

/// X2: a probe that hangs holds nobody to HTTP/1.1 for ever.
#[test]
fn a_probe_that_does_not_end_is_followed_by_another() {
    let mut machine = machine();
    machine.required(secs(0));
    let hung = probe(&mut machine, secs(300));
    assert_eq!(machine.route(true, secs(599)), (Route::Http1, None));
    let next = probe(&mut machine, secs(600));
    assert_eq!(machine.probed(hung, Outcome::Died, secs(601)), None);
    assert_eq!(machine.probed(next, Outcome::Answered, secs(601)), Some(EventKind::Restored));
}

/// A request that may not be sent again is not spent on finding out, unless there is no other.
#[test]
fn what_cannot_be_spared_does_not_probe() {
    let mut machine = machine();
    machine.required(secs(0));
    assert_eq!(machine.route(false, secs(599)), (Route::Http1, None));
    assert!(matches!(machine.clone().route(false, secs(600)).0, Route::Probe(_)));
    assert!(matches!(machine.route(true, secs(599)).0, Route::Probe(_)));
}

/// What the socket of a new connection says decides as a probe does; that of an old one may be as it was.
#[test]
fn a_connection_of_use_decides_instead_of_a_probe() {
    let mut machine = machine();
    let before = machine.epoch();
    machine.required(secs(0));
    assert_eq!(machine.useful(machine.epoch()), None, "before its time nothing is decided");
    probe(&mut machine, secs(300));
    assert_eq!(machine.useful(before), None);
    assert_eq!(machine.useful(machine.epoch()), Some(EventKind::Restored));
}

/// Deaths that do not count prolong nothing, unless somebody is finding out.
#[test]
fn deaths_that_do_not_count_prolong_nothing() {
    let mut machine = Machine::new(Settings::default());
    machine.required(secs(0));
    assert_eq!(die(&mut machine, secs(301)), None);
    probe(&mut machine, secs(302));
    assert_eq!(die(&mut machine, secs(303)), DOWNGRADED);
}

/// Also where only HTTP_1_1_REQUIRED downgrades, where the probe itself got no connection, and where its caller went.
#[test]
fn a_death_decides_instead_of_a_probe() {
    let mut machine = Machine::new(Settings::default());
    let before = machine.epoch();
    machine.required(secs(0));
    assert_eq!(die(&mut machine, secs(299)), None, "before its time nothing is decided");
    let first = probe(&mut machine, secs(300));
    assert_eq!(machine.died(before, secs(301)), None, "old news");
    assert_eq!(die(&mut machine, secs(301)), DOWNGRADED);
    assert_eq!(machine.probed(first, Outcome::Answered, secs(302)), None);
    assert_eq!(machine.route(true, secs(600)), (Route::Http1, None));

    let mut machine = self::machine();
    machine.required(secs(0));
    let second = probe(&mut machine, secs(601));
    let epoch = machine.epoch();
    machine.probed(second, Outcome::Nothing, secs(602));
    assert_eq!(machine.died(epoch, secs(603)), DOWNGRADED);
    assert_eq!((machine.died(epoch, secs(640)), machine.route(true, secs(900))), (None, (Route::Http1, None)));
}

#[test]
fn for_ever_is_for_ever() {
    let mut machine = Machine::new(Settings { after: None, lasting: Duration::MAX });
    machine.required(secs(1));
    assert_eq!(machine.route(true, Duration::MAX - secs(1)), (Route::Http1, None));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    /// Whether it can be spared for a probe.
    Request(bool),
    /// What becomes of one of the attempts that are under way.
    End(usize, Outcome),
    /// The attempt's connection dies, told by its socket.
    Die(usize),
    /// One that begins now.
    DieAtOnce,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome =
        prop_oneof![Just(Outcome::Answered), Just(Outcome::Required), Just(Outcome::Died), Just(Outcome::Nothing),];
    let step = prop_oneof![
        (0_u64..200).prop_map(Step::Wait),
        any::<bool>().prop_map(Step::Request),
        any::<bool>().prop_map(Step::Request),
        (any::<usize>(), outcome).prop_map(|(n, outcome)| Step::End(n, outcome)),
        any::<usize>().prop_map(Step::Die),
        Just(Step::DieAtOnce),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens: never back before the time is over, never down again sooner than that, one probe at the most, and
    /// nothing but HTTP_1_1_REQUIRED and deaths ever downgrades.
    #[test]
    fn no_schedule_of_events_breaks_a_rule(steps in steps()) {
        let mut machine = machine();
        let mut now = secs(0);
        let mut under_way = Vec::new();
        let mut downgraded: Option<Duration> = None;
        let mut trouble = false;
        let mut deciding: Option<Duration> = None;
        for step in steps {
            let event = match step {
                Step::Wait(seconds) => {
                    now += secs(seconds);
                    None
                }
                Step::Request(spared) => {
                    let (route, event) = machine.route(spared, now);
                    match route {
                        Route::Http1 => prop_assert!(downgraded.is_some(), "over HTTP/1.1 without a downgrade"),
                        Route::Probe(_) => {
                            prop_assert!(deciding.is_none_or(|since| now >= since + LASTING), "two probes");
                            deciding = Some(now);
                            prop_assert!(now >= downgraded.expect("a downgrade") + LASTING, "a probe before its time");
                            under_way.push(route);
                        }
                        Route::Http2 { .. } => {
                            prop_assert_eq!(machine.state(), State::Http2);
                            under_way.push(route);
                        }
                    }
                    event
                }
                Step::End(n, outcome) if !under_way.is_empty() => {
                    trouble |= matches!(outcome, Outcome::Died | Outcome::Required);
                    match (under_way.swap_remove(n % under_way.len()), outcome) {
                        (Route::Probe(probe), outcome) => machine.probed(probe, outcome, now),
                        (Route::Http2 { .. }, Outcome::Answered) => {
                            machine.answered();
                            None
                        }
                        (Route::Http2 { .. }, Outcome::Required) => machine.required(now),
                        (Route::Http2 { epoch }, Outcome::Died) => machine.died(epoch, now),
                        _ => None,
                    }
                }
                Step::Die(n) if !under_way.is_empty() => match under_way[n % under_way.len()] {
                    Route::Http2 { epoch } => {
                        trouble = true;
                        machine.died(epoch, now)
                    }
                    _ => None,
                },
                Step::DieAtOnce => {
                    trouble = true;
                    machine.died(machine.epoch(), now)
                }
                Step::End(..) | Step::Die(_) => None,
            };
            if matches!(event, Some(EventKind::Downgraded { .. } | EventKind::Restored | EventKind::Inconclusive)) {
                deciding = None;
            }
            match event {
                Some(EventKind::Downgraded { .. }) => {
                    prop_assert!(trouble, "without any sign");
                    prop_assert!(downgraded.is_none_or(|before| now >= before + LASTING), "flaps");
                    downgraded = Some(now);
                }
                Some(EventKind::Restored) => {
                    prop_assert!(now >= downgraded.expect("a downgrade") + LASTING, "back too soon");
                }
                _ => {}
            }
            prop_assert!(machine.deaths(now) < 3);
            prop_assert!(machine.deaths.len() <= 3, "bounded memory");
        }
    }
}
