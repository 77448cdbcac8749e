//! One HTTP/2 connection, played frame by frame.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Write},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::{
    bound::within,
    flow::SendLimits,
    ledger::Ledger,
    message::{HeaderReader, Received, encode_headers, header_map},
    socket::Socket,
    wire::{Frame, FrameIo, MAX_STREAM_ID, PREFACE, reason},
};

/// What the client did next.
#[derive(Clone, Debug)]
pub enum Event {
    /// The head of a request.
    Request(Received),
    /// The trailers of a request's body.
    Trailers(u32, HeaderMap),
    /// Any other frame.
    Frame(Frame),
    /// The client ended the connection.
    Closed(End),
}

/// How the client ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN after a whole frame.
    Fin,
    /// FIN within a frame.
    FinWithinFrame,
    /// RST, or the client was gone when the script wrote.
    Reset,
}

/// A request's body.
#[derive(Clone, Debug, Default)]
pub struct ReceivedBody {
    /// All of it.
    pub data: Bytes,
    /// Its trailers; empty if there were none.
    pub trailers: HeaderMap,
}

/// An accepted HTTP/2 connection. What arrives before a step of the script asks for it waits, in order.
///
/// SETTINGS and PING are acknowledged, and windows kept open, unless [`manual`](Self::manual) says otherwise. These
/// frames, their acknowledgements, WINDOW_UPDATE and PRIORITY are no events then.
pub struct H2Conn {
    io: FrameIo<Socket>,
    headers: HeaderReader,
    events: VecDeque<Event>,
    limits: SendLimits,
    windows: HashMap<u32, i64>,
    highest: u32,
    acked_pings: VecDeque<[u8; 8]>,
    settings_acks: u32,
    manual: bool,
    /// Every frame that came in, for the message of a failed step.
    log: Vec<String>,
    ledger: Ledger,
}

impl fmt::Debug for H2Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2Conn").field("waiting", &self.events).finish_non_exhaustive()
    }
}

impl H2Conn {
    pub(crate) async fn start(socket: Socket, ledger: Ledger) -> Self {
        let mut io = FrameIo::new(socket);
        let preface = within("the client's preface", io.read_exact(PREFACE.len())).await;
        let preface = preface.unwrap_or_else(|error| panic!("the client sent no preface: {error}"));
        assert!(preface == PREFACE, "not HTTP/2: {}", preface.escape_ascii());
        Self {
            io,
            headers: HeaderReader::default(),
            events: VecDeque::new(),
            limits: SendLimits::default(),
            windows: HashMap::new(),
            highest: 0,
            acked_pings: VecDeque::new(),
            settings_acks: 0,
            // Until `greet`: nothing may be sent before our SETTINGS.
            manual: true,
            log: Vec::new(),
            ledger,
        }
    }

    /// Exchanges SETTINGS: sends these, reads the client's and acknowledges them.
    pub async fn greet(&mut self, settings: &[(u16, u32)]) {
        self.settings(settings).await;
        let theirs = self
            .want("the client's SETTINGS", |event| matches!(event, Event::Frame(Frame::Settings { ack: false, .. })));
        theirs.await;
        self.manual = false;
        self.settings_ack().await;
    }

    /// From here on nothing is acknowledged, no window is kept open, and every frame is an event.
    pub fn manual(&mut self) {
        self.manual = true;
    }

    /// From here on SETTINGS and PING are acknowledged, and windows kept open, again.
    pub fn automatic(&mut self) {
        self.manual = false;
    }

    /// The connection below, for its addresses and ALPN.
    pub fn socket(&self) -> &Socket {
        self.io.get_ref()
    }

    // ===== what the client sent =====

    /// The next request's head. Other events wait for the steps that ask for them.
    pub async fn request(&mut self) -> Received {
        match self.want("a request", |event| matches!(event, Event::Request(_))).await {
            Event::Request(received) => received,
            _ => unreachable!("asked for a request"),
        }
    }

