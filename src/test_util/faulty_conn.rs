//! One connection of a [`FaultyServer`](super::FaultyServer): frames in, bytes out, no IO.
//!
//! The rule everything here keeps (RFC 9113, 6.8 and 8.7): a stream that is refused, or that lies above the
//! last-stream-id of a GOAWAY, was not processed and never will be. Only then is a double in the ledger the client's.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{
    faults::{Cut, Fault, GoAway, GoAwayStyle, ProcessAt},
    faulty_server::Shared,
    flow::{ReceiveWindow, SendLimits},
    message::{Block, HeaderReader, Received, Reply, encode_headers, pairs},
    wire::{DEFAULT_WINDOW, Frame, MAX_STREAM_ID, reason, setting},
};

/// Bodies are not put into `out` beyond this: what waits there is delayed behind it.
const OUT_LIMIT: usize = 256 * 1024;

/// The PING between the two GOAWAYs of a graceful shutdown.
const GOAWAY_PING: [u8; 8] = *b"goingawy";

#[derive(Debug)]
pub(crate) struct Conn {
    shared: Arc<Shared>,
    /// What to write. The IO takes it from the front.
    pub(crate) out: BytesMut,
    headers: HeaderReader,
    /// In the order in which they came, so that a run can be repeated.
    streams: BTreeMap<u32, Stream>,
    receive: ReceiveWindow,
    /// The client knows our SETTINGS: until then it may send as if there were none (RFC 9113, 6.9.3).
    acknowledged: bool,
    limits: SendLimits,
    /// Streams that have something to send and a window to send it in, in turn.
    sending: VecDeque<u32>,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    /// The highest stream that arrived.
    highest: u32,
    /// The highest stream that was processed.
    processed: u32,
    /// How many streams arrived that the server had to do with.
    arrived: u32,
    going: Going,
    /// Which GOAWAY it gets, once a request has arrived.
    goaway: Option<GoAway>,
    /// The cut, or the silence, that waits for the bodies under way.
    due: Option<Fault>,
    /// It counts as idle.
    idle: bool,
    /// When it is forgotten, if nothing comes until then.
    forgotten: Option<Instant>,
    end: Option<Cut>,
    silent: bool,
}

/// How far the winding-up has come.
#[derive(Debug)]
enum Going {
    No,
    /// GOAWAY(2^31-1) is out, its PING not yet answered.
    Announced(GoAway),
    /// No stream is processed any more that was not; the GOAWAY goes out when this batch of frames is read.
    Held(GoAway),
    /// The last GOAWAY is out; this is its last-stream-id.
    Last(u32),
}

#[derive(Debug)]
struct Stream {
    received: Received,
    parts: Vec<Bytes>,
    receive: ReceiveWindow,
    window: i64,
    fault: Option<Fault>,
    processed: bool,
    complete: bool,
    /// The reply, until it is sent.
    reply: Option<Reply>,
    /// Its head is out, and what is left of the body follows.
    begun: bool,
    /// No more of the body follows.
    stalled: bool,
    sent: usize,
    queued: bool,
}

