use proptest::prelude::*;

use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine with a clock, and a peer that answers probes or does not.
struct Sim {
    machine: Machine,
    now: Duration,
    answers: bool,
    next_stream: u32,
    probes: Vec<u64>,
    failed: Option<(u64, Close)>,
}

impl Sim {
    /// A connection whose SETTINGS were exchanged in its first second.
    fn new(settings: Settings) -> Self {
        let mut sim = Self {
            machine: Machine::new(settings),
            now: secs(0),
            answers: true,
            next_stream: 1,
            probes: Vec::new(),
            failed: None,
        };
        sim.inbound(Frame::Settings { ack: false, max_concurrent_streams: Some(100) });
        sim
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.poll(self.now) {
            match action {
                Action::Probe => {
                    self.probes.push(self.now.as_secs());
                    if self.answers {
                        self.machine.heard(self.now);
                        self.machine.acknowledged();
                    }
                }
                Action::Fail(close) => self.failed = Some((self.now.as_secs(), close)),
            }
        }
        let next = self.machine.deadline();
        assert!(next.is_none_or(|next| next > self.now), "it would spin: {:?} at {:?}", next, self.now);
    }

    /// Lets time go by, from one deadline to the next.
    fn until(&mut self, end: u64) {
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= secs(end)) {
            self.now = deadline;
            self.act();
        }
        self.now = secs(end);
        self.act();
    }

    fn outbound(&mut self, frame: Frame) {
        self.machine.outbound(&Event::End(frame), self.now);
        self.act();
    }

    fn inbound(&mut self, frame: Frame) {
        self.machine.heard(self.now);
        self.machine.inbound(&Event::End(frame), self.now);
        self.act();
    }

    fn request(&mut self) -> u32 {
        let stream_id = self.next_stream;
        self.next_stream += 2;
        self.outbound(Frame::Headers { stream_id, end_stream: true });
        stream_id
    }

    fn respond(&mut self, stream_id: u32) {
        self.inbound(Frame::Headers { stream_id, end_stream: true });
    }

    fn cancel(&mut self, stream_id: u32) {
        self.outbound(Frame::Reset { stream_id, reason: Reason::CANCEL });
    }
}

/// K7: an idle connection is left alone, for ever.
#[test]
fn an_idle_connection_is_never_probed() {
    let mut sim = Sim::new(Settings::default());
    let stream = sim.request();
    sim.respond(stream);
    sim.until(86_400);
    assert_eq!(sim.probes, [] as [u64; 0]);
    assert_eq!(sim.machine.state(), State::Open);
    assert_eq!(sim.machine.deadline(), None);
}

/// K2, K6: a server that thinks for ten minutes keeps its connection and gets the probes of the schedule.
#[test]
fn a_server_that_thinks_is_probed_by_the_schedule() {
    let mut sim = Sim::new(Settings::default());
    let stream = sim.request();
    sim.until(1_200);
    assert_eq!(sim.probes, [15, 45, 105, 435, 765, 1_095]);
    assert_eq!(sim.machine.state(), State::Open);
    sim.respond(stream);
    let stream = sim.request();
    sim.until(1_230);
    assert_eq!(sim.probes[6..], [1_215], "after data the schedule begins anew");
    sim.respond(stream);
}

/// K1, K11: a black hole admits nothing after `probe_after + probe_timeout` and is failed at `probe_after + dead_after`.
#[test]
fn a_black_hole_is_found_and_failed() {
    let mut sim = Sim::new(Settings::default());
    sim.answers = false;
    sim.request();
    sim.until(19);
    assert!(sim.machine.state().admits());
    sim.until(20);
    assert_eq!(sim.machine.state(), State::Silent);
    assert_eq!(sim.failed, None, "what is open may still finish");
    sim.until(100);
    assert_eq!((sim.probes, sim.failed), (vec![15], Some((30, Close::Dead))));
    assert_eq!(sim.machine.state(), State::Closed(Close::Dead));
}

