//! Budgets: what keeps resends from becoming a storm.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use http::Uri;
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(test, redial_loom))]
mod models;

/// Origins share this many budgets. A fixed number needs no map, no lock over all origins, and no memory that a caller
/// with a million hosts could fill; two origins that meet in one budget share it, which is what a single budget for all
/// would do to every pair.
const SHARDS: usize = 64;

/// How long a deposit counts.
const TTL: Duration = Duration::from_secs(10);

/// About so many successes are one deposit: tower's budget takes a lock and looks at the clock for each.
const BATCH: u32 = 20;

/// One lane's budget.
#[derive(Clone)]
pub(super) enum Budgets {
    Unlimited,
    One(Arc<dyn Budget + Send + Sync>),
    PerOrigin(Arc<PerOrigin>),
}

impl Budgets {
    pub(super) fn per_origin(ratio: f32, min_per_second: u32) -> Self {
        Self::PerOrigin(Arc::new(PerOrigin {
            ratio: sane_ratio(ratio),
            min_per_second: min_per_second.min(1_000_000),
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| OnceLock::new()),
        }))
    }

    /// Whether both lanes draw on one and the same budget.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => Arc::ptr_eq(one, other),
            (Self::PerOrigin(one), Self::PerOrigin(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    pub(super) fn deposit(&self, uri: &Uri) {
        match self {
            Self::Unlimited => {}
            Self::One(budget) => budget.deposit(),
            Self::PerOrigin(budgets) => budgets.of(uri).deposit(),
        }
    }

    pub(super) fn withdraw(&self, uri: &Uri) -> bool {
        match self {
            Self::Unlimited => true,
            Self::One(budget) => budget.withdraw(),
            Self::PerOrigin(budgets) => budgets.of(uri).withdraw(),
        }
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("Unlimited"),
            Self::One(_) => f.write_str("One(..)"),
            Self::PerOrigin(budgets) => f
                .debug_struct("PerOrigin")
                .field("ratio", &budgets.ratio)
                .field("min_per_second", &budgets.min_per_second)
                .finish_non_exhaustive(),
        }
    }
}

/// A budget for each origin, made when the origin is first seen.
pub(super) struct PerOrigin {
    ratio: f32,
    min_per_second: u32,
    hasher: RandomState,
    shards: [OnceLock<OriginBudget>; SHARDS],
}

impl PerOrigin {
    fn of(&self, uri: &Uri) -> &OriginBudget {
        // A request without an authority goes to the one origin that its client was made for.
        let shard = uri.authority().map_or(0, |authority| {
            let mut hasher = self.hasher.build_hasher();
            hasher.write(authority.as_str().as_bytes());
            hasher.finish() as usize % SHARDS
        });
        self.shards[shard].get_or_init(|| OriginBudget::new(self.ratio, self.min_per_second))
    }
}

/// What may be spent in any case, and then a share of the successes.
struct OriginBudget {
    floor: Floor,
    /// Successes that are no deposit yet.
    loose: AtomicU32,
    /// How many successes are one deposit.
    batch: u32,
    /// How many of the loose ones one withdrawal takes; `None` where it is none that successes pay.
    price: Option<u32>,
    ratio: TpsBudget,
}

impl OriginBudget {
    fn new(ratio: f32, min_per_second: u32) -> Self {
        // `1e-6` is more than an `f32` is off: a fifth costs five. What is no 1/n costs less, as with tower.
        let price = (ratio > 0.0).then(|| (1.0 / ratio + 1e-6).max(1.0) as u32);
        let (batch, worth) = match price {
            Some(price @ 2..) => {
                // Whole withdrawals, so that nothing is rounded: tower divides 1,000 by them.
                let worth = [10, 8, 5, 4, 2].into_iter().find(|worth| worth * price <= BATCH).unwrap_or(1);
                (worth * price, worth as f32)
            }
            _ if ratio * BATCH as f32 <= MAX_RATIO => (BATCH, ratio * BATCH as f32),
            _ => (1, ratio),
        };
        Self {
            floor: Floor::new(min_per_second),
            loose: AtomicU32::new(0),
            batch,
            price,
            // Not with tower's own floor: in tower 0.5.3 (`retry/budget/tps_budget.rs`, `expire`) a window that ends
            // moves it on by two slots, so that what it grants for ten seconds comes back after five.
            ratio: TpsBudget::new(TTL, 0, worth),
        }
    }

