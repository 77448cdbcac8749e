//! What happens in a run: who sends what and when, and what goes wrong. Pure: a seed is a plan.

use std::time::Duration;

use crate::content::Shape;
use crate::dice::Dice;
use crate::support::wire::reason;
use crate::support::{GoAwayStyle, ProcessAt};

/// More than this of a request's body is not kept for a resend.
pub(crate) const REPLAY_LIMIT: usize = 16 * 1024;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) flavour: Flavour,
    /// How long a message is on its way, at the least and at the most.
    pub(crate) latency: (Duration, Duration),
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) clients: Vec<ClientPlan>,
    /// In the order of their times.
    pub(crate) faults: Vec<(Duration, WorldFault)>,
    /// From here on nothing goes wrong any more.
    pub(crate) faults_end: Duration,
}

/// What a run is mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flavour {
    /// A bit of everything.
    Mixed,
    /// Long outages under many requests: what budgets are for.
    Storm,
    /// Small stream limits.
    Limits,
    /// Files that break in the middle.
    Downloads,
    /// Bodies that are still being sent when their attempt is given up.
    Uploads,
}

#[derive(Clone, Debug)]
pub(crate) enum ServerPlan {
    /// The one of raw frames: every fault it has, at chance.
    Frames(FramesPlan),
    /// hyper's own.
    Hyper(HyperPlan),
}

#[derive(Clone, Debug)]
pub(crate) struct FramesPlan {
    pub(crate) goaways: Vec<GoAwayPlan>,
    /// In how many of a hundred requests something goes wrong.
    pub(crate) fault_percent: u64,
    pub(crate) announced_streams: Option<u32>,
    /// Fewer than it announces.
    pub(crate) stream_limit: Option<u32>,
    pub(crate) process_at: ProcessAt,
    pub(crate) delay: Duration,
    pub(crate) windows: (u32, u32),
    /// Resets and GOAWAYs that no resend can help are among the faults.
    pub(crate) permanent: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct GoAwayPlan {
    pub(crate) every: u32,
    pub(crate) style: GoAwayStyle,
    pub(crate) reason: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct HyperPlan {
    pub(crate) max_streams: u32,
    /// A connection is wound up after so many requests.
    pub(crate) graceful_after: Option<u32>,
    pub(crate) fault_percent: u64,
    pub(crate) delay: Duration,
    /// Between the parts of a file.
    pub(crate) pause: Duration,
    /// Answers before it has read the body.
    pub(crate) early: bool,
}

/// How the layers are put around a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stack {
    /// hyper-util's client, HTTP/2.
    Legacy,
    /// hyper-util's client, HTTP/1.1.
    Legacy1,
    /// Both of them under a downgrade.
    Downgrade,
    /// A pool of connections of our own.
    Pool,
    /// One connection of our own, made anew by tower.
    Reconnect,
}

#[derive(Clone, Debug)]
pub(crate) struct ClientPlan {
    pub(crate) stack: Stack,
    pub(crate) server: usize,
    pub(crate) resume: bool,
    pub(crate) limits: [LanePlan; 2],
    pub(crate) retry_for: Duration,
    pub(crate) per_try: Option<Duration>,
    pub(crate) own_goaway: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_requests: Option<u64>,
    pub(crate) streams_before_settings: u32,
    pub(crate) requests: Vec<RequestPlan>,
    /// Sent when nothing goes wrong any more: all of them at once.
    pub(crate) calm: Vec<RequestPlan>,
}

/// The limits of one lane: transparent ones first, those after a loss second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LanePlan {
    pub(crate) max_resends: u32,
    pub(crate) ratio: f32,
    pub(crate) per_second: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestPlan {
    pub(crate) at: Duration,
    pub(crate) method: Method,
    pub(crate) body: Shape,
    /// Its number, if it is a download.
    pub(crate) file: Option<u64>,
    /// The caller gives up after so long.
    pub(crate) total: Option<Duration>,
}

/// What goes wrong in the world around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorldFault {
    Crash(usize),
    Bounce(usize),
    /// Between a client and a server.
    Partition(usize, usize),
    /// From the client to the server.
    PartitionThere(usize, usize),
    /// From the server to the client.
    PartitionBack(usize, usize),
    Repair(usize, usize),
    Hold(usize, usize),
    Release(usize, usize),
    Latency(usize, usize, Duration),
    /// Every connection is wound up.
    GoAway(usize, GoAwayStyle),
    /// Every connection is closed.
    Cut(usize),
    /// A client has all its connections replaced.
    Drain(usize),
}