/// K3: any byte readmits, the answer to the probe or another.
#[test]
fn a_byte_readmits() {
    let mut sim = Sim::new(Settings::default());
    sim.answers = false;
    sim.request();
    sim.until(25);
    assert_eq!(sim.machine.state(), State::Silent);
    sim.machine.heard(sim.now);
    assert_eq!(sim.machine.state(), State::Open);
    sim.until(54);
    assert_eq!(sim.probes, [15, 45], "and the schedule goes on");
}

/// K1, K12: a caller who gave up on a silent connection has it probed at once, and by itself marks nothing.
#[test]
fn giving_up_probes() {
    let mut sim = Sim::new(Settings::default());
    sim.until(1);
    let stream = sim.request();
    sim.until(3);
    sim.cancel(stream);
    assert_eq!(sim.probes, [3]);
    assert!(sim.machine.state().admits());
    sim.answers = false;
    sim.until(2_000);
    assert_eq!(sim.failed, None, "it was answered, and nothing is open");
}

/// K1: it is failed although nothing is open any more.
#[test]
fn giving_up_finds_a_dead_connection() {
    let mut sim = Sim::new(Settings::default());
    sim.answers = false;
    sim.until(1);
    let stream = sim.request();
    sim.until(3);
    sim.cancel(stream);
    sim.until(8);
    assert_eq!(sim.machine.state(), State::Silent);
    sim.until(18);
    assert_eq!(sim.failed, Some((18, Close::Dead)));
}

/// K4: a connection that has been heard since the request began is not suspicious.
#[test]
fn giving_up_on_a_live_connection_does_not_probe() {
    let mut sim = Sim::new(Settings::default());
    sim.until(1);
    let [slow, quick] = [sim.request(), sim.request()];
    sim.until(2);
    sim.respond(quick);
    sim.cancel(slow);
    assert_eq!(sim.probes, [] as [u64; 0]);
}

/// K5: a burst of callers giving up is one probe, and the next needs HEADERS or DATA in between.
#[test]
fn a_burst_of_cancels_is_one_probe() {
    let mut sim = Sim::new(Settings::default());
    for second in 1..30 {
        sim.until(second);
        let streams: Vec<_> = (0..10).map(|_| sim.request()).collect();
        sim.now += Duration::from_millis(500);
        streams.into_iter().for_each(|stream| sim.cancel(stream));
    }
    assert_eq!(sim.probes.len(), 1);
    let stream = sim.request();
    sim.respond(stream);
    sim.until(31);
    let stream = sim.request();
    sim.until(32);
    sim.cancel(stream);
    assert_eq!(sim.probes.len(), 2);
}

/// K9: the first request after idleness is accompanied by a probe.
#[test]
fn waking_probes() {
    let mut sim = Sim::new(Settings::default());
    let stream = sim.request();
    sim.respond(stream);
    sim.until(9);
    let stream = sim.request();
    sim.respond(stream);
    assert_eq!(sim.probes, [] as [u64; 0]);
    sim.until(100);
    sim.answers = false;
    sim.request();
    sim.request();
    assert_eq!(sim.probes, [100]);
    sim.until(200);
    assert_eq!(sim.failed, Some((115, Close::Dead)));
}

/// What many streams at once took is given back, and not what is known of those that are still open.
#[test]
fn an_idle_connection_keeps_no_room_for_streams() {
    let mut machine = Machine::new(Settings::default());
    for stream_id in (1..2_000).step_by(2) {
        machine.outbound(&Event::End(Frame::Headers { stream_id, end_stream: true }), secs(0));
    }
    for stream_id in (1..1_999).step_by(2) {
        machine.inbound(&Event::End(Frame::Headers { stream_id, end_stream: true }), secs(0));
    }
    machine.rest();
    assert_eq!(machine.open_streams(), 1);
    assert!(machine.streams.capacity() < 100, "{}", machine.streams.capacity());
    machine.inbound(&Event::End(Frame::Headers { stream_id: 1_999, end_stream: true }), secs(0));
    machine.rest();
    assert_eq!(machine.streams.capacity(), 0);
}

