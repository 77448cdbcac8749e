//! One HTTP/2 connection, as its socket shows it: whether it was of use, or died before. No IO and no clock.

use crate::fate::Reason;
use crate::health::frame::{Event, Frame, Scanner};

/// What was found out of a connection. But for [`Required`](Sign::Required), nothing else will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A response came to its end on it.
    Useful,
    /// The peer asked for HTTP/1.1.
    Required,
    /// It died before it was of use.
    Died,
}

/// Follows a connection from its beginning to its first response.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    outbound: Scanner,
    inbound: Scanner,
    /// The client's preface went out.
    begun: bool,
    /// The peer's SETTINGS came.
    greeted: bool,
    /// The highest stream that was opened.
    highest: u32,
    /// Streams that were opened and not given up by us.
    waiting: u32,
    /// There is nothing more to find out.
    over: bool,
}

impl Wire {
    pub(super) const fn new() -> Self {
        Self {
            outbound: Scanner::outbound(),
            inbound: Scanner::inbound(),
            begun: false,
            greeted: false,
            highest: 0,
            waiting: 0,
            over: false,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes went out: takes them off the front, up to those that show something. Until it is `None`, there may be more.
    pub(super) fn sent(&mut self, bytes: &mut &[u8]) -> Option<Sign> {
        while !self.over {
            let sign = match self.outbound.next(bytes)? {
                Event::Preface => {
                    self.begun = true;
                    None
                }
                Event::NotHttp2 => self.end(None),
                Event::Begin(_) => None,
                Event::End(frame) => self.frame_sent(&frame),
            };
            if sign.is_some() {
                return sign;
            }
        }
        None
    }

    fn frame_sent(&mut self, frame: &Frame) -> Option<Sign> {
        match *frame {
            Frame::Headers { stream_id, .. } if stream_id > self.highest => {
                self.highest = stream_id;
                self.waiting += 1;
                None
            }
            Frame::Reset { reason, .. } if !is_peers_fault(reason) => {
                self.waiting = self.waiting.saturating_sub(1);
                None
            }
            Frame::GoAway { reason, .. } if is_peers_fault(reason) => self.end(Some(Sign::Died)),
            _ => None,
        }
    }

    /// Bytes came in; as [`sent`](Self::sent).
    pub(super) fn received(&mut self, bytes: &mut &[u8]) -> Option<Sign> {
        while !self.over {
            let sign = match self.inbound.next(bytes)? {
                Event::Preface | Event::Begin(_) => None,
                // What it speaks is the endpoint's to judge, who says so in its GOAWAY.
                Event::NotHttp2 => return None,
                Event::End(frame) => self.frame_received(&frame),
            };
            if sign.is_some() {
                return sign;
            }
        }
        None
    }

    fn frame_received(&mut self, frame: &Frame) -> Option<Sign> {
        match *frame {
            Frame::Settings { ack: false, .. } => {
                self.greeted = true;
                None
            }
            Frame::Headers { end_stream: true, .. } | Frame::Data { end_stream: true, .. } => {
                self.end(Some(Sign::Useful))
            }
            Frame::Reset { reason: Reason::HTTP_1_1_REQUIRED, .. } => Some(Sign::Required),
            Frame::Reset { .. } => {
                self.waiting = self.waiting.saturating_sub(1);
                None
            }
            // However it ends then, that is how connections are wound up.
            Frame::GoAway { reason: Reason::NO_ERROR, .. } => self.end(None),
            // Too many resets, or pings, of this side's: what it does itself.
            Frame::GoAway { reason: Reason::ENHANCE_YOUR_CALM, .. } => self.end(None),
            Frame::GoAway { reason: Reason::HTTP_1_1_REQUIRED, .. } => self.end(Some(Sign::Required)),
            Frame::GoAway { .. } => self.end(Some(Sign::Died)),
            _ => None,
        }
    }

    /// The transport ended, and not by our doing. `silent` if that was because nothing came any more.
    pub(super) fn ended(&mut self, silent: bool) -> Option<Sign> {
        // An idle connection is closed one day. A silent one is given up by those who wait, and they were right.
        let waited_for = self.waiting > 0 || !self.greeted || (silent && self.highest > 0);
        let died = self.begun && !self.over && waited_for;
        self.end(died.then_some(Sign::Died))
    }

    fn end(&mut self, sign: Option<Sign>) -> Option<Sign> {
        self.over = true;
        sign
    }
}

/// Codes by which an HTTP/2 endpoint says that the other side broke the protocol; others come from callers who give up, or
/// whose bodies fail.
const fn is_peers_fault(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PROTOCOL_ERROR
            | Reason::FLOW_CONTROL_ERROR
            | Reason::STREAM_CLOSED
            | Reason::FRAME_SIZE_ERROR
            | Reason::COMPRESSION_ERROR
    )
}

#[cfg(test)]
mod tests;
