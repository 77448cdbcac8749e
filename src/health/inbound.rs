//! What comes in: the peer's bytes, less the answers to our own PINGs, more a GOAWAY of our own. No IO.
//!
//! Where it is asked for, the peer's first notice of a graceful shutdown is taken out too, so that ours can stand for it at a
//! better moment; and the PINGs that follow it until then, since a peer takes the answer to one for a sign that no request of before is
//! on its way any more.

use std::ops::Range;

use tokio::io::ReadBuf;

use super::frame::{Event, Frame, Header, Scanner};
use crate::fate::Reason;

/// A PING or GOAWAY without debug data: a header and eight bytes.
pub(super) const FRAME: usize = 17;

/// How many PINGs of the peer's wait for a GOAWAY of ours.
const PINGS: usize = 8;

/// The first half of our PINGs' payload; the second is a number.
const OURS: [u8; 4] = *b"rdil";

const PING: u8 = 0x6;
const ACK: u8 = 0x1;

const GOAWAY_KIND: u8 = 0x7;

/// A frame's header, and the highest stream id there is (RFC 9113, sections 4.1 and 5.1.1).
const HEADER: usize = 9;
const LAST_OF_ALL: u32 = (1 << 31) - 1;

/// A graceful GOAWAY: NO_ERROR, and the highest stream id there is (RFC 9113, section 6.8).
pub(super) const GOAWAY: [u8; FRAME] = *b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";

/// Our PING of this number.
pub(super) fn ping(number: u32) -> [u8; FRAME] {
    let mut frame = *b"\0\0\x08\x06\0\0\0\0\0........";
    frame[9..13].copy_from_slice(&OURS);
    frame[13..].copy_from_slice(&number.to_be_bytes());
    frame
}

/// The number of the PING of ours that this payload is of.
fn number_of(payload: [u8; 8]) -> Option<u32> {
    let [a, b, c, d, number @ ..] = payload;
    ([a, b, c, d] == OURS).then(|| u32::from_be_bytes(number))
}

/// PINGs of ours that were sent and have not been answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unanswered {
    sent: u32,
    answered: u32,
}

impl Unanswered {
    /// The number of the next one.
    pub(super) fn send(&mut self) -> u32 {
        self.sent = self.sent.wrapping_add(1);
        self.sent
    }

    pub(super) const fn any(self) -> bool {
        self.sent != self.answered
    }

    /// Whether this payload answers one; then all up to it are answered.
    fn answer(&mut self, payload: [u8; 8]) -> bool {
        let Some(number) = number_of(payload) else { return false };
        let open = self.sent.wrapping_sub(self.answered);
        let is_ours = (1..=open).contains(&number.wrapping_sub(self.answered));
        if is_ours {
            self.answered = number;
        }
        is_ours
    }
}

/// What the inbound bytes told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An event of the peer's that something may follow from at once.
    Event(Event),
    /// DATA that does not end its stream: as good as nothing, and most of what comes.
    Data {
        /// Its stream.
        stream_id: u32,
    },
    /// The same, a notice of a graceful shutdown that nobody above is to see yet.
    Taken(Event),
    /// The answer to a PING of ours, which nobody above is to see.
    Answer {
        /// None is unanswered any more.
        last: bool,
    },
}

impl Told {
    /// What there is to tell of an event that the client is given.
    fn of(event: Event) -> Option<Self> {
        match event {
            Event::End(Frame::Data { stream_id, end_stream: false }) => Some(Self::Data { stream_id }),
            Event::Begin(_) | Event::End(Frame::Other(_) | Frame::Ping { .. } | Frame::Settings { ack: true, .. }) => {
                None
            }
            _ => Some(Self::Event(event)),
        }
    }
}

/// The inbound direction.
///
/// As long as nothing is to be taken out or put in, bytes are only looked at. Otherwise they go through a queue, which is
/// freed when it is no longer needed.
#[derive(Debug)]
pub(super) struct Inbound {
    scanner: Scanner,
    /// The peer's SETTINGS are in: its first frame (RFC 9113, section 3.4), before which none of ours may stand.
    greeted: bool,
    pub(super) unanswered: Unanswered,
    /// A GOAWAY is to be put in at the next boundary.
    goaway: bool,
    /// The peer's notice of a graceful shutdown is to be taken out.
    takes_goaway: bool,
    /// It was, and ours has not been put in yet.
    took_goaway: bool,
    /// The peer's PINGs since, as they came.
    pings: Vec<[u8; FRAME]>,
    /// A GOAWAY of the peer's went through: it may name a last stream, and none of ours may follow it.
    passed_goaway: bool,
    /// The beginning of a frame that may have to be taken out.
    held: [u8; FRAME],
    held_len: usize,
    /// Bytes are being held: what comes is at the beginning of a frame.
    holding: bool,
    /// What is to be read before anything else.
    queue: Vec<u8>,
    taken: usize,
}