/// K14: a peer that never sends SETTINGS is not waited for, and not probed before it has.
#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let mut machine = Machine::new(Settings::default());
    assert_eq!((machine.poll(secs(100)), machine.deadline()), (None, None), "nothing has been asked of the peer");
    machine = Machine::new(Settings::default());
    machine.outbound(&Event::Preface, secs(0));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), secs(0));
    machine.outbound(&Event::End(Frame::Reset { stream_id: 1, reason: Reason::CANCEL }), secs(1));
    assert_eq!(machine.poll(secs(1)), None);
    assert_eq!(machine.poll(secs(10)), Some(Action::Fail(Close::Handshake)));
    assert_eq!((machine.poll(secs(11)), machine.deadline()), (None, None));
}

/// A client that has sent its preface waits for SETTINGS whatever else comes (RFC 9113, section 3.4); unless what it sent
/// itself cannot be followed any more.
#[test]
fn other_bytes_do_not_prolong_a_handshake() {
    let mut machine = Machine::new(Settings::default());
    machine.outbound(&Event::Preface, secs(0));
    machine.heard(secs(9));
    machine.inbound(&Event::NotHttp2, secs(9));
    assert_eq!((machine.poll(secs(9)), machine.deadline()), (None, Some(secs(10))));
    assert_eq!(machine.poll(secs(10)), Some(Action::Fail(Close::Handshake)));

    let mut machine = Machine::new(Settings::default());
    machine.outbound(&Event::Preface, secs(0));
    machine.outbound(&Event::NotHttp2, secs(1));
    assert_eq!((machine.poll(secs(100)), machine.deadline(), machine.state()), (None, None, State::Open));
}

/// G1, G4: a GOAWAY stops admission and ends nothing.
#[test]
fn a_goaway_drains() {
    let mut sim = Sim::new(Settings::default());
    let stream = sim.request();
    let goaway = |last_stream_id| Frame::GoAway {
        last_stream_id,
        reason: Reason::NO_ERROR,
        debug_data: crate::health::frame::DebugData::empty(),
    };
    sim.inbound(goaway(0x7fff_ffff));
    assert_eq!(sim.machine.state(), State::Draining(Drain::GoAway { reason: Reason::NO_ERROR }));
    assert!(!sim.machine.state().admits());
    assert_eq!(sim.machine.open_streams(), 1);
    sim.inbound(goaway(stream));
    sim.respond(stream);
    assert_eq!((sim.machine.open_streams(), sim.failed), (0, None));
    sim.machine.ended(Close::Peer);
    assert_eq!(sim.machine.state(), State::Closed(Close::Peer));

    let mut sim = Sim::new(Settings::default());
    sim.machine.drain();
    sim.inbound(goaway(0));
    assert_eq!(sim.machine.state(), State::Draining(Drain::GoAway { reason: Reason::NO_ERROR }));
}

/// Q7, Q8: age, number of requests, stream ids and the caller's wish drain; the first reason is told.
#[test]
fn a_connection_is_retired_for_its_age_and_use() {
    let mut sim = Sim::new(Settings { max_age: Some(secs(600)), ..Settings::default() });
    sim.until(599);
    assert_eq!(sim.machine.state(), State::Open);
    sim.until(600);
    assert_eq!(sim.machine.state(), State::Draining(Drain::Age));
    sim.machine.drain();
    assert_eq!(sim.machine.state(), State::Draining(Drain::Age));

    let mut sim = Sim::new(Settings { max_requests: Some(3), ..Settings::default() });
    for expected in [State::Open, State::Open, State::Draining(Drain::Requests)] {
        let stream = sim.request();
        sim.respond(stream);
        assert_eq!(sim.machine.state(), expected);
    }

    let mut sim = Sim::new(Settings::default());
    // A thousand streams before the last one.
    sim.next_stream = 0x7fff_ffff - 2_000 - 2;
    sim.request();
    assert_eq!(sim.machine.state(), State::Open);
    sim.request();
    assert_eq!(sim.machine.state(), State::Draining(Drain::StreamIds));

    let mut sim = Sim::new(Settings::default());
    sim.machine.drain();
    assert_eq!(sim.machine.state(), State::Draining(Drain::Asked));
}

