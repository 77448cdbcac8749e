//! The bounds of an attack, and whether they were kept.

use std::time::Duration;

/// What an attack may cost at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Attempts for one request.
    pub(crate) attempts: u64,
    /// Connects for all of the load.
    pub(crate) connects: u64,
    /// How much more memory the process has in between, in KiB.
    pub(crate) peak: usize,
    /// How much more it has afterwards, with the client and an unread subscription of its events still there, in KiB.
    pub(crate) kept: usize,
    /// For one request from its beginning to its end.
    pub(crate) time: Duration,
    /// Polls of the connections and of the requests' futures.
    pub(crate) polls: u64,
    /// PINGs of ours.
    pub(crate) pings: u64,
    /// How often the head of one POST reaches the attacker: once, unless each time was provably of no effect.
    pub(crate) posts: u64,
    /// How many requests succeed, from this many to that many.
    pub(crate) succeed: (usize, usize),
    /// How many answers there are that are no success to the caller, but are to the budgets.
    pub(crate) answers: u64,
}

/// Those of an attack by which every request fails.
pub(crate) const BOUNDS: Bounds = Bounds {
    attempts: 3,
    connects: 20,
    peak: 1_024,
    kept: 256,
    time: Duration::from_secs(2),
    polls: 2_500,
    pings: 0,
    posts: 1,
    succeed: (0, 0),
    answers: 0,
};

/// What an attack cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) attempts: u64,
    pub(crate) connects: u64,
    pub(crate) peak: usize,
    pub(crate) kept: usize,
    pub(crate) time: Duration,
    pub(crate) polls: u64,
    pub(crate) pings: u64,
    pub(crate) posts: u64,
    pub(crate) succeeded: usize,
    /// All attempts together.
    pub(crate) all_attempts: u64,
    /// From the first request's beginning to the last one's end.
    pub(crate) all_time: Duration,
    pub(crate) requests: usize,
    /// Frames from the client, and frames from the attacker.
    pub(crate) frames: (u64, u64),
}

impl Bounds {
    /// Which of them were not kept.
    pub(crate) fn broken_by(&self, cost: &Cost) -> Vec<String> {
        let (least, most) = self.succeed;
        // No frame is answered with more than one, and an attempt takes a few of its own.
        let frames = cost.frames.1 + 24 * cost.all_attempts.max(cost.connects);
        // The first two resends after a graceful GOAWAY are free. There are two budgets: each has a tenth of a second's worth for
        // each second, saved up for ten, and its share of the successes.
        let paid =
            2.0 * (100.0 + 10.0 * cost.all_time.as_secs_f64()) + 1.2 * (cost.succeeded as u64 + self.answers) as f64;
        let all_attempts = 3 * cost.requests as u64 + paid.ceil() as u64;
        let checks = [
            ("attempts", cost.attempts <= self.attempts, format!("{} > {}", cost.attempts, self.attempts)),
            ("connects", cost.connects <= self.connects, format!("{} > {}", cost.connects, self.connects)),
            ("peak KiB", cost.peak <= self.peak, format!("{} > {}", cost.peak, self.peak)),
            ("kept KiB", cost.kept <= self.kept, format!("{} > {}", cost.kept, self.kept)),
            ("time", cost.time <= self.time, format!("{:?} > {:?}", cost.time, self.time)),
            ("polls", cost.polls <= self.polls, format!("{} > {}", cost.polls, self.polls)),
            ("PINGs", cost.pings <= self.pings, format!("{} > {}", cost.pings, self.pings)),
            ("one POST's heads", cost.posts <= self.posts, format!("{} > {}", cost.posts, self.posts)),
            ("all attempts", cost.all_attempts <= all_attempts, format!("{} > {all_attempts}", cost.all_attempts)),
            ("frames", cost.frames.0 <= frames, format!("{} > {frames}", cost.frames.0)),
            (
                "succeeded",
                (least..=most).contains(&cost.succeeded),
                format!("{} is not {least} to {most}", cost.succeeded),
            ),
        ];
        checks.into_iter().filter(|(_, kept, _)| !kept).map(|(what, _, how)| format!("{what}: {how}")).collect()
    }
}