impl Conn {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let plan = &shared.plan;
        let mut out = BytesMut::new();
        let mut values = vec![(setting::INITIAL_WINDOW_SIZE, plan.stream_window)];
        values.extend(plan.announced_streams.map(|limit| (setting::MAX_CONCURRENT_STREAMS, limit)));
        Frame::Settings { ack: false, values }.encode(&mut out);
        // The connection's window can only grow: SETTINGS do not touch it (RFC 9113, 6.9.2).
        let receive = ReceiveWindow::new(plan.connection_window.max(DEFAULT_WINDOW));
        if let Some(increment) = plan.connection_window.checked_sub(DEFAULT_WINDOW).filter(|more| *more > 0) {
            Frame::WindowUpdate { stream: 0, increment }.encode(&mut out);
        }
        let mut conn = Self {
            out,
            headers: HeaderReader::default(),
            streams: BTreeMap::new(),
            receive,
            acknowledged: false,
            limits: SendLimits::default(),
            sending: VecDeque::new(),
            timers: BinaryHeap::new(),
            highest: 0,
            processed: 0,
            arrived: 0,
            going: Going::No,
            goaway: None,
            due: None,
            idle: false,
            forgotten: None,
            end: None,
            silent: false,
            shared,
        };
        if let Some(goaway) = conn.shared.plan.goaway(0).filter(|goaway| goaway.every == 0) {
            conn.go_away(goaway);
            conn.settle();
        }
        conn
    }

    /// How the connection ends, once `out` is written.
    pub(crate) fn ending(&self) -> Option<Cut> {
        self.end
    }

    /// Whether the IO shall come back as soon as there is room in `out`.
    pub(crate) fn wants_room(&self) -> bool {
        !self.sending.is_empty() && self.out.len() < OUT_LIMIT / 2 && self.end.is_none() && !self.silent
    }

    /// When [`settle`](Self::settle) has something to do by itself.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        let reply = self.timers.peek().map(|Reverse((due, _))| *due);
        reply.into_iter().chain(self.forgotten).min()
    }

    /// To be called after every batch of frames, when a timer is due and when there is room in `out`.
    pub(crate) fn settle(&mut self) {
        self.act();
        self.note_idle();
    }

    fn act(&mut self) {
        if self.end.is_some() || self.silent {
            return;
        }
        if self.forgotten.is_some_and(|due| due <= Instant::now()) {
            return self.silence();
        }
        if matches!(self.going, Going::Held(_)) {
            let Going::Held(goaway) = std::mem::replace(&mut self.going, Going::No) else { unreachable!() };
            self.last_goaway(&goaway, self.processed);
            if goaway.style == GoAwayStyle::FinalUnanswered {
                return self.finish(Cut::Fin);
            }
        }
        if !self.timers.is_empty() {
            let now = Instant::now();
            while let Some(Reverse((due, stream))) = self.timers.peek().copied() {
                if due > now {
                    break;
                }
                self.timers.pop();
                self.begin(stream);
            }
        }
        self.pump();
        if let Some(fault) = self.due.filter(|_| !self.bodies_under_way()) {
            return self.go_down(fault);
        }
        if matches!(self.going, Going::Last(_)) && self.streams.is_empty() && self.end.is_none() {
            self.finish(Cut::Fin);
        }
    }

    /// Keeps account of whether it is idle, and since when.
    fn note_idle(&mut self) {
        let idle = self.arrived > 0 && self.streams.is_empty() && self.serves();
        if idle != self.idle {
            self.idle = idle;
            let count = &self.shared.counts.idle_connections;
            if idle {
                count.fetch_add(1, Ordering::Relaxed)
            } else {
                count.fetch_sub(1, Ordering::Relaxed)
            };
        }
        match self.shared.plan.forget_idle.filter(|_| idle) {
            Some(after) => _ = self.forgotten.get_or_insert_with(|| Instant::now() + after),
            None => self.forgotten = None,
        }
    }

    /// Whether a request that came now would be served, as far as is known.
    fn serves(&self) -> bool {
        self.end.is_none() && !self.silent && self.due.is_none() && matches!(self.going, Going::No)
    }

    /// Winds the connection up because the test says so.
    pub(crate) fn go_away(&mut self, goaway: GoAway) {
        let falls_silent = matches!(self.due, Some(Fault::Silence { .. }));
        if self.end.is_some() || self.silent || falls_silent || !matches!(self.going, Going::No) {
            return;
        }
        match goaway.style {
            GoAwayStyle::TwoStep => {
                self.send_goaway(&goaway, MAX_STREAM_ID);
                Frame::Ping { ack: false, payload: GOAWAY_PING }.encode(&mut self.out);
                self.going = Going::Announced(goaway);
            }
            GoAwayStyle::Final => self.last_goaway(&goaway, self.processed),
            GoAwayStyle::LowLast | GoAwayStyle::FinalUnanswered => self.going = Going::Held(goaway),
        }
    }

    /// Ends the connection as soon as `out` is written.
    pub(crate) fn finish(&mut self, how: Cut) {
        self.end = Some(how);
        self.streams.clear();
        self.sending.clear();
        self.timers.clear();
    }

    /// Ends the connection because the client broke the protocol.
    pub(crate) fn violation(&mut self, code: u32, what: impl Into<String>) {
        if self.end.is_some() || self.silent {
            return;
        }
        let what = what.into();
        Frame::GoAway { last_stream: self.processed, reason: code, debug: what.clone().into() }.encode(&mut self.out);
        self.shared.violations.lock().unwrap().push(what);
        self.finish(Cut::Fin);
    }

    // ===== frames =====

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.forgotten = None;
        match self.headers.frame(frame) {
            Ok(Err(frame)) if self.end.is_none() && !self.silent => self.plain(frame),
            Ok(Ok(Some(block))) => self.block(block),
            Ok(_) => {}
            Err(what) => self.violation(reason::PROTOCOL_ERROR, what),
        }
    }

    fn block(&mut self, block: Block) {
        let id = block.stream;
        if id <= self.highest {
            // Trailers; or the second block of a stream that is gone, which is nobody's fault.
            if block.end_stream && self.streams.contains_key(&id) {
                self.complete(id);
            }
            return;
        }
        if id % 2 == 0 {
            return self.violation(reason::PROTOCOL_ERROR, format!("a client's stream {id}"));
        }
        self.highest = id;
        match Received::new(id, block.fields, block.end_stream) {
            Ok(received) => self.request(received),
            Err(what) => self.violation(reason::PROTOCOL_ERROR, what),
        }
    }

    fn request(&mut self, received: Received) {
        let shared = self.shared.clone();
        let (plan, count) = (&shared.plan, &shared.counts);
        let id = received.stream_id;
        shared.ledger.arrived(&received.id);
        count.streams.fetch_add(1, Ordering::Relaxed);
        let closed = matches!(self.going, Going::Last(last) if id > last) || matches!(self.going, Going::Held(_));
        if self.end.is_some() || self.silent || closed {
            count.ignored.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.arrived += 1;
        if self.arrived == 1 {
            self.goaway = plan.goaway(shared.used_connections.fetch_add(1, Ordering::Relaxed));
        }
        let goaway = self.goaway.as_ref().filter(|goaway| goaway.every > 0 && self.arrived == goaway.every).cloned();
        let after = goaway.clone().filter(|goaway| goaway.style == GoAwayStyle::Final);
        if let Some(goaway) = goaway.filter(|_| after.is_none()) {
            self.go_away(goaway);
            if matches!(self.going, Going::Held(_)) {
                count.ignored.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.admit(received);
        if let Some(goaway) = after {
            self.go_away(goaway);
        }
    }

    fn admit(&mut self, received: Received) {
        let shared = self.shared.clone();
        let (plan, count) = (&shared.plan, &shared.counts);
        let (id, end_stream) = (received.stream_id, received.end_stream);
        if self.streams.len() >= plan.stream_limit() {
            count.over_limit.fetch_add(1, Ordering::Relaxed);
            return self.refuse(id);
        }
        let nth = shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let silent = (plan.silent_after == Some(self.arrived)).then_some(Fault::Silence { processed: true });
        let once = || self.falls_silent(nth).then_some(Fault::Silence { processed: true });
        let fault = silent.or_else(once).or_else(|| plan.fault(&received, nth));
        if fault == Some(Fault::Refuse) {
            return self.refuse(id);
        }
        let stream = Stream {
            received,
            parts: Vec::new(),
            receive: ReceiveWindow::new(plan.stream_window),
            window: self.limits.initial,
            fault,
            processed: false,
            complete: false,
            reply: None,
            begun: false,
            stalled: false,
            sent: 0,
            queued: false,
        };
        self.streams.insert(id, stream);
        count.max_open.fetch_max(self.streams.len() as u64, Ordering::Relaxed);
        if end_stream {
            self.complete(id);
        } else if plan.process_at == ProcessAt::Headers {
            self.process(id);
        }
    }

    fn plain(&mut self, frame: Frame) {
        match frame {
            Frame::Data { stream, data, end_stream, flow } => self.data(stream, data, end_stream, flow),
            Frame::Reset { stream, .. } => {
                let ended = self.streams.remove(&stream).is_some();
                self.shared.counts.client_resets.fetch_add(u64::from(ended), Ordering::Relaxed);
            }
            Frame::Settings { ack: false, values } => {
                let change = self.limits.settings(&values);
                self.streams.values_mut().for_each(|stream| stream.window += change);
                Frame::Settings { ack: true, values: Vec::new() }.encode(&mut self.out);
                self.unblock_all();
            }
            Frame::Settings { ack: true, .. } => self.acknowledged = true,
            Frame::Ping { ack: false, payload } => {
                self.shared.counts.client_pings.fetch_add(1, Ordering::Relaxed);
                Frame::Ping { ack: true, payload }.encode(&mut self.out);
            }
            Frame::Ping { ack: true, payload: GOAWAY_PING } if matches!(self.going, Going::Announced(_)) => {
                let Going::Announced(goaway) = std::mem::replace(&mut self.going, Going::No) else { unreachable!() };
                // All that arrived until now was sent by a client that could not know better: it is finished.
                self.last_goaway(&goaway, self.highest);
            }
            Frame::GoAway { .. } => {
                self.shared.counts.client_goaways.fetch_add(1, Ordering::Relaxed);
            }
            Frame::WindowUpdate { stream, increment: 0 } => {
                self.violation(reason::PROTOCOL_ERROR, format!("an increment of 0 on stream {stream}"));
            }
            Frame::WindowUpdate { stream: 0, increment } => {
                self.limits.connection += i64::from(increment);
                self.unblock_all();
            }
            Frame::WindowUpdate { stream: id, increment } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.window += i64::from(increment);
                    self.queue(id);
                }
            }
            _ => {}
        }
    }

    fn data(&mut self, id: u32, data: Bytes, end_stream: bool, flow: u32) {
        // Data of a stream we do not know any more still used the connection's window (RFC 9113, 6.9).
        if !self.receive.take(flow) {
            return self.violation(reason::FLOW_CONTROL_ERROR, "more data than the connection's window");
        }
        if let Some(increment) = self.receive.give_back() {
            Frame::WindowUpdate { stream: 0, increment }.encode(&mut self.out);
        }
        if id > self.highest {
            return self.violation(reason::PROTOCOL_ERROR, format!("DATA on idle stream {id}"));
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.receive.take(flow) && self.acknowledged {
            return self.violation(reason::FLOW_CONTROL_ERROR, format!("more data than the window of stream {id}"));
        }
        if !data.is_empty() {
            stream.parts.push(data);
        }
        if end_stream {
            self.complete(id);
        } else if let Some(increment) = stream.receive.give_back() {
            Frame::WindowUpdate { stream: id, increment }.encode(&mut self.out);
        }
    }

    // ===== requests =====

    fn refuse(&mut self, id: u32) {
        self.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
        Frame::Reset { stream: id, reason: reason::REFUSED_STREAM }.encode(&mut self.out);
    }

    fn complete(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.complete {
            return self.violation(reason::STREAM_CLOSED, format!("more on stream {id} after its end"));
        }
        stream.complete = true;
        if !stream.processed {
            self.process(id);
        }
        self.answer(id);
    }

    /// Acts on the request, or does its fault instead.
    fn process(&mut self, id: u32) {
        let spare_bodies = self.shared.plan.spare_bodies;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let fault = stream.fault;
        let processed = match fault {
            Some(Fault::Reset { processed, .. } | Fault::Cut { processed, .. } | Fault::Silence { processed }) => {
                processed
            }
            _ => true,
        };
        stream.processed = true;
        if processed {
            self.shared.ledger.processed(&stream.received.id);
            self.processed = self.processed.max(id);
        }
        match fault {
            Some(Fault::Reset { reason, .. }) => self.reset(id, reason),
            // The first that is due wins.
            Some(Fault::Cut { .. } | Fault::Silence { .. }) if self.due.is_some() => {}
            Some(fault @ (Fault::Cut { .. } | Fault::Silence { .. })) => {
                if spare_bodies && self.bodies_under_way() {
                    self.due = Some(fault);
                } else {
                    self.go_down(fault);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, id: u32) {
        let shared = self.shared.clone();
        // Its fault may have taken it away.
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let mut parts = std::mem::take(&mut stream.parts);
        let body = if parts.len() == 1 { parts.remove(0) } else { parts.concat().into() };
        let reply = (shared.plan.handler)(&stream.received, body);
        let delay = reply.delay.unwrap_or(shared.plan.delay);
        stream.reply = Some(reply);
        if delay == Duration::ZERO {
            self.begin(id);
        } else {
            self.timers.push(Reverse((Instant::now() + delay, id)));
        }
    }

    /// Sends the head of a reply.
    fn begin(&mut self, id: u32) {
        if self.due.is_some() {
            // Whatever has not begun goes down with the connection.
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(reply) = &stream.reply else { return };
        let whole = reply.body.is_empty() && reply.trailers.is_empty() && body_fault(stream.fault).is_none();
        encode_headers(id, Some(reply.status), pairs(&reply.headers), whole, &mut self.out);
        if whole {
            self.done(id);
        } else {
            stream.begun = true;
            self.queue(id);
            // At once, so that a cut in the same batch of frames does not part a small body from its head.
            self.pump();
        }
    }

    fn done(&mut self, id: u32) {
        self.streams.remove(&id);
        self.shared.counts.answered.fetch_add(1, Ordering::Relaxed);
    }

    // ===== bodies =====

    fn queue(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.begun && !stream.queued && !stream.stalled {
            stream.queued = true;
            self.sending.push_back(id);
        }
    }

    fn unblock_all(&mut self) {
        let waiting = self.streams.iter().filter(|(_, stream)| stream.begun && !stream.queued && !stream.stalled);
        let waiting: Vec<u32> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            self.queue(id);
        }
    }

    /// A frame of each body in turn, while there is room and window.
    fn pump(&mut self) {
        while self.out.len() < OUT_LIMIT {
            let Some(id) = self.sending.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let Some(reply) = &mut stream.reply else { continue };
            stream.queued = false;
            let fault = body_fault(stream.fault);
            let left = fault.map_or(usize::MAX, |(after, _)| after - stream.sent).min(reply.body.len());
            let len = self.limits.allowance(stream.window, left);
            if len == 0 && left > 0 {
                // Comes back with the client's WINDOW_UPDATE.
                continue;
            }
            let part = reply.body.split_to(len);
            stream.sent += len;
            stream.window -= len as i64;
            self.limits.connection -= len as i64;
            let faulty = fault.filter(|(after, _)| stream.sent == *after || reply.body.is_empty());
            let last = reply.body.is_empty() && reply.trailers.is_empty() && faulty.is_none();
            if len > 0 || last {
                Frame::data(id, part, last).encode(&mut self.out);
            }
            match faulty {
                Some((_, Fault::CutBody { how, .. })) => return self.cut(how),
                Some((_, Fault::ResetBody { reason, .. })) => self.reset(id, reason),
                // It stays open, and is never queued again.
                Some((_, Fault::StallBody { .. })) => self.stall(id),
                Some(_) => {
                    Frame::data(id, Bytes::new(), true).encode(&mut self.out);
                    self.done(id);
                }
                None if last => self.done(id),
                None if reply.body.is_empty() => {
                    encode_headers(id, None, pairs(&reply.trailers), true, &mut self.out);
                    self.done(id);
                }
                None => self.queue(id),
            }
        }
    }

    // ===== faults =====

    fn reset(&mut self, id: u32, reason: u32) {
        self.shared.counts.resets.fetch_add(1, Ordering::Relaxed);
        self.streams.remove(&id);
        Frame::Reset { stream: id, reason }.encode(&mut self.out);
    }

    fn stall(&mut self, id: u32) {
        self.shared.counts.stalled.fetch_add(1, Ordering::Relaxed);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.stalled = true;
    }

    fn bodies_under_way(&self) -> bool {
        self.streams.values().any(|stream| stream.begun && !stream.stalled)
    }

    /// Whether this is the one connection that falls silent, now that the `nth` request is on it.
    fn falls_silent(&self, nth: u64) -> bool {
        let due = self.shared.plan.silent_once.is_some_and(|at| nth >= at) && self.serves();
        due && !self.shared.silent_once.swap(true, Ordering::Relaxed)
    }

    fn go_down(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { how, .. } => self.cut(how),
            _ => self.silence(),
        }
    }

    fn cut(&mut self, how: Cut) {
        self.shared.counts.cuts.fetch_add(1, Ordering::Relaxed);
        self.finish(how);
    }

    fn silence(&mut self) {
        self.shared.counts.silenced.fetch_add(1, Ordering::Relaxed);
        self.silent = true;
        self.streams.clear();
        self.sending.clear();
        self.timers.clear();
    }

    fn send_goaway(&mut self, goaway: &GoAway, last_stream: u32) {
        self.shared.counts.goaways.fetch_add(1, Ordering::Relaxed);
        Frame::GoAway { last_stream, reason: goaway.reason, debug: goaway.debug.clone() }.encode(&mut self.out);
    }

    /// From here on nothing above `last` is processed: what is half there is forgotten.
    fn last_goaway(&mut self, goaway: &GoAway, last: u32) {
        self.send_goaway(goaway, last);
        self.going = Going::Last(last);
        let before = self.streams.len();
        self.streams.retain(|id, _| *id <= last);
        let forgotten = before - self.streams.len();
        self.shared.counts.ignored.fetch_add(forgotten as u64, Ordering::Relaxed);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.idle {
            self.shared.counts.idle_connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The fault that strikes within the body, and where.
fn body_fault(fault: Option<Fault>) -> Option<(usize, Fault)> {
    match fault {
        Some(
            fault @ (Fault::CutBody { after, .. }
            | Fault::StallBody { after }
            | Fault::ResetBody { after, .. }
            | Fault::EndBody { after }),
        ) => Some((after, fault)),
        _ => None,
    }
}