/// C13: after PROTOCOL_ERROR the connection is not used again; after CANCEL it is.
#[test]
fn a_protocol_error_retires() {
    for (reason, expected) in
        [(Reason::CANCEL, State::Open), (Reason::PROTOCOL_ERROR, State::Draining(Drain::ProtocolError))]
    {
        let mut sim = Sim::new(Settings::default());
        let stream_id = sim.request();
        sim.inbound(Frame::Reset { stream_id, reason });
        assert_eq!(sim.machine.state(), expected);
    }
}

/// C3: refusals below the peer's own limit retire a connection, if they are not one burst.
#[test]
fn repeated_refusals_retire() {
    let refuse = |sim: &mut Sim| {
        let stream_id = sim.request();
        sim.inbound(Frame::Reset { stream_id, reason: Reason::REFUSED_STREAM });
    };
    let mut sim = Sim::new(Settings::default());
    (0..50).for_each(|_| refuse(&mut sim));
    assert_eq!(sim.machine.state(), State::Open, "a burst");
    sim.until(1);
    refuse(&mut sim);
    assert_eq!(sim.machine.state(), State::Draining(Drain::Refused));

    let mut sim = Sim::new(Settings::default());
    sim.inbound(Frame::Settings { ack: false, max_concurrent_streams: Some(1) });
    let held = sim.request();
    for second in 1..5 {
        sim.until(second);
        refuse(&mut sim);
    }
    assert_eq!(sim.machine.state(), State::Open, "above its limit a peer may refuse");
    sim.respond(held);
}

/// Refusals that have nothing to do with each other do not add up.
#[test]
fn refusals_are_forgotten() {
    let mut sim = Sim::new(Settings::default());
    for minute in 1..10 {
        sim.until(minute * 60);
        let stream_id = sim.request();
        sim.inbound(Frame::Reset { stream_id, reason: Reason::REFUSED_STREAM });
    }
    assert_eq!(sim.machine.state(), State::Open);
}

/// Trailers that cross the peer's reset open no stream, and a GOAWAY takes those above it along: an idle connection stays idle.
#[test]
fn no_stream_is_left_behind() {
    let mut sim = Sim::new(Settings::default());
    sim.outbound(Frame::Headers { stream_id: 1, end_stream: false });
    sim.inbound(Frame::Reset { stream_id: 1, reason: Reason::NO_ERROR });
    sim.outbound(Frame::Headers { stream_id: 1, end_stream: true });
    assert_eq!((sim.machine.open_streams(), sim.machine.requests()), (0, 1));

    sim.next_stream = 3;
    let [kept, _dropped] = [sim.request(), sim.request()];
    sim.inbound(Frame::GoAway {
        last_stream_id: kept,
        reason: Reason::NO_ERROR,
        debug_data: crate::health::frame::DebugData::empty(),
    });
    assert_eq!(sim.machine.open_streams(), 1);
    sim.respond(kept);
    sim.until(3_600);
    assert_eq!(sim.probes, [] as [u64; 0]);
}

/// Data that crossed a probe on the way does not count as sent after it, with a gRPC server no more than here.
#[test]
fn data_that_crosses_a_probe_does_not_reset_the_schedule() {
    let mut sim = Sim::new(Settings::default());
    let stream_id = sim.request();
    sim.answers = false;
    sim.until(15);
    assert_eq!(sim.probes, [15]);
    sim.inbound(Frame::Data { stream_id, end_stream: false });
    sim.machine.acknowledged();
    sim.answers = true;
    sim.until(500);
    assert_eq!(sim.probes, [15, 45, 105, 435]);
}

