//! The server of raw frames, with every fault it has at chance.

use crate::asked;
use crate::dice::Dice;
use crate::oracle::{Oracle, now};
use crate::schedule::FramesPlan;
use crate::support::wire::reason;
use crate::support::{Cut, Fault, FaultyServer, FaultyService, GoAway};

/// Starts it anew, as after a crash: its book is the oracle's. When `calm`, nothing goes wrong.
pub(crate) fn service(plan: &FramesPlan, seed: u64, calm: bool, oracle: &Oracle) -> FaultyService {
    let told = oracle.clone();
    let mut builder = FaultyServer::builder()
        .ledger(oracle.ledger.clone())
        .announced_streams(plan.announced_streams)
        .process_at(plan.process_at)
        .delay(plan.delay)
        .windows(plan.windows.0, plan.windows.1)
        .handler(move |received, body| {
            told.body(&received.id, asked::is_right(&received.headers, &body));
            asked::reply(received)
        });
    if calm {
        return builder.service();
    }
    if let Some(limit) = plan.stream_limit {
        builder = builder.stream_limit(limit);
    }
    let goaways = plan.goaways.iter().map(|plan| GoAway::every(plan.every).style(plan.style).reason(plan.reason));
    let (percent, permanent, oracle) = (plan.fault_percent, plan.permanent, oracle.clone());
    builder
        .goaway_in_turn(goaways)
        .choose(move |received, nth| {
            let mut dice = Dice::new(seed, nth);
            let is_file = received.path.starts_with("/files/");
            let fault = dice.percent(percent).then(|| fault(is_file, permanent, &mut dice))?;
            oracle.note_at(now(), format_args!("{}: meets {fault:?}", received.id));
            oracle.count(label(&fault), 1);
            Some(fault)
        })
        .service()
}

/// A file's body breaks more often than not.
fn fault(is_file: bool, permanent: bool, dice: &mut Dice) -> Fault {
    let processed = dice.percent(50);
    let how = dice.pick(&[Cut::Fin, Cut::Rst]);
    let after = dice.size(0, 100_000);
    let may = [reason::CANCEL, reason::INTERNAL_ERROR, reason::PROTOCOL_ERROR, reason::HTTP_1_1_REQUIRED];
    let reason = dice.pick(if permanent { &may[..] } else { &may[..2] });
    let least = if is_file && dice.percent(70) { 6 } else { 0 };
    match dice.between(least, if least > 0 { 10 } else { 13 }) {
        0..4 => Fault::Refuse,
        4..6 => Fault::Cut { how, processed },
        6..8 => Fault::CutBody { after, how },
        8 => Fault::ResetBody { after, reason: dice.pick(&[reason::NO_ERROR, reason::CANCEL]) },
        9 => Fault::EndBody { after },
        10 => Fault::StallBody { after },
        11 => Fault::Silence { processed },
        // HTTP_1_1_REQUIRED is never said of what was processed: it is resent over HTTP/1.1, whatever its method.
        _ => Fault::Reset { reason, processed: processed && reason != reason::HTTP_1_1_REQUIRED },
    }
}

const fn label(fault: &Fault) -> &'static str {
    match fault {
        Fault::Refuse => "fault: refused",
        Fault::Reset { .. } => "fault: reset",
        Fault::Cut { .. } => "fault: cut",
        Fault::CutBody { .. } => "fault: body cut",
        Fault::StallBody { .. } => "fault: body stalled",
        Fault::ResetBody { .. } => "fault: body reset",
        Fault::EndBody { .. } => "fault: body ended",
        Fault::Silence { .. } => "fault: silence",
    }
}
