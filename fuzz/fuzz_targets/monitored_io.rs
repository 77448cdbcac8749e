//! The wrapper at the socket between any client and any peer, with probes and notices of its own.
//!
//! An input is as [`Input`] has it; its first step's two bytes are the [`settings`]. The other steps are those of [`Play::step`],
//! and some of the wrapper's own, see [`Test::step`].

#![no_main]

use std::io::ErrorKind;
use std::ops::Range;
use std::time::Duration;

use http::Uri;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::time::advance;
use tower_redial::ConnectionHealth;
use tower_redial::health::frame::{Event, Frame};
use tower_redial::health::machine::{Close, State};
use tower_redial::health::{MonitoredIo, Protocol};
use tower_redial_fuzz::io::{Input, Play, options};
use tower_redial_fuzz::pipe::Pipe;
use tower_redial_fuzz::wire::reference;

/// A graceful GOAWAY (RFC 9113, section 6.8).
const NOTICE: [u8; 17] = *b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";

/// What may lie in the wrapper: a read of its own, and the beginnings of frames that may have to be taken out.
const KEPT: usize = 16 * 1024 + 10 * 17;

/// How much of a frame that may have to be taken out is held until the rest comes.
const HELD: usize = 16;

thread_local! {
    /// Its clock only goes forward; nothing here asks for the time of day.
    static RUNTIME: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data) else { return };
    let Some((how, steps)) = input.steps.split_first_chunk::<2>() else { return };
    RUNTIME.with(|runtime| runtime.block_on(async { Test::new(&input, *how).run(steps).await }));
});

/// Each time is one of four, by two bits of the first byte; the maximum age and number of requests by the second's.
fn settings(own_goaway: bool, [times, most]: [u8; 2]) -> (ConnectionHealth, Duration) {
    let time = |bits: u8| match bits % 4 {
        0 => Duration::MAX,
        1 => Duration::from_millis(500),
        2 => Duration::from_secs(2),
        _ => Duration::from_secs(15),
    };
    let (dead_after, handshake) = (time(times >> 4).max(Duration::from_secs(1)), time(times >> 6));
    let health = ConnectionHealth::builder()
        .own_goaway(own_goaway)
        .probe_after(time(times))
        .verify_idle(time(times >> 2))
        .probe_timeout(Duration::from_secs(1))
        .dead_after(dead_after)
        .handshake_timeout(handshake)
        .max_age_jitter(0.0)
        .max_age(Some(time(most)).filter(|age| *age < Duration::MAX))
        .max_requests(Some(u64::from(most >> 2 & 3)).filter(|most| *most > 0))
        .build();
    (health, dead_after)
}

struct Test {
    health: ConnectionHealth,
    play: Play<MonitoredIo<Pipe>>,
    own_goaway: bool,
    two_tasks: bool,
    /// A peer that is given up was silent for so long, or did not send SETTINGS.
    dead_after: Duration,
    /// Where the answers to PINGs of ours begin in what the peer sends.
    answers: Vec<usize>,
    /// How many PINGs of ours were asked for, and were written.
    probes: u64,
    pings: usize,
    /// What they were last looked for in: how much was written, how much of the client's was taken, and whether it failed to write.
    looked_at: Option<(usize, usize, bool)>,
    /// One was asked for, and none has been written since.
    due: bool,
    failed: bool,
}

impl Test {
    fn new(input: &Input<'_>, how: [u8; 2]) -> Self {
        let own_goaway = input.options & options::OWN_GOAWAY != 0;
        let pipe = Pipe::new(input.options & options::VECTORED != 0);
        let (health, dead_after) = settings(own_goaway, how);
        let io = health.monitor(pipe.clone(), &Uri::from_static("http://peer"));
        Self {
            health,
            play: Play::new(io, pipe, input),
            own_goaway,
            two_tasks: input.options & options::TWO_TASKS != 0,
            dead_after,
            answers: Vec::new(),
            probes: 0,
            pings: 0,
            looked_at: None,
            due: false,
            failed: false,
        }
    }

    async fn run(mut self, steps: &[u8]) {
        self.play.run();
        self.check();
        for step in steps.chunks_exact(2) {
            if !self.play.step(step[0], step[1]) {
                self.step(step[0] % 32, step[1]).await;
            }
            self.check();
        }
        self.play.let_through();
        self.check();
        // Whatever waits for its time has had it.
        self.wait(4).await;
        self.settled();
        self.play.finish();
        self.check();
        self.inbound(true);
    }