/// Nothing is suspicious before the peer's SETTINGS: that time has its own end.
#[test]
fn nothing_is_probed_before_the_handshake() {
    let mut machine = Machine::new(Settings { handshake_timeout: secs(30), ..Settings::default() });
    machine.outbound(&Event::Preface, secs(0));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), secs(1));
    machine.outbound(&Event::End(Frame::Reset { stream_id: 1, reason: Reason::CANCEL }), secs(2));
    assert_eq!((machine.poll(secs(29)), machine.state()), (None, State::Open));
    assert_eq!(machine.poll(secs(30)), Some(Action::Fail(Close::Handshake)));
}

/// What is not HTTP/2 is neither probed nor failed; its age still counts.
#[test]
fn bytes_that_are_not_http2_are_left_alone() {
    let mut machine = Machine::new(Settings { max_age: Some(secs(100)), ..Settings::default() });
    machine.outbound(&Event::NotHttp2, secs(0));
    assert_eq!((machine.poll(secs(99)), machine.state()), (None, State::Open));
    assert_eq!((machine.poll(secs(100)), machine.state()), (None, State::Draining(Drain::Age)));

    let mut sim = Sim::new(Settings::default());
    sim.request();
    sim.machine.inbound(&Event::NotHttp2, sim.now);
    sim.until(1_000);
    assert_eq!((sim.probes, sim.failed, sim.machine.open_streams()), (Vec::new(), None, 0));
}

/// A probe that was needless before it was given out was never sent: it costs neither the next one nor a place in the schedule.
#[test]
fn a_probe_that_was_not_given_out_does_not_count() {
    let mut sim = Sim::new(Settings::default());
    sim.until(1);
    let stream = sim.request();
    sim.until(2);
    sim.machine.outbound(&Event::End(Frame::Reset { stream_id: stream, reason: Reason::CANCEL }), sim.now);
    sim.machine.heard(sim.now);
    sim.act();
    assert_eq!(sim.probes, [] as [u64; 0]);
    sim.until(3);
    let stream = sim.request();
    sim.until(4);
    sim.cancel(stream);
    assert_eq!(sim.probes, [4]);
}

/// Nothing is dead for want of an answer to what it was never asked, however little or late it is waited for.
#[test]
fn nothing_is_failed_before_it_is_probed() {
    let none = Duration::ZERO;
    let mut sim = Sim::new(Settings { probe_timeout: none, dead_after: none, ..Settings::default() });
    sim.answers = false;
    sim.request();
    sim.until(20);
    assert_eq!((sim.probes, sim.failed), (vec![15], Some((15, Close::Dead))));

    let mut sim = Sim::new(Settings::default());
    sim.answers = false;
    sim.until(100);
    sim.machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), sim.now);
    sim.now = secs(200);
    sim.act();
    assert_eq!((&sim.probes[..], sim.failed), (&[200][..], None));
    sim.until(300);
    assert_eq!(sim.failed, Some((215, Close::Dead)));
}

/// One direction can stop being HTTP/2 while the other goes on: the streams that it opens would never be seen to end.
#[test]
fn what_one_direction_cannot_tell_the_other_does_not() {
    let mut sim = Sim::new(Settings::default());
    sim.machine.inbound(&Event::NotHttp2, sim.now);
    sim.request();
    sim.until(1_000);
    assert_eq!((sim.probes, sim.failed, sim.machine.open_streams()), (Vec::new(), None, 0));
}

/// What was told not to be used again is not used again, but what is open on it may finish.
#[test]
fn a_byte_does_not_readmit_what_was_retired() {
    let mut sim = Sim::new(Settings::default());
    sim.answers = false;
    sim.request();
    sim.until(20);
    assert_eq!(sim.machine.state(), State::Silent);
    sim.machine.retired();
    sim.inbound(Frame::Data { stream_id: 1, end_stream: false });
    assert_eq!(sim.machine.state(), State::Draining(Drain::Silence));
}