    /// Takes a withdrawal's price from the successes that are no deposit yet.
    fn withdraw_loose(&self) -> bool {
        let Some(price) = self.price else { return false };
        let paid = |loose: u32| loose.checked_sub(price);
        self.loose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }
}

impl Budget for OriginBudget {
    fn deposit(&self) {
        if self.price.is_none() {
            return;
        }
        let loose = self.loose.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // Whoever takes them makes the deposit, and nobody else.
        let paid = |loose: u32| loose.checked_sub(self.batch);
        if loose >= self.batch && self.loose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok() {
            self.ratio.deposit();
        }
    }

    fn withdraw(&self) -> bool {
        self.floor.withdraw() || self.ratio.withdraw() || self.withdraw_loose()
    }
}

/// So many withdrawals a second, saved up for [`TTL`] at the most (the generic cell rate algorithm).
struct Floor {
    /// Nanoseconds that one withdrawal takes; `None` where there are none to be had.
    interval: Option<u64>,
    began: Instant,
    /// The nanosecond up to which all time is spent. It starts at one TTL, so that it can lie before the beginning.
    spent: AtomicU64,
}

impl Floor {
    fn new(per_second: u32) -> Self {
        let interval = 1_000_000_000_u64.checked_div(u64::from(per_second));
        Self { interval, began: Instant::now(), spent: AtomicU64::new(0) }
    }

    fn withdraw(&self) -> bool {
        self.withdraw_at(self.began.elapsed())
    }

    /// The same, so long after the beginning.
    fn withdraw_at(&self, elapsed: Duration) -> bool {
        let Some(interval) = self.interval else { return false };
        let saved_up = TTL.as_nanos() as u64;
        let now = saved_up.saturating_add(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        self.spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| {
                spent.max(now - saved_up).checked_add(interval).filter(|spent| *spent <= now)
            })
            .is_ok()
    }
}

/// What `TpsBudget::new` takes without a panic.
const MAX_RATIO: f32 = 1_000.0;

