//! What every stack is expected to make of every fault.

use tower_redial::fate::{Cause, Fate, Reason};

use crate::call::{Call, Content};
use crate::fault::Fault;
use crate::stacks::Stack;
use crate::support::reason;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    Surfaced,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What the first failed attempt proves, if one fails.
    pub(crate) failure: Option<(Fate, Cause)>,
    pub(crate) ending: Ending,
}

/// The expected outcome; or why this stack cannot come into the situation.
pub(crate) fn expected(stack: Stack, fault: Fault, call: Call) -> Result<Cell, &'static str> {
    fault.befalls(call)?;
    stack.can_send(call.content)?;
    let failure = failure(stack, fault, call.content);
    let Some((fate, _)) = failure else {
        // What comes after the head is the caller's: nothing is resent.
        let ending = if fault == Fault::ResetAfterHead { Ending::Surfaced } else { Ending::Answered };
        return Ok(Cell { failure, ending });
    };

    let allowed = match fate {
        Fate::NotSent | Fate::NotProcessed => call.is_idempotent() || stack.trusts_proof(),
        Fate::Unknown => call.is_idempotent(),
        _ => false,
    };
    // Where nothing was sent, all of the body is still there.
    let body_left = fate == Fate::NotSent || stack.resends_body(call.content);
    let ending = if allowed && body_left && gets_well(stack, fault) { Ending::Answered } else { Ending::Surfaced };
    Ok(Cell { failure, ending })
}

/// What the failure of the first attempt proves, and why it came.
fn failure(stack: Stack, fault: Fault, content: Content) -> Option<(Fate, Cause)> {
    match fault {
        // The client's pool has seen the connection close.
        Fault::GracefulIdle => None,
        Fault::GracefulOpen if stack.takes_back() => None,
        Fault::GracefulOpen => Some((Fate::NotSent, Cause::HandedBack)),
        Fault::GoAway(code) => {
            let fate = match code {
                // What a peer takes for an error with a connection's first request it will with the next one's.
                reason::INTERNAL_ERROR if stack.is_own() => Fate::Permanent,
                _ if stack.knows_its_stream(content) => Fate::NotProcessed,
                _ => Fate::Unknown,
            };
            Some((fate, Cause::GoAway { reason: Reason::from_code(code) }))
        }
        Fault::Refused => Some((Fate::NotProcessed, Cause::Refused)),
        // The two sides do not understand each other.
        Fault::Reset(reason::PROTOCOL_ERROR) => Some((Fate::Permanent, reset(reason::PROTOCOL_ERROR))),
        Fault::Reset(code) => Some((Fate::Unknown, reset(code))),
        Fault::CutBeforeHead => Some((Fate::Unknown, Cause::Closed)),
        Fault::ResetWithinBody => Some((Fate::Unknown, reset(reason::INTERNAL_ERROR))),
        Fault::ResetAfterHead => None,
        // Who watches the connection knows before the timeout.
        Fault::Silent if stack.watches() => Some((Fate::Unknown, Cause::Silent)),
        Fault::Silent => Some((Fate::Unknown, Cause::Timeout)),
        Fault::BodyFails => Some((Fate::Permanent, Cause::Body)),
        Fault::ConnectRefused => Some((Fate::NotSent, Cause::Connect)),
        Fault::Untrusted => Some((Fate::Permanent, Cause::Certificate)),
    }
}

fn reset(code: u32) -> Cause {
    Cause::Reset { reason: Reason::from_code(code) }
}

/// Whether another attempt, within the limits of the layer, meets a connection that works.
fn gets_well(stack: Stack, fault: Fault) -> bool {
    match fault {
        Fault::ConnectRefused | Fault::Untrusted => false,
        // A timeout does not take a connection out of a pool: every attempt goes there, unless somebody watches.
        Fault::Silent => stack.watches(),
        _ => true,
    }
}