/// What others read of it.
#[test]
fn it_tells_what_it_knows() {
    let mut machine = Machine::new(Settings::default());
    assert_eq!((machine.greeted(), machine.peer_limit(), machine.open_streams()), (false, None, 0));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), secs(1));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 3, end_stream: true }), secs(1));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 5, end_stream: true }), secs(1));
    machine.inbound(&Event::End(Frame::Settings { ack: false, max_concurrent_streams: Some(7) }), secs(1));
    assert_eq!((machine.greeted(), machine.peer_limit(), machine.requests()), (true, Some(7), 3));
    machine.inbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: false }), secs(1));
    assert_eq!((machine.open_streams(), machine.unanswered_streams()), (3, 2));
}

#[test]
fn labels_are_stable() {
    let goaway = Drain::GoAway { reason: Reason::NO_ERROR };
    let drains = [
        goaway,
        Drain::Age,
        Drain::Requests,
        Drain::StreamIds,
        Drain::ProtocolError,
        Drain::Refused,
        Drain::Silence,
        Drain::Asked,
    ];
    let labels = drains.map(|drain| drain.label());
    assert_eq!(labels, ["goaway", "age", "requests", "stream_ids", "protocol_error", "refused", "silence", "asked"]);
    let closes = [Close::Handshake, Close::Dead, Close::Peer, Close::Client, Close::Transport];
    assert_eq!(closes.map(|close| close.label()), ["handshake", "dead", "peer", "client", "transport"]);
    assert_eq!(State::Draining(goaway).to_string(), "draining: goaway(NO_ERROR)");
    assert_eq!(State::Closed(Close::Dead).to_string(), "closed: dead");
}

/// A deadline is when something is due, and no sooner.
#[test]
fn there_is_one_deadline_for_each_thing() {
    // Longer than silence may last.
    let mut machine = Machine::new(Settings { handshake_timeout: secs(40), ..Settings::default() });
    machine.outbound(&Event::Preface, secs(1));
    machine.outbound(&Event::End(Frame::Headers { stream_id: 1, end_stream: true }), secs(1));
    machine.heard(secs(1));
    assert_eq!(machine.deadline(), Some(secs(41)), "the handshake's; silence is none before that");
    machine.inbound(&Event::End(Frame::Settings { ack: false, max_concurrent_streams: None }), secs(1));
    assert_eq!(machine.deadline(), Some(secs(16)), "a stream that has heard nothing");
    assert_eq!(machine.poll(secs(16)), Some(Action::Probe));
    assert_eq!(machine.poll(secs(16)), None);
    assert_eq!(machine.deadline(), Some(secs(21)), "the probe's, and no other");
}

/// A tenth of its time, or of its requests, before they are over.
#[cfg(feature = "connect")]
#[test]
fn a_replacement_is_got_ready_in_time() {
    let new = |max_age, max_requests| Machine::new(Settings { max_age, max_requests, ..Settings::default() });
    let old = new(Some(secs(100)), None);
    assert_eq!(old.to_replace_at(), Some(secs(90)));
    assert_eq!((old.nears_its_end(secs(89)), old.nears_its_end(secs(90))), (false, true));
    let mut used = new(None, Some(20));
    assert_eq!(used.to_replace_at(), None);
    for n in 0..20 {
        assert_eq!(used.nears_its_end(secs(1)), n >= 18, "{n}");
        let stream_id = 2 * n + 1;
        assert!(used.is_opening(stream_id));
        used.outbound(&Event::End(Frame::Headers { stream_id, end_stream: true }), secs(1));
        assert!(!used.is_opening(stream_id));
    }
    used.outbound(&Event::NotHttp2, secs(1));
    assert!(!used.is_opening(99), "nothing is known of streams");
}

