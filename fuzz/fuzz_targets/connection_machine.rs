//! A connection's machine, told anything at all that a socket could tell it, with a clock.
//!
//! An input is a byte for each of the [`settings`], then steps: a byte that chooses one, and what it asks for; see
//! [`Model::step`]. Beside the machine runs a model that knows no more than what its documentation promises.

#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use tower_redial::fate::Reason;
use tower_redial::health::frame::{DebugData, Event, Frame, Header};
use tower_redial::health::machine::{Action, Close, Drain, Machine, Settings, State};

/// The longest that the schedule waits between two probes for silence.
const LONGEST_GAP: Duration = Duration::from_secs(330);

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(settings) = settings(&mut input) else { return };
    let mut model = Model::new(settings);
    while !input.is_empty() {
        if model.step(&mut input).is_err() {
            break;
        }
    }
    model.act();
    model.fall_silent();
});

/// Zero is the default, so that a short input is a plain one.
fn settings(input: &mut Unstructured<'_>) -> Result<Settings> {
    let default = Settings::default();
    let mut time = |default| {
        Ok(match input.arbitrary::<u8>()? % 8 {
            1 => Duration::ZERO,
            2 => Duration::from_millis(1),
            3 => secs(1),
            4 => secs(20),
            5 => secs(60),
            6 => secs(400),
            7 => Duration::MAX,
            _ => default,
        })
    };
    let settings = Settings {
        probe_after: time(default.probe_after)?,
        verify_idle: time(default.verify_idle)?,
        probe_timeout: time(default.probe_timeout)?,
        dead_after: time(default.dead_after)?,
        handshake_timeout: time(default.handshake_timeout)?,
        max_age: Some(time(Duration::MAX)?).filter(|age| *age < Duration::MAX),
        max_requests: None,
    };
    Ok(Settings { max_requests: Some(input.arbitrary::<u8>()?.into()).filter(|most| *most > 0), ..settings })
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn reason(input: &mut Unstructured<'_>) -> Result<Reason> {
    Ok(match input.arbitrary::<u8>()? {
        0 => Reason::CANCEL,
        1 => Reason::REFUSED_STREAM,
        2 => Reason::PROTOCOL_ERROR,
        code => Reason::from_code(u32::from(code) - 3),
    })
}

#[derive(Debug)]
struct Stream {
    opened: Duration,
    ended_by_us: bool,
    ended_by_peer: bool,
    answered: bool,
}

/// A probe that was given out.
#[derive(Debug)]
struct Probe {
    at: Duration,
    /// The peer sent HEADERS or DATA after the probe before reached it and before this one did.
    after_data: bool,
}

#[derive(Debug)]
struct Model {
    settings: Settings,
    machine: Machine,
    now: Duration,
    next_stream: u32,
    streams: BTreeMap<u32, Stream>,
    highest: u32,
    requests: u64,
    began: Option<Duration>,
    greeted: bool,
    opaque: bool,
    heard: Duration,
    /// Since when there has been a stream open without a break.
    busy_since: Duration,
    probes: Vec<Probe>,
    /// How many of them were acknowledged.
    acknowledged: usize,
    /// HEADERS or DATA came that were sent when the last probe had reached the peer.
    data_since: bool,
    /// The peer has sent HEADERS or DATA, and no probe has reached it since.
    data_pending: bool,
    /// One is given out, and nothing was heard since.
    in_flight: bool,
    /// Something happened that has to be probed.
    suspicious: bool,
    retired: bool,
    /// There was a reason to replace it.
    drained: bool,
    last: State,
    failed: Option<Close>,
}

impl Model {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            machine: Machine::new(settings),
            now: Duration::ZERO,
            next_stream: 1,
            streams: BTreeMap::new(),
            highest: 0,
            requests: 0,
            began: None,
            greeted: false,
            opaque: false,
            heard: Duration::ZERO,
            busy_since: Duration::ZERO,
            probes: Vec::new(),
            acknowledged: 0,
            data_since: true,
            data_pending: false,
            in_flight: false,
            suspicious: false,
            retired: false,
            drained: false,
            last: State::Open,
            failed: None,
        }
    }

    /// What happens, and mostly what is to be done about it: with the highest bit set, more happens first.
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let what = input.arbitrary::<u8>()?;
        match what % 0x80 {
            0 => self.tell_outbound(Event::Preface),
            1 => {
                let limit = input.arbitrary::<u8>()?;
                let max_concurrent_streams = Some(limit.into()).filter(|limit| *limit > 0);
                self.tell_inbound(Event::End(Frame::Settings { ack: false, max_concurrent_streams }));
            }
            // Time goes by, and each deadline is kept.
            2 => {
                let by = secs(input.arbitrary::<u8>()?.into());
                self.wait(by);
            }
            3 => {
                let by = secs(input.arbitrary::<u16>()?.into());
                self.wait(by);
            }
            4 => {
                let by = Duration::from_millis(input.arbitrary::<u16>()?.into());
                self.wait(by);
            }
            // The process was stopped. What came meanwhile is told in the steps that follow, if this one has the highest bit.
            5 => {
                let by = secs(input.arbitrary::<u8>()?.into());
                self.act();
                self.now += by;
            }
            6 => self.request(true),
            7 => self.request(false),
            8 => {
                let stream_id = self.pick(input)?;
                self.tell_outbound(Event::End(Frame::Headers { stream_id, end_stream: true }));
            }
            9 => {
                let (stream_id, end_stream) = (self.pick(input)?, input.arbitrary()?);
                self.tell_outbound(Event::End(Frame::Data { stream_id, end_stream }));
            }
            10 => {
                let stream_id = self.pick(input)?;
                self.tell_outbound(Event::End(Frame::Reset { stream_id, reason: Reason::CANCEL }));
            }
            11 => {
                let (stream_id, reason) = (self.pick(input)?, reason(input)?);
                self.tell_outbound(Event::End(Frame::Reset { stream_id, reason }));
            }
            12 => {
                let stream_id = self.pick(input)?;
                self.data(Frame::Headers { stream_id, end_stream: true }, false);
            }
            // The last is whether it was sent long before it came, or just now.
            13 => {
                let (stream_id, end_stream, early) = (self.pick(input)?, input.arbitrary()?, input.arbitrary()?);
                self.data(Frame::Headers { stream_id, end_stream }, early);
            }
            14 => {
                let (stream_id, end_stream, early) = (self.pick(input)?, input.arbitrary()?, input.arbitrary()?);
                self.data(Frame::Data { stream_id, end_stream }, early);
            }
            15 => {
                let (stream_id, reason) = (self.pick(input)?, reason(input)?);
                self.tell_inbound(Event::End(Frame::Reset { stream_id, reason }));
            }
            16 => {
                let (last_stream_id, reason) = (self.pick(input)?, reason(input)?);
                let frame = Frame::GoAway { last_stream_id, reason, debug_data: DebugData::empty() };
                self.tell_inbound(Event::End(frame));
            }
            17 => self.hear(),
            18 => self.acknowledge(),
            19 => {
                self.drained = true;
                self.machine.drain();
            }
            20 => {
                self.retired = true;
                self.machine.retired();
            }
            21 => {
                let close = [Close::Peer, Close::Client, Close::Transport][usize::from(input.arbitrary::<u8>()? % 3)];
                self.machine.ended(close);
                assert!(matches!(self.machine.state(), State::Closed(_)));
            }
            22 => self.tell_outbound(Event::NotHttp2),
            23 => self.tell_inbound(Event::NotHttp2),
            24 => {
                self.next_stream = (input.arbitrary::<u32>()? % (1 << 31)) | 1;
            }
            25 => self.next_stream = (1 << 31) - 2_001,
            // What means nothing to it.
            26 => {
                let ack = input.arbitrary()?;
                self.tell_inbound(Event::End(Frame::Ping { ack, payload: [0; 8] }));
            }
            27 => self.tell_inbound(Event::End(Frame::Settings { ack: true, max_concurrent_streams: None })),
            28 => self.tell_inbound(Event::Preface),
            29 => {
                let (kind, flags, stream_id) = (input.arbitrary()?, input.arbitrary()?, self.pick(input)?);
                let header = Header { length: 0, kind, flags, stream_id };
                self.tell_inbound(Event::Begin(header));
                self.tell_inbound(Event::End(Frame::Other(header)));
                self.tell_outbound(Event::Begin(header));
                self.tell_outbound(Event::End(Frame::Other(header)));
            }
            30 => {
                let frame = Frame::GoAway {
                    last_stream_id: self.pick(input)?,
                    reason: reason(input)?,
                    debug_data: DebugData::empty(),
                };
                self.tell_outbound(Event::End(frame));
            }
            _ => {}
        }
        if what & 0x80 == 0 {
            self.act();
        }
        self.look();
        Ok(())
    }

    /// One of the streams that are open, or any.
    fn pick(&self, input: &mut Unstructured<'_>) -> Result<u32> {
        Ok(match input.arbitrary::<u8>()? {
            0xff => input.arbitrary::<u32>()? % (1 << 31),
            which if self.streams.is_empty() => which.into(),
            which => *self.streams.keys().nth(usize::from(which) % self.streams.len()).expect("it is one of them"),
        })
    }

    fn request(&mut self, end_stream: bool) {
        let stream_id = self.next_stream;
        self.next_stream = (stream_id + 2).min((1 << 31) - 1);
        self.tell_outbound(Event::End(Frame::Headers { stream_id, end_stream }));
    }

    fn tell_outbound(&mut self, event: Event) {
        match event {
            Event::Preface if !self.opaque => self.began = Some(self.now),
            Event::NotHttp2 if !self.opaque => {
                self.turn_opaque();
                self.began = None;
            }
            Event::End(frame) if !self.opaque => self.follow_outbound(frame),
            _ => {}
        }
        self.machine.outbound(&event, self.now);
    }

    fn follow_outbound(&mut self, frame: Frame) {
        match frame {
            Frame::Headers { stream_id, end_stream } => {
                if stream_id > self.highest {
                    self.highest = stream_id;
                    if self.streams.is_empty() {
                        self.busy_since = self.now;
                    }
                    self.requests += 1;
                    self.drained |= self.settings.max_requests.is_some_and(|most| self.requests >= most);
                    self.suspect(self.now >= self.heard.saturating_add(self.settings.verify_idle));
                    let stream = Stream { opened: self.now, ended_by_us: false, ended_by_peer: false, answered: false };
                    self.streams.insert(stream_id, stream);
                }
                self.end(stream_id, end_stream, false);
            }
            Frame::Data { stream_id, end_stream } => self.end(stream_id, end_stream, false),
            Frame::Reset { stream_id, reason } => {
                let stream = self.streams.remove(&stream_id);
                let unheard = stream.is_some_and(|stream| stream.opened >= self.heard);
                self.suspect(unheard && reason == Reason::CANCEL);
            }
            _ => {}
        }
    }

    /// HEADERS or DATA came.
    fn data(&mut self, frame: Frame, early: bool) {
        let unacknowledged = &mut self.probes[self.acknowledged..];
        match unacknowledged.first_mut() {
            // At the earliest it was sent just after what was acknowledged, and the next probe reached the peer later.
            Some(next) if early => next.after_data = true,
            _ => self.data_pending = true,
        }
        self.data_since |= unacknowledged.is_empty();
        self.tell_inbound(Event::End(frame));
    }

    fn tell_inbound(&mut self, event: Event) {
        self.hear();
        match event {
            Event::NotHttp2 => self.turn_opaque(),
            Event::End(frame) if !self.opaque => self.follow_inbound(frame),
            _ => {}
        }
        self.machine.inbound(&event, self.now);
    }

    fn follow_inbound(&mut self, frame: Frame) {
        match frame {
            Frame::Headers { stream_id, end_stream } | Frame::Data { stream_id, end_stream } => {
                self.end(stream_id, end_stream, true);
            }
            Frame::Reset { stream_id, reason } => {
                self.streams.remove(&stream_id);
                self.drained |= reason == Reason::PROTOCOL_ERROR;
            }
            Frame::Settings { ack: false, .. } => self.greeted = true,
            Frame::GoAway { last_stream_id, .. } => {
                self.streams.retain(|stream_id, _| *stream_id <= last_stream_id);
                self.drained = true;
            }
            _ => {}
        }
    }

    fn end(&mut self, stream_id: u32, end_stream: bool, by_peer: bool) {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        if by_peer {
            stream.answered = true;
            stream.ended_by_peer |= end_stream;
        } else {
            stream.ended_by_us |= end_stream;
        }
        if stream.ended_by_us && stream.ended_by_peer {
            self.streams.remove(&stream_id);
        }
    }

    fn turn_opaque(&mut self) {
        self.opaque = true;
        self.streams.clear();
        self.in_flight = false;
        self.suspicious = false;
    }

    fn hear(&mut self) {
        self.heard = self.now;
        self.in_flight = false;
        self.suspicious = false;
        let silent = self.machine.state() == State::Silent;
        self.machine.heard(self.now);
        if silent {
            let expected = if self.retired { State::Draining(Drain::Silence) } else { State::Open };
            assert_eq!(self.machine.state(), expected);
        }
    }

    /// The oldest probe's acknowledgement came.
    fn acknowledge(&mut self) {
        self.hear();
        if self.acknowledged < self.probes.len() {
            self.acknowledged += 1;
            // The machine keeps one flag, for its last probe: it must not be told of an earlier one's.
            if self.acknowledged == self.probes.len() {
                self.machine.acknowledged();
            }
        }
    }

    /// A reason other than silence to probe.
    fn suspect(&mut self, is: bool) {
        let may = self.greeted && !self.opaque && !self.in_flight && self.data_since;
        self.suspicious |= is && may && !matches!(self.machine.state(), State::Closed(_));
    }

    fn wait(&mut self, by: Duration) {
        self.act();
        let end = self.now.saturating_add(by);
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.act();
        }
        self.now = end;
    }

    /// Does what is to be done, as the socket half would.
    fn act(&mut self) {
        while let Some(action) = self.machine.poll(self.now) {
            match action {
                Action::Probe => self.probe(),
                Action::Fail(close) => self.fail(close),
                other => panic!("what is {other:?}?"),
            }
        }
        self.drained |= self.settings.max_age.is_some_and(|age| self.now >= age);
        let closed = matches!(self.machine.state(), State::Closed(_));
        assert!(!self.suspicious || closed, "a suspicion was not followed up");
        let next = self.machine.deadline();
        assert!(next.is_none_or(|next| next > self.now), "it would spin: {next:?}");
        self.look();
    }

    fn probe(&mut self) {
        assert!(self.greeted && !self.opaque, "nothing is known of the peer");
        assert!(!self.in_flight, "one is on its way");
        assert!(self.failed.is_none());
        let since = self.heard.max(self.busy_since).saturating_add(self.settings.probe_after);
        let silent = !self.streams.is_empty() && self.now >= since;
        assert!(self.suspicious || silent, "nothing is suspicious");
        self.suspicious = false;
        self.in_flight = true;
        self.probes.push(Probe { at: self.now, after_data: std::mem::take(&mut self.data_pending) });
        self.data_since = false;
    }

    fn fail(&mut self, close: Close) {
        assert_eq!(self.failed, None, "it failed already");
        match close {
            Close::Dead => {
                let last = self.probes.last().expect("a probe went out");
                assert!(self.in_flight, "it was answered");
                assert!(self.now >= last.at.saturating_add(self.settings.dead_after), "it was not waited for");
            }
            Close::Handshake => {
                let due = self.began.map(|began| began.saturating_add(self.settings.handshake_timeout));
                assert!(!self.greeted && due.is_some_and(|due| self.now >= due));
            }
            other => panic!("nobody asked to fail it: {other:?}"),
        }
        assert_eq!(self.machine.state(), State::Closed(close));
        self.failed = Some(close);
    }

    /// What holds at any time.
    fn look(&mut self) {
        let state = self.machine.state();
        assert_eq!(state.admits(), state == State::Open);
        assert!(!self.drained || !state.admits(), "it was to be replaced");
        match self.last {
            State::Closed(_) => assert_eq!(state, self.last, "what has ended stays so"),
            State::Draining(_) => {
                assert!(!matches!(state, State::Open | State::Silent), "{state:?} after {:?}", self.last);
            }
            _ => {}
        }
        self.last = state;
        if let State::Closed(_) = state {
            assert_eq!(self.machine.deadline(), None);
        }
        assert_eq!(self.machine.open_streams(), self.streams.len());
        let unanswered = self.streams.values().filter(|stream| !stream.answered).count();
        assert_eq!(self.machine.unanswered_streams(), unanswered);
        assert_eq!(self.machine.requests(), self.requests);
        assert_eq!(self.machine.greeted(), self.greeted);
        let strikes = strikes(&self.probes);
        assert!(strikes <= 2, "{strikes} strikes: {:?}", self.probes);
    }

    /// Whatever happened before: what is silent from now on and has something open is found dead, and what has not is left
    /// alone.
    fn fall_silent(&mut self) {
        self.machine.drain();
        let probes = self.probes.len();
        let longest = LONGEST_GAP.max(self.settings.probe_after).saturating_add(self.settings.dead_after);
        let found = self.greeted && !self.streams.is_empty() && !matches!(self.machine.state(), State::Closed(_));
        let end = self.now.saturating_add(longest);
        for _ in 0..8 {
            let Some(deadline) = self.machine.deadline() else { break };
            if deadline > end {
                break;
            }
            self.now = deadline;
            self.act();
        }
        assert!(self.machine.deadline().is_none_or(|deadline| deadline > end), "it does not come to rest");
        if found && end < Duration::MAX {
            assert!(matches!(self.machine.state(), State::Closed(_)), "it was not found dead");
        }
        assert!(self.probes.len() <= probes + 1, "nothing comes, and still it is probed again");
    }
}

/// How often gRPC's default enforcement would have struck since data last cleared it, at the most (grpc-go,
/// `internal/transport/http2_server.go`, `handlePing`): a ping less than five minutes after the one before is a strike, unless
/// data was sent in between, which clears them.
fn strikes(probes: &[Probe]) -> u32 {
    let mut strikes = 0_u32;
    let mut most = 0;
    let mut last: Option<Duration> = None;
    for probe in probes {
        if probe.after_data {
            strikes = 0;
        } else if last.is_some_and(|last| probe.at < last.saturating_add(secs(300))) {
            strikes += 1;
        }
        most = most.max(strikes);
        last = Some(probe.at);
    }
    most
}