    async fn step(&mut self, what: u8, how: u8) {
        match what {
            // The process was stopped.
            19 => {
                advance(Duration::from_millis(u64::from(how) * 20)).await;
                self.play.run();
            }
            20 => self.wait(how % 64).await,
            21 => self.answer(how),
            22 => {
                self.play.io.connection().drain();
                self.play.run();
            }
            23 => {
                self.health.drain_all();
                self.play.run();
            }
            _ => {}
        }
    }

    async fn wait(&mut self, seconds: u8) {
        for _ in 0..u32::from(seconds) * 2 {
            advance(Duration::from_millis(500)).await;
            self.play.run();
            self.check();
        }
    }

    /// The peer answers one of our PINGs, mostly in their order.
    fn answer(&mut self, which: u8) {
        let number = if which == 0 { self.answers.len() + 1 } else { usize::from(which) };
        if number <= self.pings {
            // One that follows half a frame is no answer, but a part of that.
            let mut ends = frames(&self.play.inbound).into_iter().map(|frame| frame.end);
            if ends.next_back() == Some(self.play.inbound.len()) {
                self.answers.push(self.play.inbound.len());
            }
            self.play.inbound.extend(ping(number, 1));
        }
    }

    /// What holds at any time when nothing is woken.
    fn check(&mut self) {
        let snapshot = self.play.io.connection().snapshot();
        let pipe = self.play.pipe.look();
        assert_eq!(snapshot.bytes_received, pipe.read as u64);
        assert_eq!(snapshot.bytes_sent, pipe.written.len() as u64);

        let mut kept = pipe.read.saturating_sub(self.play.received.len());
        if kept > KEPT {
            let inbound = &self.play.inbound[..pipe.read];
            let may_go = |frame: &Range<usize>| matches!(inbound[frame.start + 3], 6 | 7) && frame.len() == 17;
            kept -= frames(inbound).into_iter().filter(may_go).count() * 17;
            assert!(kept <= KEPT, "{kept} bytes lie in the wrapper");
        }

        let has_failed = matches!(snapshot.state, State::Closed(Close::Dead | Close::Handshake));
        if has_failed && !self.failed {
            // For the handshake SETTINGS count, and nothing else.
            if snapshot.state == State::Closed(Close::Dead) {
                assert!(pipe.read_last.elapsed() >= self.dead_after, "given up while it was heard of");
                assert!(pipe.arrived.is_empty(), "what it says was not read");
            }
            self.failed = true;
        }
        let (written, shut) = (pipe.written.len(), pipe.shut);
        drop(pipe);
        // A client with two tasks is not one for HTTP/2: what becomes of the connection is told to one of them.
        if has_failed && !self.two_tasks {
            assert!(!self.play.is_reading(), "a reader waits on a connection that was given up");
            assert!(!self.play.is_writing() || shut, "a writer waits on a connection that was given up");
        }
        for end in [self.play.read_end.and_then(Result::err), self.play.write_end] {
            assert!(end != Some(ErrorKind::TimedOut) || has_failed || shut || self.play.write_end.is_some());
        }

        let asked = snapshot.probes > self.probes;
        self.probes = snapshot.probes;
        let look_at = (written, self.play.taken, self.play.write_end.is_some());
        let mut pings = self.pings;
        // Mostly it is time that went by, and nothing else.
        if self.looked_at.replace(look_at) != Some(look_at) {
            pings = self.pings_in(&self.play.pipe.look().written).len();
        }
        assert!(pings as u64 <= self.probes, "{pings} PINGs for {} probes", self.probes);
        self.due = (self.due || asked) && pings == self.pings;
        self.pings = pings;
    }

    /// Where whole PINGs of ours lie between the client's bytes, and nothing else does.
    fn pings_in(&self, written: &[u8]) -> Vec<usize> {
        let client = &self.play.outbound;
        let boundaries = boundaries(client);
        // What was written when the client was told that it failed may count or not.
        let ended = self.play.write_end.is_some();
        let is_all = |at: usize| at == self.play.taken || (ended && at >= self.play.taken);
        let mut paths = vec![(0, Vec::new())];
        while let Some((at, pings)) = paths.pop() {
            let from_client = at - 17 * pings.len();
            let rest = &written[at..];
            if rest.is_empty() && is_all(from_client) {
                return pings;
            }
            let ping = ping(pings.len() + 1, 0);
            let may_ping = boundaries.contains(&from_client);
            // Half of one is followed by its other half before anything else.
            if may_ping && rest.len() < 17 && ping.starts_with(rest) && is_all(from_client) {
                return pings;
            }
            if client.get(from_client).is_some_and(|byte| Some(byte) == rest.first()) {
                let same = rest.iter().zip(&client[from_client..]).take_while(|(one, other)| one == other).count();
                let next =
                    boundaries.iter().find(|boundary| **boundary > from_client).map_or(same, |next| next - from_client);
                paths.push((at + same.min(next), pings.clone()));
            }
            if may_ping && rest.starts_with(&ping) {
                paths.push((at + 17, [pings, vec![at]].concat()));
            }
        }
        panic!("{written:?} is not {:?}, and PINGs at {boundaries:?}", &client[..self.play.taken]);
    }