impl WorldFault {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Crash(_) => "crash",
            Self::Bounce(_) => "bounce",
            Self::Partition(..) => "partition",
            Self::PartitionThere(..) => "partition there",
            Self::PartitionBack(..) => "partition back",
            Self::Repair(..) => "repair",
            Self::Hold(..) => "hold",
            Self::Release(..) => "release",
            Self::Latency(..) => "latency",
            Self::GoAway(..) => "goaway of all",
            Self::Cut(_) => "cut of all",
            Self::Drain(_) => "drain",
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let flavour = match dice.between(0, 99) {
            0..40 => Flavour::Mixed,
            40..55 => Flavour::Storm,
            55..70 => Flavour::Limits,
            70..85 => Flavour::Downloads,
            _ => Flavour::Uploads,
        };
        let mut servers: Vec<_> = (0..dice.between(1, 2)).map(|_| server(flavour, &mut dice)).collect();
        let count = if flavour == Flavour::Storm { 1 } else { dice.between(1, 2) };
        let clients: Vec<_> = (0..count as usize).map(|at| client(flavour, at % servers.len(), &mut dice)).collect();
        for client in clients.iter().filter(|client| client.stack == Stack::Downgrade) {
            if let ServerPlan::Frames(server) = &mut servers[client.server] {
                // What it is there for.
                (server.permanent, server.fault_percent) = (true, server.fault_percent.max(15));
            }
        }
        let faults_end = Duration::from_millis(if flavour == Flavour::Storm { 4_000 } else { 2_500 });
        let faults = faults(flavour, &servers, &clients, faults_end, &mut dice);
        let latency = (Duration::from_millis(1), dice.millis(2, 20));
        Self { seed, flavour, latency, servers, clients, faults, faults_end }
    }
}

fn server(flavour: Flavour, dice: &mut Dice) -> ServerPlan {
    let few = flavour == Flavour::Limits || dice.percent(20);
    let delay = if dice.percent(50) { dice.millis(1, 60) } else { Duration::ZERO };
    if dice.percent(35) {
        return ServerPlan::Hyper(HyperPlan {
            max_streams: if few { dice.between(1, 6) as u32 } else { 100 },
            graceful_after: dice.maybe(60, &[3, 5, 8, 20]),
            fault_percent: dice.pick(&[0, 5, 15]),
            delay,
            pause: dice.millis(0, 40),
            early: dice.percent(20),
        });
    }
    let styles = [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered];
    let reasons = [reason::NO_ERROR, reason::NO_ERROR, reason::NO_ERROR, reason::ENHANCE_YOUR_CALM];
    let goaways = (0..dice.pick(&[0, 0, 1, 3])).map(|_| GoAwayPlan {
        every: dice.between(2, 12) as u32,
        style: dice.pick(&styles),
        reason: dice.pick(&reasons),
    });
    let goaways = goaways.collect();
    let announced_streams = if few { Some(dice.between(1, 6) as u32) } else { dice.maybe(70, &[20, 100, 250]) };
    let fault_percent = dice.pick(&[0, 5, 15, 30]);
    ServerPlan::Frames(FramesPlan {
        goaways,
        fault_percent: if flavour == Flavour::Storm { fault_percent.min(5) } else { fault_percent },
        announced_streams,
        stream_limit: dice.maybe(10, &[2, 4]),
        process_at: if dice.percent(50) { ProcessAt::Headers } else { ProcessAt::Complete },
        delay,
        windows: dice.pick(&[(1 << 16, 1 << 17), (1 << 20, 8 << 20), (4_096, 1 << 17)]),
        permanent: dice.percent(30),
    })
}

fn client(flavour: Flavour, server: usize, dice: &mut Dice) -> ClientPlan {
    use Stack::{Downgrade, Legacy, Legacy1, Pool, Reconnect};
    let stack = dice.pick(&[Legacy, Legacy, Legacy, Legacy1, Downgrade, Pool, Pool, Pool, Reconnect]);
    let resume = flavour == Flavour::Downloads || dice.percent(30);
    let per_try = match flavour {
        Flavour::Uploads => Some(dice.millis(200, 400)),
        _ => dice.maybe(20, &[Duration::from_millis(400), Duration::from_millis(900)]),
    };
    let limits = match flavour {
        Flavour::Storm => [(6, 0.1, 1), (2, 0.1, 1)],
        _ => dice.pick(&[[(6, 1.0, 10), (2, 0.2, 10)], [(6, 1.0, 10), (2, 0.2, 10)], [(3, 0.5, 2), (2, 0.2, 2)]]),
    };
    let limits = limits.map(|(max_resends, ratio, per_second)| LanePlan { max_resends, ratio, per_second });
    let count = match flavour {
        Flavour::Storm => dice.between(80, 160),
        _ => dice.between(12, 40),
    };
    let last = if flavour == Flavour::Storm { 3_900 } else { 2_400 };
    // Requests come alone and in bursts.
    let mut at = 0;
    let mut requests = Vec::new();
    for _ in 0..count {
        if dice.percent(60) {
            at = dice.between(0, last);
        }
        requests.push(request(flavour, stack, resume, Duration::from_millis(at), dice));
    }
    let calm = (0..10).map(|n| RequestPlan {
        at: Duration::ZERO,
        method: [Method::Get, Method::Post, Method::Put][n % 3],
        body: if n % 3 == 0 { Shape::EMPTY } else { Shape::small(dice.size(0, 2_000)) },
        file: None,
        total: None,
    });
    let calm = calm.collect();
    ClientPlan {
        stack,
        server,
        resume,
        limits,
        retry_for: Duration::from_millis(dice.pick(&[2_000, 4_000])),
        per_try,
        own_goaway: dice.percent(20),
        max_age: dice.maybe(25, &[Duration::from_millis(700), Duration::from_millis(1_500)]),
        max_requests: dice.maybe(25, &[3, 8]),
        // What a peer refuses beyond a limit that nobody knew yet is paid for: a poor budget has nothing to spare for it.
        streams_before_settings: if limits[0].per_second < 10 { 1 } else { dice.pick(&[1, 1, 10]) },
        requests,
        calm,
    }
}

