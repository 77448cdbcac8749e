//! What is done to the connections, and under which load.

use std::time::Duration;

/// What happens while requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// A GOAWAY when so many requests have come on a connection.
    GoAway(u32),
    /// Whatever is beyond ten streams at a time is refused, which the server does not announce.
    Refusal,
    /// Each so many-th request takes its connection down, processed but unanswered. An odd number, so that it meets POSTs too.
    Cuts(u64),
    /// One connection falls silent and stays open.
    Silence,
    /// The server is reloaded again and again.
    Restarts,
    /// Nobody listens for a while.
    Outage,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Each of so many workers has its next request when it has its answer.
    Workers(usize),
    /// So many a second, whatever became of those before.
    Paced(u32),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) trouble: Trouble,
    pub(crate) load: Load,
    /// nginx, where it is installed.
    pub(crate) nginx: bool,
    /// Whether our layers are told what to expect: that the server may be away for as long as it is, or refuses many times in a row.
    /// They have their defaults otherwise.
    pub(crate) patient: bool,
}

/// How long things take in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Of a closed loop.
    pub(crate) closed: Duration,
    /// Before and after what happens in a paced row.
    pub(crate) around: Duration,
    /// Of the outage.
    pub(crate) outage: Duration,
    /// Between two reloads.
    pub(crate) reload: Duration,
}

pub(crate) const FULL: Times = Times {
    closed: Duration::from_millis(700),
    around: Duration::from_secs(2),
    outage: Duration::from_secs(10),
    reload: Duration::from_millis(200),
};

pub(crate) const QUICK: Times = Times {
    closed: Duration::from_millis(200),
    around: Duration::from_millis(500),
    outage: Duration::from_secs(1),
    reload: Duration::from_millis(100),
};

const WORKERS: Load = Load::Workers(16);
const MANY: Load = Load::Workers(64);
const RATE: u32 = 100;

impl Row {
    /// Every row: a fault-free one comes before those that are measured against it.
    pub(crate) fn all() -> Vec<Self> {
        let row = |trouble, load, nginx| Self { trouble, load, nginx, patient: false };
        let mut rows = vec![row(Trouble::Nothing, WORKERS, true)];
        rows.extend([10, 100, 1_000].map(|every| row(Trouble::GoAway(every), WORKERS, true)));
        rows.extend([
            row(Trouble::Restarts, WORKERS, true),
            row(Trouble::Nothing, WORKERS, false),
            row(Trouble::Cuts(499), WORKERS, false),
            row(Trouble::Nothing, MANY, false),
            row(Trouble::Refusal, MANY, false),
            row(Trouble::Silence, Load::Paced(RATE), false),
            row(Trouble::Outage, Load::Paced(RATE), false),
        ]);
        rows.extend([
            Self { patient: true, ..row(Trouble::Outage, Load::Paced(RATE), false) },
            Self { patient: true, ..row(Trouble::Refusal, MANY, false) },
        ]);
        rows
    }

    pub(crate) fn name(&self) -> String {
        match (self.trouble, self.load) {
            (Trouble::Nothing, Load::Workers(workers)) if self.nginx => format!("nothing, nginx, {workers} at a time"),
            (Trouble::Nothing, Load::Workers(workers)) => format!("nothing, {workers} at a time"),
            (Trouble::Nothing, Load::Paced(rate)) => format!("nothing, {rate} a second"),
            (Trouble::GoAway(every), _) => format!("GOAWAY every {every}"),
            (Trouble::Refusal, _) if self.patient => "refused beyond 10, 20 resends".to_owned(),
            (Trouble::Refusal, _) => "refused beyond 10".to_owned(),
            (Trouble::Cuts(every), _) => format!("cut every {every}"),
            (Trouble::Silence, _) => "one silent connection".to_owned(),
            (Trouble::Restarts, _) => "reloads".to_owned(),
            (Trouble::Outage, _) if self.patient => "outage, retry_for 15 s".to_owned(),
            (Trouble::Outage, _) => "outage, defaults".to_owned(),
        }
    }

    /// Whether this one is what the other, with its trouble, is measured against.
    pub(crate) fn is_reference_of(&self, other: &Self) -> bool {
        self.trouble == Trouble::Nothing && self.load == other.load && self.nginx == other.nginx
    }

    /// How long requests begin.
    pub(crate) fn window(&self, times: &Times) -> Duration {
        match self.trouble {
            Trouble::Outage => times.outage + 2 * times.around,
            Trouble::Silence => 4 * times.around,
            _ => times.closed,
        }
    }

    /// When a request counts as failed that has not ended.
    pub(crate) fn timeout(&self) -> Duration {
        match self.trouble {
            Trouble::Outage => Duration::from_secs(20),
            _ => Duration::from_secs(10),
        }
    }
}