/// What `TpsBudget::new` takes without a panic, and without a quotient that it could not hold.
fn sane_ratio(ratio: f32) -> f32 {
    if ratio.is_nan() || ratio <= 0.0 { 0.0 } else { ratio.clamp(0.001, MAX_RATIO) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawals(budgets: &Budgets, uri: &Uri) -> usize {
        (0..10_000).take_while(|_| budgets.withdraw(uri)).count()
    }

    /// T10: one origin's trouble does not use up another's budget, but for the few that share one.
    #[tokio::test(start_paused = true)]
    async fn origins_have_budgets_of_their_own() {
        let budgets = Budgets::per_origin(0.2, 10);
        let uris: Vec<Uri> = (0..20).map(|n| format!("http://host-{n}/").parse().unwrap()).collect();
        assert_eq!(withdrawals(&budgets, &uris[0]), 100, "ten a second, kept for ten seconds");
        assert_eq!(withdrawals(&budgets, &uris[0]), 0);
        let untouched = uris[1..].iter().filter(|uri| budgets.withdraw(uri)).count();
        assert!(untouched >= 10, "{untouched} of 19 others still had their own");
    }

    /// T2: what an idle client may spend when it wakes is the floor; without one, nothing before a deposit.
    #[tokio::test(start_paused = true)]
    async fn without_a_floor_only_successes_pay() {
        let uri = Uri::from_static("http://host/");
        let budgets = Budgets::per_origin(0.2, 0);
        assert!(!budgets.withdraw(&uri));
        for _ in 0..5 {
            budgets.deposit(&uri);
        }
        assert_eq!(withdrawals(&budgets, &uri), 1);
    }

    /// Successes that are no deposit yet pay too, and each of them once.
    #[tokio::test(start_paused = true)]
    async fn each_success_pays_once() {
        let uri = Uri::from_static("http://host/");
        let fifth = [(0.2, 4, 0), (0.2, 5, 1), (0.2, 20 + 4, 4), (0.2, 20 + 5, 4 + 1)];
        let others = [(1.0, 15, 15), (1.0, 39, 39), (0.05, 19, 0), (0.05, 40, 2), (0.3, 15 + 2, 5), (2.0, 20, 40)];
        for (ratio, successes, paid) in fifth.into_iter().chain(others) {
            let budgets = Budgets::per_origin(ratio, 0);
            for _ in 0..successes {
                budgets.deposit(&uri);
            }
            assert_eq!(withdrawals(&budgets, &uri), paid, "{ratio} of {successes}");
        }
    }

    /// How many of a minute's withdrawals are granted, one each seven milliseconds.
    async fn granted_in_a_minute(withdraw: impl Fn() -> bool) -> usize {
        let began = Instant::now();
        let mut granted = 0;
        while began.elapsed() < Duration::from_secs(60) {
            granted += usize::from(withdraw());
            tokio::time::advance(Duration::from_millis(7)).await;
        }
        granted
    }

    #[tokio::test(start_paused = true)]
    #[cfg_attr(miri, ignore = "takes minutes there, and has one thread")]
    async fn the_floor_is_what_it_says() {
        let budgets = Budgets::per_origin(0.2, 10);
        let uri = Uri::from_static("http://host/");
        let granted = granted_in_a_minute(|| budgets.withdraw(&uri)).await;
        assert!((695..=701).contains(&granted), "{granted}");
    }

    /// Why the floor is not tower's. When this fails, it has been mended there, and ours can go.
    #[tokio::test(start_paused = true)]
    #[cfg_attr(miri, ignore = "takes minutes there, and has one thread")]
    async fn towers_floor_comes_back_too_early() {
        let budget = TpsBudget::new(TTL, 10, 0.2);
        let granted = granted_in_a_minute(|| budget.withdraw()).await;
        assert!(granted >= 1_000, "{granted}");
    }

    /// T9: however many ask at once, no more is granted than there is, and afterwards it comes back.
    #[test]
    fn the_floor_is_kept_across_threads() {
        // For miri a round takes milliseconds.
        const PER_SECOND: u32 = if cfg!(miri) { 20 } else { 2_000 };
        const SAVED_UP: usize = 10 * PER_SECOND as usize;
        let floor = Floor::new(PER_SECOND);
        let ask = || (0..SAVED_UP).filter(|_| floor.withdraw()).count();
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let earned = floor.began.elapsed().as_secs_f64() * f64::from(PER_SECOND);
        assert!(granted >= SAVED_UP && granted as f64 <= SAVED_UP as f64 + earned + 1.0, "{granted}");
        while !floor.withdraw() {
            std::thread::yield_now();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn they_say_what_they_are() {
        let one = Budgets::One(Arc::new(TpsBudget::default()));
        assert_eq!(format!("{:?} {one:?}", Budgets::Unlimited), "Unlimited One(..)");
        let shown = format!("{:?}", Budgets::per_origin(0.5, 7));
        assert_eq!(shown, "PerOrigin { ratio: 0.5, min_per_second: 7, .. }");
    }

    #[tokio::test(start_paused = true)]
    async fn no_setting_panics() {
        let uri = Uri::from_static("/no-authority");
        for ratio in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0, f32::MIN_POSITIVE, 1e-9, 0.3, 1e9] {
            for floor in [0, 1, u32::MAX] {
                let budgets = Budgets::per_origin(ratio, floor);
                budgets.deposit(&uri);
                let _ = budgets.withdraw(&uri);
            }
        }
    }
}