fn request(flavour: Flavour, stack: Stack, resume: bool, at: Duration, dice: &mut Dice) -> RequestPlan {
    let download = if flavour == Flavour::Downloads { 80 } else { 10 };
    let uploads = flavour == Flavour::Uploads;
    let file = dice.percent(download).then(|| dice.between(0, 19));
    let method = match dice.between(0, 99) {
        _ if file.is_some() => Method::Get,
        0..30 if !uploads => Method::Get,
        30..65 => Method::Post,
        _ => Method::Put,
    };
    let body = match method {
        Method::Get => Shape::EMPTY,
        _ if uploads => Shape {
            len: dice.size(200, REPLAY_LIMIT),
            parts: dice.size(3, 12),
            pause: dice.millis(5, 40),
            known: dice.percent(30),
        },
        _ if dice.percent(25) => Shape::EMPTY,
        _ if dice.percent(12) => Shape { known: dice.percent(50), parts: 8, ..Shape::small(3 * REPLAY_LIMIT) },
        _ => Shape {
            len: dice.size(1, REPLAY_LIMIT),
            parts: dice.size(1, 6),
            pause: if dice.percent(40) { dice.millis(1, 25) } else { Duration::ZERO },
            known: dice.percent(50),
        },
    };
    // Nothing else ends a request on a dead connection of HTTP/1.1, or a body that stalls on one that is well.
    let may_hang = matches!(stack, Stack::Legacy1 | Stack::Downgrade) || (file.is_some() && !resume);
    let total = if may_hang { Some(dice.millis(2_000, 4_000)) } else { None };
    let patience = if dice.percent(12) { Some(dice.millis(1, 400)) } else { None };
    RequestPlan { at, method, body, file, total: patience.or(total) }
}

fn faults(
    flavour: Flavour,
    servers: &[ServerPlan],
    clients: &[ClientPlan],
    end: Duration,
    dice: &mut Dice,
) -> Vec<(Duration, WorldFault)> {
    use WorldFault::{
        Bounce, Crash, Cut, Drain, GoAway, Hold, Latency, Partition, PartitionBack, PartitionThere, Release, Repair,
    };
    let mut faults = Vec::new();
    let end_ms = end.as_millis() as u64;
    if flavour == Flavour::Storm {
        // All servers are down for most of the time.
        for server in 0..servers.len() {
            let down = dice.millis(100, 1_000);
            faults.push((down, Crash(server)));
            faults.push((down + dice.millis(1_500, 2_500), Bounce(server)));
        }
    }
    for _ in 0..dice.between(1, 7) {
        let at = dice.millis(20, end_ms * 4 / 5);
        let back = (at + dice.millis(30, 1_500)).min(end);
        let client = dice.size(0, clients.len() - 1);
        let server = clients[client].server;
        let styles = [GoAwayStyle::TwoStep, GoAwayStyle::Final, GoAwayStyle::LowLast, GoAwayStyle::FinalUnanswered];
        let (fault, undone) = match dice.between(0, 10) {
            0 => (Crash(server), Some(Bounce(server))),
            1 => (Bounce(server), None),
            2 => (Partition(client, server), Some(Repair(client, server))),
            3 => (PartitionThere(client, server), Some(Repair(client, server))),
            4 => (PartitionBack(client, server), Some(Repair(client, server))),
            5 => (Hold(client, server), Some(Release(client, server))),
            6 => (Latency(client, server, dice.millis(30, 250)), Some(Latency(client, server, dice.millis(2, 20)))),
            7 | 8 => (GoAway(server, dice.pick(&styles)), None),
            9 => (Cut(server), None),
            _ => (Drain(client), None),
        };
        faults.push((at, fault));
        faults.extend(undone.map(|undone| (back, undone)));
    }
    // Whatever was done is undone.
    for (client, plan) in clients.iter().enumerate() {
        faults.push((end, Repair(client, plan.server)));
        faults.push((end, Release(client, plan.server)));
        faults.push((end, Latency(client, plan.server, Duration::from_millis(10))));
    }
    for server in 0..servers.len() {
        faults.push((end, Bounce(server)));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}