impl Inbound {
    pub(super) const fn new(takes_goaway: bool) -> Self {
        Self {
            takes_goaway,
            took_goaway: false,
            pings: Vec::new(),
            passed_goaway: false,
            scanner: Scanner::inbound(),
            greeted: false,
            unanswered: Unanswered { sent: 0, answered: 0 },
            goaway: false,
            held: [0; FRAME],
            held_len: 0,
            holding: false,
            queue: Vec::new(),
            taken: 0,
        }
    }

    /// The peer's notice of a graceful shutdown is not to be taken out.
    #[cfg(feature = "connect")]
    pub(super) const fn leave_goaway(&mut self) {
        self.takes_goaway = false;
    }

    /// Whether bytes have to go through [`filter`](Self::filter).
    pub(super) fn is_filtering(&self) -> bool {
        let wanted = (self.unanswered.any() || self.goaway || self.took_goaway) && !self.scanner.is_off();
        wanted || self.held_len > 0 || self.has_queue()
    }

    pub(super) fn has_queue(&self) -> bool {
        self.taken < self.queue.len()
    }

    /// Looks at bytes that go by as they are; or up to the end of what is to be taken out, and says where that stands.
    ///
    /// One that came in two pieces goes by: its beginning is with the client.
    pub(super) fn pass(&mut self, bytes: &[u8], mut told: impl FnMut(Told)) -> Option<Range<usize>> {
        let mut rest = bytes;
        let mut began = None;
        loop {
            if let Some(stream_id) = self.scanner.skip_data(&mut rest) {
                told(Told::Data { stream_id });
            }
            let event = if self.scanner.may_have(rest) { self.scanner.next(&mut rest) } else { None };
            let Some(event) = event else { break };
            let at = bytes.len() - rest.len();
            match event {
                Event::Begin(header) => began = at.checked_sub(HEADER).filter(|_| self.may_take(&header)),
                Event::End(frame) => {
                    self.greeted = true;
                    match began {
                        Some(began) if self.takes(&frame) => {
                            self.holding = self.scanner.at_boundary();
                            self.took_goaway = true;
                            told(Told::Taken(event));
                            return Some(began..at);
                        }
                        _ => self.passes(&frame),
                    }
                }
                Event::NotHttp2 | Event::Preface => {}
            }
            Told::of(event).into_iter().for_each(&mut told);
        }
        self.holding = self.scanner.at_boundary();
        None
    }

    fn may_take(&self, header: &Header) -> bool {
        self.takes_goaway && header.kind == GOAWAY_KIND && header.length as usize == FRAME - HEADER
    }

    /// Whether this frame is to be taken out, if it can be.
    fn takes(&self, frame: &Frame) -> bool {
        let notice = matches!(frame, Frame::GoAway { last_stream_id: LAST_OF_ALL, reason: Reason::NO_ERROR, .. });
        notice && self.takes_goaway && !self.passed_goaway
    }

    /// The client is given this frame.
    fn passes(&mut self, frame: &Frame) {
        if matches!(frame, Frame::GoAway { .. }) {
            self.passed_goaway = true;
            self.goaway = false;
        }
    }

    fn may_wait(&self, header: &Header) -> bool {
        self.took_goaway && header.kind == PING && header.flags & ACK == 0 && self.pings.len() < PINGS
    }

    /// Gives the client the PINGs that waited. At a boundary only.
    fn put_pings(&mut self) {
        self.took_goaway = false;
        for ping in std::mem::take(&mut self.pings) {
            self.queue.extend_from_slice(&ping);
        }
    }

