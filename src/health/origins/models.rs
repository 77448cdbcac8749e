//! Requests to origins of which nothing is known yet, where there is room for one.

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::*;
use crate::sync::model::{in_every_order, with_preemptions};

/// What is known of an origin: which of those that were made it is.
type Known = usize;

struct Map {
    origins: Origins<Known>,
    made: AtomicUsize,
}

impl Map {
    fn new() -> Arc<Self> {
        Arc::new(Self { origins: Origins::new(), made: AtomicUsize::new(0) })
    }

    fn get(&self, name: &str) -> Arc<Known> {
        self.origins.get(
            &origin(name),
            || self.made.fetch_add(1, Ordering::Relaxed),
            |known| Arc::strong_count(known) > 1,
        )
    }
}

fn origin(name: &str) -> Origin {
    Origin::of(&format!("http://{name}").parse().unwrap()).unwrap()
}

#[test]
fn an_origin_is_made_once() {
    in_every_order(|| {
        let map = Map::new();
        let other = thread::spawn({
            let map = Arc::clone(&map);
            move || map.get("one")
        });
        let mine = map.get("one");
        assert!(Arc::ptr_eq(&mine, &other.join().unwrap()));
        assert_eq!(map.made.load(Ordering::Relaxed), 1);
    });
}

/// As long as one request to an origin is under way, all others find what it has, whoever else wants its place.
#[test]
fn what_is_in_use_is_not_forgotten() {
    with_preemptions(3, || {
        let map = Map::new();
        drop(map.get("one"));
        let presses = thread::spawn({
            let map = Arc::clone(&map);
            move || *map.get("two")
        });
        let uses = thread::spawn({
            let map = Arc::clone(&map);
            move || map.origins.find(&origin("one"))
        });
        if let Some(mine) = map.origins.find(&origin("one")) {
            presses.join().unwrap();
            assert!(Arc::ptr_eq(&mine, &map.get("one")));
            assert!(uses.join().unwrap().is_some_and(|other| Arc::ptr_eq(&mine, &other)));
        } else {
            presses.join().unwrap();
            if let Some(known) = uses.join().unwrap() {
                assert_eq!(*known, 0);
            }
        }
        assert!(map.origins.all().len() <= ORIGINS_PER_SHARD);
    });
}
