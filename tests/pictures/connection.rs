//! The life of a connection: every change of state that its machine makes, whatever happens to it in whatever state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tower_redial::fate::Reason;
use tower_redial::health::frame::{DebugData, Event, Frame};
use tower_redial::health::machine::{Close, Drain, Machine, Settings, State};

use crate::page::{Anchor, BLUE, GREEN, GREY, Page, RED, YELLOW};

const SECOND: Duration = Duration::from_secs(1);

/// A machine and its clock, and what became of it.
struct Run {
    machine: Machine,
    now: Duration,
    changes: Vec<(State, State)>,
}

impl Run {
    /// A client has sent its preface and its SETTINGS.
    fn new(settings: Settings) -> Self {
        let mut run = Self { machine: Machine::new(settings), now: SECOND, changes: Vec::new() };
        run.outbound(Event::Preface);
        run.outbound(Event::End(Frame::Settings { ack: false, max_concurrent_streams: None }));
        run
    }

    /// Lets something happen, and sees what state follows.
    fn step(&mut self, happen: impl FnOnce(&mut Machine, Duration)) {
        let before = self.machine.state();
        happen(&mut self.machine, self.now);
        let after = self.machine.state();
        if after != before {
            self.changes.push((before, after));
        }
    }

    fn outbound(&mut self, event: Event) {
        self.step(|machine, now| machine.outbound(&event, now));
    }

    fn inbound(&mut self, frame: Frame) {
        self.step(|machine, now| {
            machine.heard(now);
            machine.inbound(&Event::End(frame), now);
        });
    }

    fn greet(&mut self) {
        self.inbound(Frame::Settings { ack: false, max_concurrent_streams: Some(100) });
    }

    fn request(&mut self, stream_id: u32) {
        self.outbound(Event::End(Frame::Headers { stream_id, end_stream: true }));
    }

    /// Nothing comes, for so long.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let before = self.changes.len();
            self.step(|machine, now| while machine.poll(now).is_some() {});
            if self.changes.len() == before && self.machine.deadline() == Some(deadline) {
                break;
            }
        }
        self.now = end;
    }

    /// Until a probe has gone unanswered for as long as nothing new is sent.
    fn silence(&mut self) {
        let Settings { probe_after, probe_timeout, .. } = Settings::default();
        self.wait(probe_after + probe_timeout);
    }
}

/// What can happen to a connection.
fn happenings() -> Vec<fn(&mut Run)> {
    vec![
        |run| run.wait(Duration::from_secs(100)),
        |run| run.step(Machine::heard),
        |run| {
            run.step(|machine, _| machine.retired());
            run.step(Machine::heard);
        },
        |run| {
            let debug_data = DebugData::empty();
            run.inbound(Frame::GoAway { last_stream_id: u32::MAX >> 1, reason: Reason::NO_ERROR, debug_data });
        },
        |run| run.step(|machine, _| machine.drain()),
        |run| run.inbound(Frame::Reset { stream_id: 1, reason: Reason::PROTOCOL_ERROR }),
        |run| {
            for stream_id in [3, 5] {
                run.request(stream_id);
                run.inbound(Frame::Reset { stream_id, reason: Reason::REFUSED_STREAM });
                run.now += 2 * SECOND;
            }
        },
        |run| run.request(0x7fff_fff1),
        |run| (3..40).step_by(2).for_each(|stream_id| run.request(stream_id)),
        |run| run.step(|machine, _| machine.ended(Close::Peer)),
        |run| run.step(|machine, _| machine.ended(Close::Client)),
        |run| run.step(|machine, _| machine.ended(Close::Transport)),
    ]
}

/// Connections in all states that there are.
fn beginnings() -> Vec<fn() -> Run> {
    fn open(settings: Settings) -> Run {
        let mut run = Run::new(settings);
        run.greet();
        run.request(1);
        run
    }
    vec![
        || Run::new(Settings::default()),
        || open(Settings::default()),
        || open(Settings { max_requests: Some(10), ..Settings::default() }),
        // It grows old while it is open, or while it is silent.
        || open(Settings { max_age: Some(10 * SECOND), ..Settings::default() }),
        || {
            let mut run = open(Settings { max_age: Some(30 * SECOND), ..Settings::default() });
            run.silence();
            run
        },
        || {
            let mut run = open(Settings { max_requests: Some(10), ..Settings::default() });
            run.silence();
            run
        },
        || {
            let mut run = open(Settings::default());
            run.step(|machine, _| machine.drain());
            run
        },
        // It drains before its peer has said anything.
        || {
            let mut run = Run::new(Settings::default());
            run.step(|machine, _| machine.drain());
            run
        },
        || {
            let mut run = open(Settings::default());
            run.step(|machine, _| machine.ended(Close::Peer));
            run
        },
    ]
}