    /// Puts bytes into the queue, but for what is ours.
    pub(super) fn filter(&mut self, mut bytes: &[u8], mut told: impl FnMut(Told)) {
        loop {
            let before = bytes;
            let event = self.scanner.next(&mut bytes);
            let consumed = &before[..before.len() - bytes.len()];
            self.keep(consumed);
            let Some(event) = event else { return };
            match event {
                Event::Begin(header) => {
                    let may_be_ours = header.kind == PING && header.flags & ACK != 0 && self.unanswered.any();
                    if !may_be_ours && !self.may_take(&header) && !self.may_wait(&header) {
                        self.let_go();
                    }
                    Told::of(event).into_iter().for_each(&mut told);
                }
                Event::End(frame) => {
                    self.greeted = true;
                    match frame {
                        Frame::Ping { ack: true, payload }
                            if self.held_len == FRAME && self.unanswered.answer(payload) =>
                        {
                            self.held_len = 0;
                            told(Told::Answer { last: !self.unanswered.any() });
                        }
                        Frame::Ping { ack: false, .. } if self.held_len == FRAME && self.took_goaway => {
                            self.held_len = 0;
                            self.pings.push(self.held);
                            Told::of(event).into_iter().for_each(&mut told);
                        }
                        _ if self.held_len == FRAME && self.takes(&frame) => {
                            self.held_len = 0;
                            self.took_goaway = true;
                            told(Told::Taken(event));
                        }
                        _ => {
                            self.passes(&frame);
                            self.let_go();
                            if self.passed_goaway && self.scanner.at_boundary() {
                                self.put_pings();
                            }
                            Told::of(event).into_iter().for_each(&mut told);
                        }
                    }
                    self.holding = self.scanner.at_boundary();
                    self.put_goaway();
                }
                Event::NotHttp2 | Event::Preface => {
                    self.let_go();
                    self.goaway = false;
                    Told::of(event).into_iter().for_each(&mut told);
                }
            }
        }
    }

    /// A graceful GOAWAY is to be put in as soon as a frame may stand there.
    pub(super) fn want_goaway(&mut self) {
        self.goaway = !self.passed_goaway;
        self.put_goaway();
    }

    /// Whether the GOAWAY still waits for a boundary.
    pub(super) const fn goaway_waits(&self) -> bool {
        self.goaway
    }

    fn put_goaway(&mut self) {
        if self.goaway && self.greeted && self.held_len == 0 && self.scanner.at_boundary() {
            self.goaway = false;
            // Nothing would stand for another.
            self.takes_goaway = false;
            self.queue.extend_from_slice(&GOAWAY);
            self.put_pings();
        }
    }

    /// No byte will come any more: what was held is let go.
    pub(super) fn finish(&mut self) {
        self.let_go();
        self.goaway = false;
    }

    /// Gives as much of the queue as there is room for.
    pub(super) fn take(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.queue[self.taken..];
        let given = left.len().min(buf.remaining());
        buf.put_slice(&left[..given]);
        self.taken += given;
        if !self.has_queue() {
            self.queue = Vec::new();
            self.taken = 0;
        }
    }

    /// Whether there is anything that might have to be taken out: else nobody is kept waiting for the rest of a frame.
    fn may_hold(&self) -> bool {
        self.unanswered.any() || self.takes_goaway || self.took_goaway
    }

    fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.holding && self.may_hold() && self.held_len + bytes.len() <= FRAME {
            self.held[self.held_len..self.held_len + bytes.len()].copy_from_slice(bytes);
            self.held_len += bytes.len();
        } else {
            self.let_go();
            self.queue.extend_from_slice(bytes);
        }
    }

    fn let_go(&mut self) {
        self.queue.extend_from_slice(&self.held[..self.held_len]);
        self.held_len = 0;
        self.holding = false;
    }
}

impl Inbound {
    #[cfg(test)]
    fn drain(&mut self) -> Vec<u8> {
        let mut all = vec![0; 1 << 16];
        let mut buf = ReadBuf::new(&mut all);
        self.take(&mut buf);
        buf.filled().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn answer(number: u32) -> Vec<u8> {
        let mut answer = ping(number).to_vec();
        answer[4] = ACK;
        answer
    }

    /// Whatever was to be read, one piece after the other.
    fn read(inbound: &mut Inbound, pieces: &[&[u8]], told: &mut Vec<Told>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            if inbound.is_filtering() {
                inbound.filter(piece, |what| told.push(what));
                out.extend(inbound.drain());
            } else {
                match inbound.pass(piece, |what| told.push(what)) {
                    None => out.extend_from_slice(piece),
                    Some(taken) => {
                        out.extend_from_slice(&piece[..taken.start]);
                        inbound.filter(&piece[taken.end..], |what| told.push(what));
                        out.extend(inbound.drain());
                    }
                }
            }
        }
        out
    }