    /// What holds when everything came, there was room for everything, and time went by.
    fn settled(&self) {
        let pipe = self.play.pipe.look();
        let snapshot = self.play.io.connection().snapshot();
        if self.failed {
            return;
        }
        assert!(!self.play.is_writing(), "a writer waits for room that is there, or to be shut down");
        let pings = self.pings_in(&pipe.written);
        // A client that has read the end, or failed to write, does not come back for what is ours.
        let comes_back = self.play.read_end.is_none() && self.play.write_end.is_none();
        if comes_back && !pipe.write_fails && !pipe.shut && !self.two_tasks {
            assert!(!self.due || !boundaries(&self.play.outbound).contains(&self.play.taken), "a PING is not written");
            assert!(pings.last().is_none_or(|ping| pipe.flushed >= ping + 17), "a PING is not flushed");
        }
        // The peer's SETTINGS come before the first.
        if let Some(first) = pings.first() {
            let had_read = pipe.writes.iter().rev().find(|(at, _)| at <= first).map(|(_, read)| *read);
            let settings = frames(&self.play.inbound).first().map(|frame| frame.end);
            assert!(settings.is_some_and(|settings| Some(settings) <= had_read), "a PING before the peer's SETTINGS");
        }
        drop(pipe);
        self.inbound(false);

        let last = frames(&self.play.inbound[..self.play.came]).last().map(|frame| frame.end);
        let stands = last == Some(self.play.came) && is_outside_block(&self.play.inbound[..self.play.came]);
        if self.own_goaway
            && !self.two_tasks
            && self.play.read_end.is_none()
            // A client that could not write opens nothing more.
            && self.play.write_end.is_none()
            && stands
            && snapshot.protocol == Protocol::Http2
        {
            let told = |bytes: &[u8]| frames(bytes).into_iter().any(|frame| bytes[frame.start + 3] == 7);
            assert!(!told(&self.play.inbound[..self.play.came]) || told(&self.play.received), "a notice was lost");
        }
    }

    /// Whether the client has read what came, but for what is ours. `whole` when its end came too.
    fn inbound(&self, whole: bool) {
        let sent = &self.play.inbound[..self.play.came];
        let received = &self.play.received[..];
        let missing = match (self.failed, whole) {
            (true, _) => usize::MAX,
            (false, true) => 0,
            (false, false) if self.probes > 0 || self.own_goaway => HELD,
            (false, false) => 0,
        };
        if self.own_goaway { self.moved(sent, received, missing) } else { self.passed(sent, received, missing) }
    }

    fn is_answer(bytes: &[u8], frame: &Range<usize>) -> bool {
        let bytes = &bytes[frame.clone()];
        bytes.len() == 17 && bytes[3] == 6 && bytes[4] & 1 != 0 && bytes[9..13] == *b"rdil"
    }

    /// What the peer sent in which the wrapper could see an answer that is none.
    fn is_forged(&self, sent: &[u8], frames: &[Range<usize>]) -> bool {
        frames.iter().any(|frame| Self::is_answer(sent, frame) && !self.answers.contains(&frame.start))
    }

    /// Nothing but answers to our PINGs is missing, and no such answer is left.
    fn passed(&self, sent: &[u8], received: &[u8], missing: usize) {
        let frames = frames(sent);
        let forged = self.is_forged(sent, &frames);
        let repeated = frames.iter().filter(|frame| Self::is_answer(sent, frame)).count() > self.pings;
        let answers: Vec<_> = frames.into_iter().filter(|frame| Self::is_answer(sent, frame)).collect();
        let mut paths = vec![(0, 0)];
        while let Some((from, to)) = paths.pop() {
            if to == received.len() && sent.len() - from <= missing {
                return;
            }
            let answer = answers.iter().find(|answer| answer.start >= from);
            let next = answer.map_or(sent.len(), |answer| answer.start);
            let (part, rest) = (&sent[from..next], &received[to..]);
            if !rest.starts_with(part) {
                // What is held, or was lost with the connection.
                if part.starts_with(rest) && sent.len() - from - rest.len() <= missing {
                    return;
                }
                continue;
            }
            let Some(answer) = answer else {
                if rest.len() == part.len() {
                    return;
                }
                continue;
            };
            let to = to + part.len();
            let out_of_order = self.answers_out_of_order(sent);
            if forged || repeated || out_of_order {
                if received[to..].starts_with(&sent[answer.clone()]) {
                    paths.push((answer.end, to + answer.len()));
                }
                let beginning = received.len() - to;
                if beginning < 17
                    && sent[answer.clone()].starts_with(&received[to..])
                    && sent.len() - answer.start - beginning <= missing
                {
                    return;
                }
            }
            paths.push((answer.end, to));
        }
        panic!("{received:?} of {sent:?}");
    }

