//! Several that want the last of a budget.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::model::{in_every_order, with_preemptions};

/// Two withdrawals are saved up at the most.
fn floor() -> Arc<Floor> {
    let mut floor = Floor::new(1);
    floor.interval = Some(TTL.as_nanos() as u64 / 2);
    Arc::new(floor)
}

fn withdraw_in_a_thread(floor: &Arc<Floor>, elapsed: Duration) -> thread::JoinHandle<bool> {
    let floor = Arc::clone(floor);
    thread::spawn(move || floor.withdraw_at(elapsed))
}

/// T9: never more than there is, and never less.
#[test]
fn what_is_saved_up_is_spent_once() {
    with_preemptions(3, || {
        let floor = floor();
        let others = [(); 2].map(|()| withdraw_in_a_thread(&floor, Duration::ZERO));
        let mine = floor.withdraw_at(Duration::ZERO);
        let granted = others.map(|thread| thread.join().unwrap()).into_iter().filter(|granted| *granted).count();
        assert_eq!(granted + usize::from(mine), 2);
    });
}

/// Clocks that were read a little apart have both earned the same one.
#[test]
fn what_is_earned_meanwhile_is_spent_once() {
    in_every_order(|| {
        let floor = floor();
        assert!(floor.withdraw_at(Duration::ZERO) && floor.withdraw_at(Duration::ZERO));
        let later = withdraw_in_a_thread(&floor, TTL / 2 + Duration::from_nanos(1));
        let mine = floor.withdraw_at(TTL / 2);
        assert_ne!(mine, later.join().unwrap());
        assert!(!floor.withdraw_at(TTL / 2));
    });
}

/// Two successes are a deposit of two, whoever makes it, unless somebody has spent one of them before.
#[test]
fn each_success_pays_once() {
    in_every_order(|| {
        let budget = Arc::new(OriginBudget {
            floor: Floor::new(0),
            loose: AtomicU32::new(0),
            batch: 2,
            price: Some(1),
            ratio: TpsBudget::new(TTL, 0, 2.0),
        });
        let others = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.deposit())
        });
        let early = budget.withdraw_loose();
        others.into_iter().for_each(|thread| thread.join().unwrap());
        let late = (0..4).filter(|_| budget.ratio.withdraw() || budget.withdraw_loose()).count();
        assert_eq!(usize::from(early) + late, 2);
    });
}