    /// The next `count` requests, in the order of their arrival.
    pub async fn requests(&mut self, count: usize) -> Vec<Received> {
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            requests.push(self.request().await);
        }
        requests
    }

    /// The rest of a request's body, with its trailers.
    pub async fn read_body(&mut self, stream: u32) -> ReceivedBody {
        let what = format!("the body of stream {stream}");
        let mut data = BytesMut::new();
        loop {
            let event = self.want(&what, |event| match event {
                Event::Trailers(of, _) => *of == stream,
                Event::Frame(frame) => {
                    frame.stream() == stream && matches!(frame, Frame::Data { .. } | Frame::Reset { .. })
                }
                _ => false,
            });
            match event.await {
                Event::Frame(Frame::Data { data: part, end_stream, .. }) => {
                    data.extend_from_slice(&part);
                    if end_stream {
                        return ReceivedBody { data: data.freeze(), trailers: HeaderMap::new() };
                    }
                }
                Event::Trailers(_, trailers) => return ReceivedBody { data: data.freeze(), trailers },
                other => self.fail(&format!("{what}, got {other:?}")),
            }
        }
    }

    /// The next DATA frame of a stream, and whether it is the last: for a script that acts within a body.
    pub async fn read_data(&mut self, stream: u32) -> (Bytes, bool) {
        let event = self.want(
            format!("DATA on stream {stream}"),
            |event| matches!(event, Event::Frame(Frame::Data { stream: of, .. }) if *of == stream),
        );
        match event.await {
            Event::Frame(Frame::Data { data, end_stream, .. }) => (data, end_stream),
            _ => unreachable!("asked for DATA"),
        }
    }

    /// The code of the client's RST_STREAM for this stream.
    pub async fn expect_reset(&mut self, stream: u32) -> u32 {
        let event = self.want(
            format!("RST_STREAM for stream {stream}"),
            |event| matches!(event, Event::Frame(Frame::Reset { stream: of, .. }) if *of == stream),
        );
        match event.await {
            Event::Frame(Frame::Reset { reason, .. }) => reason,
            _ => unreachable!("asked for RST_STREAM"),
        }
    }

    /// The client's GOAWAY: its last stream and code.
    pub async fn expect_goaway(&mut self) -> (u32, u32) {
        match self.want("GOAWAY", |event| matches!(event, Event::Frame(Frame::GoAway { .. }))).await {
            Event::Frame(Frame::GoAway { last_stream, reason, .. }) => (last_stream, reason),
            _ => unreachable!("asked for GOAWAY"),
        }
    }

    /// The payload of the client's next PING: one that was acknowledged already, or, in
    /// [`manual`](Self::manual) mode, one that still waits for [`ping_ack`](Self::ping_ack).
    pub async fn expect_ping(&mut self) -> [u8; 8] {
        loop {
            if let Some(payload) = self.acked_pings.pop_front() {
                return payload;
            }
            let ping = |event: &Event| matches!(event, Event::Frame(Frame::Ping { ack: false, .. }));
            if let Some(at) = self.events.iter().position(ping) {
                let Some(Event::Frame(Frame::Ping { payload, .. })) = self.events.remove(at) else { unreachable!() };
                return payload;
            }
            self.pull_or_fail("a PING").await;
        }
    }

    /// The next event, whatever it is; what waits already comes first.
    pub async fn next_event(&mut self) -> Event {
        self.want("anything from the client", |_| true).await
    }

    /// The next frame, whatever it is. A request's HEADERS come out with their whole block, still encoded.
    ///
    /// # Panics
    ///
    /// When a request or trailers that were decoded come next: ask [`next_event`](Self::next_event) for those.
    pub async fn next_frame(&mut self) -> Frame {
        match self.next_event().await {
            Event::Frame(frame) => frame,
            other => self.fail(&format!("a frame, got {other:?}")),
        }
    }

    /// Waits until the client ends the connection; what it sent before goes unheard.
    pub async fn until_closed(&mut self) -> End {
        match self.want("the client to close", |event| matches!(event, Event::Closed(_))).await {
            Event::Closed(end) => end,
            _ => unreachable!("asked for the end"),
        }
    }

    /// Sends a PING and waits for its acknowledgement. All that the client had written before it answered has
    /// arrived then, and it has read all that was sent before: what a test does instead of sleeping.
    pub async fn round_trip(&mut self) {
        let payload = *b"roundtrp";
        self.ping(payload).await;
        let acked = |event: &Event| matches!(event, Event::Frame(Frame::Ping { ack: true, payload: theirs }) if *theirs == payload);
        self.want("the acknowledgement of our PING", acked).await;
    }

    /// Waits until the client has acknowledged `count` of our SETTINGS in all.
    pub async fn settings_acked(&mut self, count: u32) {
        while self.settings_acks < count {
            self.pull_or_fail("SETTINGS(ACK)").await;
        }
    }

    /// Which requests have arrived that no step has asked for yet.
    pub fn unheard(&self) -> Vec<&Received> {
        let requests = self.events.iter().filter_map(|event| match event {
            Event::Request(received) => Some(received),
            _ => None,
        });
        requests.collect()
    }

    /// The highest stream id that has arrived.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    // ===== what the script sends =====

    /// Enters in the ledger that the request was processed. Returns how often it has been by now.
    pub fn process(&self, received: &Received) -> u64 {
        self.ledger.processed(&received.id)
    }

    /// A whole response: head and body, within the client's windows.
    pub async fn respond(&mut self, stream: u32, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body = body.into();
        if body.is_empty() {
            return self.send_headers(stream, Some(status), headers, true).await;
        }
        self.head(stream, status, headers).await;
        self.data(stream, body, true).await;
    }

    /// The head of a response whose body follows; or, with a status below 200, an interim response.
    pub async fn head(&mut self, stream: u32, status: u16, headers: &[(&str, &str)]) {
        self.send_headers(stream, Some(status), headers, false).await;
    }

    /// A part of a response's body, in as many frames as it takes; waits for window if it must.
    pub async fn data(&mut self, stream: u32, data: impl Into<Bytes>, end_stream: bool) {
        let mut data = data.into();
        loop {
            let window = *self.windows.entry(stream).or_insert(self.limits.initial);
            let len = self.limits.allowance(window, data.len());
            if len == 0 && !data.is_empty() {
                self.pull_or_fail(format!("window for {} bytes on stream {stream}", data.len())).await;
                continue;
            }
            let part = data.split_to(len);
            self.limits.connection -= len as i64;
            self.windows.insert(stream, window - len as i64);
            self.frame(Frame::data(stream, part, end_stream && data.is_empty())).await;
            if data.is_empty() {
                return;
            }
        }
    }

    /// The trailers that end a response.
    pub async fn trailers(&mut self, stream: u32, trailers: &[(&str, &str)]) {
        self.send_headers(stream, None, trailers, true).await;
    }

    /// GOAWAY with this last-stream-id and code.
    pub async fn goaway(&mut self, last_stream: u32, reason: u32) {
        self.goaway_debug(last_stream, reason, "").await;
    }

    /// GOAWAY with debug data.
    pub async fn goaway_debug(&mut self, last_stream: u32, reason: u32, debug: &str) {
        self.frame(Frame::GoAway { last_stream, reason, debug: Bytes::copy_from_slice(debug.as_bytes()) }).await;
    }

    /// The graceful shutdown of nginx, h2 and hyper: GOAWAY(2^31-1), a round trip, GOAWAY(the last that arrived).
    /// Returns that last stream.
    pub async fn goaway_two_step(&mut self) -> u32 {
        self.goaway(MAX_STREAM_ID, reason::NO_ERROR).await;
        self.round_trip().await;
        self.goaway(self.highest, reason::NO_ERROR).await;
        self.highest
    }

    /// RST_STREAM.
    pub async fn reset(&mut self, stream: u32, reason: u32) {
        self.frame(Frame::Reset { stream, reason }).await;
    }

    /// PING; does not wait for its acknowledgement.
    pub async fn ping(&mut self, payload: [u8; 8]) {
        self.frame(Frame::Ping { ack: false, payload }).await;
    }

    /// The acknowledgement of a PING.
    pub async fn ping_ack(&mut self, payload: [u8; 8]) {
        self.frame(Frame::Ping { ack: true, payload }).await;
    }

    /// WINDOW_UPDATE, on stream 0 for the connection.
    pub async fn window_update(&mut self, stream: u32, increment: u32) {
        self.frame(Frame::WindowUpdate { stream, increment }).await;
    }

    /// SETTINGS; does not wait for their acknowledgement.
    pub async fn settings(&mut self, values: &[(u16, u32)]) {
        self.frame(Frame::Settings { ack: false, values: values.to_vec() }).await;
    }

    /// The acknowledgement of the client's SETTINGS.
    pub async fn settings_ack(&mut self) {
        self.frame(Frame::Settings { ack: true, values: Vec::new() }).await;
    }

    /// Any frame.
    pub async fn frame(&mut self, frame: Frame) {
        self.frames(&[frame]).await;
    }

    /// Several frames in one write, so that a client most likely reads them at once.
    pub async fn frames(&mut self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        self.write(&bytes, &format!("{frames:?}")).await;
    }

    /// Bytes as they are: half a frame, or what is none.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.write(bytes.as_ref(), "raw bytes").await;
    }

    /// Ends our side with FIN and waits until the client has ended its own: a socket closed while bytes lie unread
    /// in it would send RST, and the client might lose what came before.
    pub async fn close(mut self) {
        // An error means that the client was faster.
        let _ = self.io.shutdown().await;
        self.until_closed().await;
    }

    /// Ends our side with FIN, and goes on listening.
    pub async fn half_close(&mut self) {
        let _ = self.io.shutdown().await;
    }

    /// Ends the connection with RST.
    pub fn abort(self) {
        self.io.into_inner().abort();
    }

    async fn send_headers(&mut self, stream: u32, status: Option<u16>, fields: &[(&str, &str)], end_stream: bool) {
        let mut bytes = BytesMut::new();
        encode_headers(stream, status, fields.iter().copied(), end_stream, &mut bytes);
        self.write(&bytes, &format!("HEADERS({stream}, {status:?})")).await;
    }

    async fn write(&mut self, bytes: &[u8], what: &str) {
        if let Err(error) = within(format!("room to write {what}"), self.io.write(bytes)).await {
            self.fail(&format!("to write {what}, but the connection is gone: {error}"));
        }
    }

    // ===== reading =====

    async fn want(&mut self, what: impl fmt::Display, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            if let Some(at) = self.events.iter().position(&wanted) {
                let end = matches!(self.events[at], Event::Closed(_));
                // The end stays: every later step shall find it too.
                return if end { self.events[at].clone() } else { self.events.remove(at).expect("a found event") };
            }
            self.pull_or_fail(&what).await;
        }
    }

    async fn pull_or_fail(&mut self, what: impl fmt::Display) {
        if matches!(self.events.back(), Some(Event::Closed(_))) {
            self.fail(&format!("{what}, but the client closed"));
        }
        let so_far = self.log.len();
        if super::bound::checked(super::bound::LIMIT, self.pull()).await.is_none() {
            let more = self.log.len() - so_far;
            self.fail(&format!("{what}, for {:?} ({more} frames since)", super::bound::LIMIT));
        }
    }

    fn fail(&self, what: &str) -> ! {
        let mut log = String::new();
        for line in &self.log {
            let _ = write!(log, "\n    {line}");
        }
        panic!("the script wanted {what}; the client had sent:{log}\nunheard: {:?}", self.events);
    }

    /// Reads frames until one of them changed something.
    async fn pull(&mut self) {
        let frame = match self.io.read().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return self.events.push_back(Event::Closed(End::Fin)),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => self.fail(&format!("HTTP/2, got {error}")),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return self.events.push_back(Event::Closed(End::FinWithinFrame));
            }
            Err(_) => return self.events.push_back(Event::Closed(End::Reset)),
        };
        self.log.push(format!("{frame:?}"));
        match self.headers.frame(frame) {
            Ok(Err(frame)) => self.heard(frame).await,
            Ok(Ok(None)) => {}
            Ok(Ok(Some(block))) if block.stream <= self.highest => match header_map(block.fields) {
                Ok(trailers) => self.events.push_back(Event::Trailers(block.stream, trailers)),
                Err(error) => self.fail(&format!("trailers, got {error}")),
            },
            Ok(Ok(Some(block))) => match Received::new(block.stream, block.fields, block.end_stream) {
                Ok(received) => {
                    self.highest = block.stream;
                    self.ledger.arrived(&received.id);
                    self.events.push_back(Event::Request(received));
                }
                Err(error) => self.fail(&format!("a request, got {error}")),
            },
            Err(error) => self.fail(&format!("whole headers, got {error}")),
        }
    }

    async fn heard(&mut self, frame: Frame) {
        match &frame {
            Frame::Settings { ack: false, values } => {
                let change = self.limits.settings(values);
                self.windows.values_mut().for_each(|window| *window += change);
            }
            Frame::Settings { ack: true, .. } => self.settings_acks += 1,
            Frame::WindowUpdate { stream: 0, increment } => self.limits.connection += i64::from(*increment),
            Frame::WindowUpdate { stream, increment } => {
                *self.windows.entry(*stream).or_insert(self.limits.initial) += i64::from(*increment);
            }
            _ => {}
        }
        if self.manual {
            return self.events.push_back(Event::Frame(frame));
        }
        // The client may be gone already; a script that cares will find that out.
        match frame {
            Frame::Settings { ack: false, .. } => {
                let ack = Frame::Settings { ack: true, values: Vec::new() };
                let _ = self.io.write(&ack.to_bytes()).await;
            }
            Frame::Ping { ack: false, payload } => {
                self.acked_pings.push_back(payload);
                let _ = self.io.write(&Frame::Ping { ack: true, payload }.to_bytes()).await;
            }
            Frame::Data { stream, flow, end_stream, .. } => {
                if flow > 0 {
                    let mut updates = BytesMut::new();
                    Frame::WindowUpdate { stream: 0, increment: flow }.encode(&mut updates);
                    if !end_stream {
                        Frame::WindowUpdate { stream, increment: flow }.encode(&mut updates);
                    }
                    let _ = self.io.write(&updates).await;
                }
                self.events.push_back(Event::Frame(frame));
            }
            Frame::Settings { .. } | Frame::WindowUpdate { .. } | Frame::Priority { .. } => {}
            frame => self.events.push_back(Event::Frame(frame)),
        }
    }
}