/// Why a state followed, in words.
fn why(from: State, to: State) -> String {
    let Settings { probe_timeout, dead_after, handshake_timeout, .. } = Settings::default();
    match to {
        State::Open => "a byte comes after all".to_owned(),
        State::Silent => format!("no byte for {} s after a probe", probe_timeout.as_secs()),
        State::Draining(drain) => match drain {
            Drain::GoAway { .. } => "GOAWAY".to_owned(),
            Drain::Age => "max_age".to_owned(),
            Drain::Requests => "max_requests".to_owned(),
            Drain::StreamIds => "stream ids run out".to_owned(),
            Drain::ProtocolError => "a stream is reset with PROTOCOL_ERROR".to_owned(),
            Drain::Refused => "streams are refused below the limit".to_owned(),
            Drain::Silence => "a byte comes, too late: the client was told".to_owned(),
            Drain::Asked => "drain()".to_owned(),
            other => panic!("{other} from {from}: say what it is"),
        },
        State::Closed(close) => match close {
            Close::Handshake => format!("no SETTINGS for {} s", handshake_timeout.as_secs()),
            Close::Dead => format!("no byte for {} s after a probe", dead_after.as_secs()),
            Close::Peer => "the peer ends it".to_owned(),
            Close::Client => "the client ends it".to_owned(),
            Close::Transport => "the transport fails".to_owned(),
            other => panic!("{other} from {from}: say what it is"),
        },
        other => panic!("{other} from {from}: say what it is"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Open,
    Silent,
    Draining,
    Closed,
}

fn kind(state: State) -> Kind {
    match state {
        State::Open => Kind::Open,
        State::Silent => Kind::Silent,
        State::Draining(_) => Kind::Draining,
        State::Closed(_) => Kind::Closed,
        other => panic!("{other}: it has no place in the picture"),
    }
}

fn changes() -> BTreeMap<(Kind, Kind), BTreeSet<String>> {
    let mut changes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for begin in beginnings() {
        for happens in happenings() {
            let mut run = begin();
            happens(&mut run);
            for (from, to) in run.changes {
                changes.entry((kind(from), kind(to))).or_default().insert(why(from, to));
            }
        }
    }
    changes
}

#[test]
fn the_life_of_a_connection() {
    let changes = changes();
    let mut page = Page::new(1040.0, 660.0, "The life of a connection");
    page.heading((24.0, 34.0), "The life of a connection");
    let what =
        "health::machine: every change that it makes. Times are the defaults; max_age and max_requests have none.";
    page.text((24.0, 54.0), Anchor::Start, &format!("style=\"fill:{GREY}\""), what);
    let size = (190.0, 62.0);
    page.state((24.0, 300.0), size, GREEN, "Open", &["gets requests"]);
    page.state((424.0, 100.0), size, YELLOW, "Silent", &["gets none, until it is heard"]);
    page.state((424.0, 560.0), size, BLUE, "Draining", &["what is open on it finishes"]);
    page.state((826.0, 300.0), size, RED, "Closed", &["all on it has failed or ended"]);
    let mut edges = 0;
    let mut edge = |between: (Kind, Kind), arrow: &[(f64, f64)], label: (f64, f64), anchor: Anchor| {
        let lines: Vec<_> = changes.get(&between).into_iter().flatten().cloned().collect();
        assert!(!lines.is_empty(), "{between:?} does not happen any more");
        edges += 1;
        page.arrow(arrow);
        page.lines(label, anchor, &lines);
    };
    use Kind::{Closed, Draining, Open, Silent};
    edge((Open, Silent), &[(80.0, 300.0), (80.0, 118.0), (424.0, 118.0)], (90.0, 108.0), Anchor::Start);
    edge((Silent, Open), &[(424.0, 144.0), (140.0, 144.0), (140.0, 300.0)], (150.0, 164.0), Anchor::Start);
    edge((Open, Draining), &[(80.0, 362.0), (80.0, 591.0), (424.0, 591.0)], (90.0, 470.0), Anchor::Start);
    edge((Silent, Draining), &[(480.0, 162.0), (480.0, 560.0)], (488.0, 396.0), Anchor::Start);
    edge((Silent, Closed), &[(614.0, 131.0), (960.0, 131.0), (960.0, 300.0)], (950.0, 152.0), Anchor::End);
    edge((Draining, Closed), &[(614.0, 591.0), (960.0, 591.0), (960.0, 362.0)], (950.0, 510.0), Anchor::End);
    edge((Open, Closed), &[(214.0, 331.0), (826.0, 331.0)], (230.0, 258.0), Anchor::Start);
    edge(
        (Draining, Draining),
        &[(560.0, 622.0), (560.0, 640.0), (500.0, 640.0), (500.0, 622.0)],
        (570.0, 642.0),
        Anchor::Start,
    );
    assert_eq!(edges, changes.len(), "changes without an arrow: {:?}", changes.keys());
    crate::check("connection.svg", &page.finish());
}