    fn is_answer(told: &Told) -> bool {
        matches!(told, Told::Answer { .. })
    }

    /// An answer that comes late is not the newest PING's.
    #[test]
    fn a_late_answer_is_told_apart() {
        let mut inbound = Inbound::new(false);
        let mut told = Vec::new();
        read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
        inbound.unanswered.send();
        inbound.unanswered.send();
        told.clear();
        read(&mut inbound, &[&answer(1), &answer(2)], &mut told);
        let answers: Vec<_> = told.into_iter().filter(is_answer).collect();
        assert_eq!(answers, [Told::Answer { last: false }, Told::Answer { last: true }]);
    }

    #[test]
    fn another_pings_answer_stays() {
        let mut inbound = Inbound::new(false);
        let mut told = Vec::new();
        read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
        inbound.unanswered.send();
        let foreign = frame(PING, ACK, 0, b"whatever");
        let (before, after) = foreign.split_at(5);
        assert_eq!(read(&mut inbound, &[before, after], &mut told), foreign);
        let never_sent = answer(7);
        assert_eq!(read(&mut inbound, &[&never_sent], &mut told), never_sent);
        assert!(!told.iter().any(is_answer));
        assert!(read(&mut inbound, &[&answer(1)], &mut told).is_empty());
        assert!(told.contains(&Told::Answer { last: true }) && !inbound.is_filtering());
        assert_eq!(read(&mut inbound, &[&answer(1)], &mut told), answer(1), "it was answered already");
    }

    #[test]
    fn the_end_gives_back_what_was_held() {
        let mut inbound = Inbound::new(false);
        let mut told = Vec::new();
        read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
        inbound.unanswered.send();
        assert!(read(&mut inbound, &[&answer(1)[..16]], &mut told).is_empty());
        inbound.finish();
        assert_eq!(inbound.drain(), answer(1)[..16]);
        assert!(inbound.is_filtering(), "and an answer may still come");
    }

    /// What is read for a client that is busy writing is its own from the first byte on, if none of it is ours.
    #[test]
    fn half_a_header_is_held_for_a_reason_only() {
        let settings = frame(4, 0, 0, &[]);
        for probed in [false, true] {
            let mut inbound = Inbound::new(false);
            inbound.filter(&settings, |_| {});
            assert_eq!(inbound.drain(), settings);
            if probed {
                inbound.unanswered.send();
            }
            let answer = answer(1);
            for half in [&answer[..8], &answer[8..]] {
                inbound.filter(half, |_| {});
                assert_eq!(inbound.drain(), if probed { &[] } else { half });
            }
        }
    }