/// A stream is open until both sides have ended it.
#[test]
fn streams_end_on_both_sides() {
    let mut sim = Sim::new(Settings::default());
    sim.outbound(Frame::Headers { stream_id: 1, end_stream: false });
    sim.inbound(Frame::Headers { stream_id: 1, end_stream: true });
    assert_eq!(sim.machine.open_streams(), 1, "the request goes on");
    sim.outbound(Frame::Headers { stream_id: 1, end_stream: true });
    assert_eq!(sim.machine.open_streams(), 0, "trailers ended it");
    assert_eq!(sim.machine.requests(), 1);

    sim.outbound(Frame::Headers { stream_id: 3, end_stream: false });
    sim.inbound(Frame::Headers { stream_id: 3, end_stream: true });
    sim.outbound(Frame::Data { stream_id: 3, end_stream: false });
    assert_eq!(sim.machine.open_streams(), 1, "there is more");
    sim.outbound(Frame::Data { stream_id: 3, end_stream: true });
    assert_eq!(sim.machine.open_streams(), 0, "the body ended it");
}

/// gRPC's default enforcement, from its published rule: a ping less than five minutes after the one before is a strike, data
/// sent clears them, and the third throws the client out.
#[derive(Default)]
struct Enforcement {
    last: Option<Duration>,
    strikes: u32,
    cleared: bool,
}

impl Enforcement {
    fn ping(&mut self, now: Duration) {
        if std::mem::take(&mut self.cleared) {
            self.strikes = 0;
        } else if self.last.is_some_and(|last| now < last + secs(300)) {
            self.strikes += 1;
        }
        self.last = Some(now);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Request,
    Cancel(usize),
    Respond(usize),
    Goaway,
    Byte,
    Deaf(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0_u64..400).prop_map(Step::Wait),
        5 => (0_u64..20).prop_map(Step::Wait),
        6 => Just(Step::Request),
        3 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Respond),
        1 => Just(Step::Goaway),
        1 => Just(Step::Byte),
        1 => any::<bool>().prop_map(Step::Deaf),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens: no more than two strikes, no spinning (`Sim::act`), no failure of a connection that was heard
    /// in time, none that is dead and kept.
    #[test]
    fn no_schedule_of_events_breaks_a_rule(steps in steps()) {
        let mut sim = Sim::new(Settings::default());
        let mut open = Vec::new();
        let mut enforcement = Enforcement::default();
        let mut told = 0;
        for step in steps {
            match step {
                Step::Wait(seconds) => sim.until(sim.now.as_secs() + seconds),
                Step::Request => open.push(sim.request()),
                Step::Cancel(n) if !open.is_empty() => {
                    let stream = open.swap_remove(n % open.len());
                    sim.cancel(stream);
                }
                Step::Respond(n) if !open.is_empty() && sim.answers => {
                    // Probes up to now came before this data.
                    for at in sim.probes.drain(..) {
                        enforcement.ping(secs(at));
                        told += 1;
                    }
                    let stream = open.swap_remove(n % open.len());
                    sim.respond(stream);
                    enforcement.cleared = true;
                }
                Step::Goaway if sim.answers => sim.inbound(Frame::GoAway {
                    last_stream_id: 0,
                    reason: Reason::NO_ERROR,
                    debug_data: crate::health::frame::DebugData::empty(),
                }),
                Step::Byte if sim.answers => {
                    sim.machine.heard(sim.now);
                    sim.act();
                }
                Step::Deaf(deaf) => sim.answers = !deaf,
                _ => {}
            }
            for at in sim.probes.drain(..) {
                enforcement.ping(secs(at));
                told += 1;
            }
            prop_assert!(enforcement.strikes <= 2, "{told} probes");
            if let Some((at, close)) = sim.failed {
                prop_assert_eq!(close, Close::Dead);
                prop_assert!(secs(at) >= sim.machine.heard + secs(15));
                break;
            }
            prop_assert!(sim.machine.probe.is_none_or(|probe| sim.now < probe.asked + secs(15)));
        }
    }
}