    fn answers_out_of_order(&self, sent: &[u8]) -> bool {
        let number = |at: &usize| sent.get(at + 9..at + 17).map(<[u8]>::to_vec);
        !self.answers.iter().map(number).is_sorted_by(|one, other| other.is_none() || one < other)
    }

    /// Nothing is missing but answers to our PINGs, PINGs of the peer's may come later than what followed them, and a notice
    /// stands where a frame may.
    fn moved(&self, sent: &[u8], received: &[u8], missing: usize) {
        let (before, after) = (frames(sent), frames(received));
        let list = |bytes: &[u8], frames: &[Range<usize>], which: fn(&[u8]) -> bool| {
            let frames = frames.iter().map(|frame| bytes[frame.clone()].to_vec());
            frames.filter(|frame| which(frame)).collect::<Vec<_>>()
        };
        let is_ping: fn(&[u8]) -> bool = |frame| frame[3] == 6 && frame[4] & 1 == 0;
        // One bit of the last stream is reserved, and says nothing.
        let is_notice: fn(&[u8]) -> bool = |frame| {
            frame[3] == 7 && frame[9] | 0x80 == 0xff && frame[10..13] == NOTICE[10..13] && frame[13..] == [0; 4]
        };
        let is_ours: fn(&[u8]) -> bool = |frame| frame[3] == 6 && frame[4] & 1 != 0 && frame[9..13] == *b"rdil";
        let others: fn(&[u8]) -> bool = |frame| {
            !matches!(frame[3], 6 | 7)
                || (frame[3] == 6 && frame[4] & 1 != 0 && frame[9..13] != *b"rdil")
                || (frame[3] == 7
                    && (frame[9] | 0x80 != 0xff || frame[10..13] != NOTICE[10..13] || frame[13..] != [0; 4]))
        };
        let (there, here) = (list(sent, &before, others), list(received, &after, others));
        if missing > HELD {
            assert!(there.starts_with(&here), "{here:?} of {there:?}");
            return;
        }
        assert_eq!(here, there);
        let (mut there, here) = (list(sent, &before, is_ping), list(received, &after, is_ping));
        for ping in here {
            let at = there.iter().position(|other| *other == ping).expect("a PING of the peer's");
            there.remove(at);
        }
        let (there, here) = (list(sent, &before, is_notice).len(), list(received, &after, is_notice).len());
        assert!(here <= there + 1, "{here} notices of {there}");
        if !self.is_forged(sent, &before)
            && before.iter().filter(|frame| is_ours(&sent[(*frame).clone()])).count() <= self.pings
            && !self.answers_out_of_order(sent)
        {
            assert_eq!(list(received, &after, is_ours), [[0; 0]; 0]);
        }
        let tail = |bytes: &[u8], frames: &[Range<usize>]| bytes[frames.last().map_or(0, |frame| frame.end)..].to_vec();
        let (there, here) = (tail(sent, &before), tail(received, &after));
        assert!(there.starts_with(&here) && there.len() - here.len() <= missing, "{here:?} of {there:?}");
    }
}

/// Our PING of this number, or the answer to it.
fn ping(number: usize, flags: u8) -> [u8; 17] {
    let mut frame = *b"\0\0\x08\x06\0\0\0\0\0rdil....";
    frame[4] = flags;
    frame[13..].copy_from_slice(&(number as u32).to_be_bytes());
    frame
}

/// The whole frames that come before anything that is not HTTP/2.
fn frames(inbound: &[u8]) -> Vec<Range<usize>> {
    let mut frames: Vec<Range<usize>> = Vec::new();
    for expected in reference(false, inbound) {
        if let Event::End(_) = expected.event {
            frames.push(frames.last().map_or(0, |last| last.end)..expected.at);
        }
    }
    frames
}

fn is_outside_block(inbound: &[u8]) -> bool {
    reference(false, inbound).last().is_some_and(|last| last.boundary)
}

/// Where a PING of ours may stand in what a client writes.
fn boundaries(outbound: &[u8]) -> Vec<usize> {
    let mut settings = false;
    let mut boundaries = Vec::new();
    for expected in reference(true, outbound) {
        settings |= matches!(expected.event, Event::End(Frame::Settings { ack: false, .. }));
        if settings && expected.boundary {
            boundaries.push(expected.at);
        }
    }
    boundaries
}