    /// The notice is taken out, whether bytes go by or through the queue, and what names a last stream is not. Nothing of ours
    /// follows that.
    #[test]
    fn a_notice_of_a_graceful_shutdown_is_taken_out() {
        let settings = frame(4, 0, 0, &[]);
        let last = frame(GOAWAY_KIND, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0]);
        let error = frame(GOAWAY_KIND, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2]);
        let debug = frame(GOAWAY_KIND, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, b'!']);
        let data = frame(0, 0, 1, b"data");
        for filtering in [false, true] {
            let started = |takes: bool| {
                let mut inbound = Inbound::new(takes);
                read(&mut inbound, &[&settings], &mut Vec::new());
                if filtering {
                    inbound.unanswered.send();
                }
                inbound
            };
            let notice = [&*data, &GOAWAY, &data].concat();
            let mut told = Vec::new();
            assert_eq!(read(&mut started(true), &[&notice], &mut told), [&*data, &data].concat());
            assert_eq!(told.iter().filter(|told| matches!(told, Told::Taken(_))).count(), 1);
            assert_eq!(read(&mut started(false), &[&notice], &mut told), notice);
            for stays in [&last, &error, &debug] {
                assert_eq!(read(&mut started(true), &[stays], &mut told), **stays);
            }

            let mut inbound = started(true);
            assert!(read(&mut inbound, &[&GOAWAY], &mut told).is_empty());
            assert_eq!(read(&mut inbound, &[&last, &GOAWAY], &mut told), [&*last, &GOAWAY].concat());
            inbound.want_goaway();
            assert!(!inbound.goaway_waits() && inbound.drain().is_empty());
        }
    }

    /// A peer that gets its PING answered may name the last stream: so that waits too.
    #[test]
    fn the_pings_that_follow_a_notice_wait() {
        // With flags and a bit that mean nothing, and are none of ours to mend.
        let ping = frame(PING, 0x2e, 1 << 31, b"shutdown");
        let data = frame(0, 0, 1, b"data");
        let last = frame(GOAWAY_KIND, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0]);
        let mut told = Vec::new();
        let mut started = || {
            let mut inbound = Inbound::new(true);
            read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
            assert_eq!(read(&mut inbound, &[&GOAWAY, &ping[..5], &ping[5..], &data], &mut told), data);
            assert!(inbound.is_filtering());
            inbound
        };
        let mut inbound = started();
        inbound.want_goaway();
        assert_eq!(inbound.drain(), [&GOAWAY[..], &ping].concat());
        assert!(!inbound.is_filtering());
        let again = [&GOAWAY[..], &ping].concat();
        assert_eq!(read(&mut inbound, &[&again], &mut Vec::new()), again);

        // Its patience was over.
        let mut inbound = started();
        assert_eq!(read(&mut inbound, &[&last], &mut Vec::new()), [&*last, &ping].concat());
        assert!(!inbound.is_filtering());

        // Nobody's memory is filled.
        let mut inbound = started();
        let mut out = Vec::new();
        for _ in 0..100 {
            out.extend(read(&mut inbound, &[&ping], &mut Vec::new()));
        }
        assert_eq!(out.len(), (101 - PINGS) * FRAME);
    }

    /// In two pieces it can be taken out of the queue only.
    #[test]
    fn a_notice_in_two_pieces_is_whole_or_gone() {
        for at in 1..FRAME {
            let (before, after) = GOAWAY.split_at(at);
            for (filtering, expected) in [(false, &GOAWAY[..]), (true, &[])] {
                let mut inbound = Inbound::new(true);
                let mut told = Vec::new();
                read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
                if filtering {
                    inbound.unanswered.send();
                }
                assert_eq!(read(&mut inbound, &[before, after], &mut told), expected, "{at}");
            }
        }
    }

    /// The first frame of a server is SETTINGS (RFC 9113, section 3.4).
    #[test]
    fn a_notice_of_ours_waits_for_the_peers_settings() {
        let settings = frame(4, 0, 0, &[]);
        let mut inbound = Inbound::new(true);
        inbound.want_goaway();
        assert!(inbound.goaway_waits() && inbound.drain().is_empty());
        let (before, after) = settings.split_at(4);
        assert_eq!(read(&mut inbound, &[before, after], &mut Vec::new()), [&*settings, &GOAWAY].concat());
    }

    #[derive(Clone, Debug)]
    enum Piece {
        Frame(Vec<u8>),
        Answer,
    }

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let data = prop::collection::vec(any::<u8>(), 0..40).prop_map(|payload| Piece::Frame(frame(0, 0, 1, &payload)));
        let headers = prop::collection::vec(any::<u8>(), 0..20).prop_map(|payload| {
            let (first, rest) = payload.split_at(payload.len() / 2);
            Piece::Frame([frame(1, 0, 3, first), frame(9, 4, 3, rest)].concat())
        });
        let ping =
            any::<([u8; 8], bool)>().prop_map(|(payload, ack)| Piece::Frame(frame(PING, u8::from(ack), 0, &payload)));
        let piece = prop_oneof![3 => data, 2 => headers, 2 => ping, 3 => Just(Piece::Answer)];
        prop::collection::vec(piece, 0..20)
    }

    /// The frames that these bytes are.
    fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut frames = Vec::new();
        while let [a, b, c, ..] = bytes {
            let (frame, rest) = bytes.split_at(HEADER + u32::from_be_bytes([0, *a, *b, *c]) as usize);
            frames.push(frame);
            bytes = rest;
        }
        frames
    }

    proptest! {
        /// However the bytes are split, and whenever ours is put in, the client gets one notice of a graceful shutdown, and
        /// everything else in its order; PINGs may come later than what followed them.
        #[test]
        fn a_notice_is_moved_and_nothing_else_is_lost(
            pieces in pieces(),
            notice_at in 0_usize..20,
            cuts in prop::collection::vec(1_usize..30, 1..200),
            goaway_at in 0_usize..400,
        ) {
            let mut inbound = Inbound::new(true);
            let mut told = Vec::new();
            read(&mut inbound, &[&frame(4, 0, 0, &[])], &mut told);
            let mut sent: Vec<_> = pieces.into_iter().filter_map(|piece| match piece {
                Piece::Frame(bytes) => Some(bytes),
                Piece::Answer => None,
            }).collect();
            sent.insert(notice_at.min(sent.len()), GOAWAY.to_vec());
            let sent = sent.concat();
            let (mut out, mut rest) = (Vec::new(), &sent[..]);
            let mut cuts = cuts.iter().cycle();
            let mut asked = false;
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = more;
                out.extend(read(&mut inbound, &[piece], &mut told));
                let taken = told.iter().any(|told| matches!(told, Told::Taken(_)));
                if taken && !asked && sent.len() - rest.len() >= goaway_at {
                    asked = true;
                    inbound.want_goaway();
                    out.extend(inbound.drain());
                }
            }
            if !asked && told.iter().any(|told| matches!(told, Told::Taken(_))) {
                inbound.want_goaway();
                out.extend(inbound.drain());
            }
            prop_assert!(!inbound.is_filtering());
            let is_ping = |frame: &&[u8]| frame[3] == PING && frame[4] & ACK == 0;
            let is_notice = |frame: &&[u8]| **frame == GOAWAY;
            let (before, after) = (frames(&sent), frames(&out));
            let only = |frames: &[&[u8]], which: &dyn Fn(&&[u8]) -> bool| {
                frames.iter().filter(|frame| which(frame)).map(|frame| frame.to_vec()).collect::<Vec<_>>()
            };
            prop_assert_eq!(only(&after, &is_notice).len(), 1);
            prop_assert_eq!(only(&before, &is_ping).len(), only(&after, &is_ping).len());
            let others = |frame: &&[u8]| !is_ping(frame) && !is_notice(frame);
            prop_assert_eq!(only(&before, &others), only(&after, &others));
        }

        /// However the bytes are split, exactly our PINGs' answers are taken out, and a GOAWAY is put in once, at a boundary
        /// and outside a header block.
        #[test]
        fn nothing_but_ours_is_taken_out_or_put_in(
            pieces in pieces(),
            cuts in prop::collection::vec(1_usize..30, 1..200),
            goaway_at in 0_usize..400,
        ) {
            let mut inbound = Inbound::new(false);
            let mut told = Vec::new();
            let mut expected = frame(4, 0, 0, &[]);
            read(&mut inbound, &[&expected.clone()], &mut told);
            expected.clear();
            let mut sent = Vec::new();
            let mut boundaries = vec![0];
            let mut answers = 0;
            for piece in pieces {
                match piece {
                    Piece::Frame(bytes) => {
                        expected.extend(&bytes);
                        sent.extend(bytes);
                    }
                    Piece::Answer => {
                        answers += 1;
                        sent.extend(answer(inbound.unanswered.send()));
                    }
                }
                boundaries.push(expected.len());
            }
            let mut out = Vec::new();
            let mut rest = &sent[..];
            let mut cuts = cuts.iter().cycle();
            let mut asked = false;
            while !rest.is_empty() {
                if !asked && sent.len() - rest.len() >= goaway_at {
                    asked = true;
                    inbound.want_goaway();
                    out.extend(inbound.drain());
                }
                let (piece, more) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = more;
                out.extend(read(&mut inbound, &[piece], &mut told));
            }
            prop_assert_eq!(told.iter().filter(|told| is_answer(told)).count(), answers);
            prop_assert!(!inbound.goaway_waits(), "there was a boundary at the end at the latest");
            if asked {
                let inserted = out.windows(FRAME).position(|window| window == GOAWAY).expect("put in");
                out.drain(inserted..inserted + FRAME);
                prop_assert!(boundaries.contains(&inserted), "{} is no boundary of {:?}", inserted, boundaries);
            }
            prop_assert_eq!(out, expected);
        }
    }
}
