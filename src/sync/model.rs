//! How models are run.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Runs a model in every order that there is, or `LOOM_MAX_PREEMPTIONS` allows.
pub(crate) fn in_every_order(model: impl Fn() + Send + Sync + 'static) {
    run(&loom::model::Builder::new(), model);
}

/// Runs a model of many steps in every order in which a thread is stopped for another so many times at the most.
pub(crate) fn with_preemptions(most: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(most);
    run(&builder, model);
}

fn run(builder: &loom::model::Builder, model: impl Fn() + Send + Sync + 'static) {
    let orders = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{}: {orders} orders", std::thread::current().name().unwrap_or_default());
    // Or loom sees nothing of what is shared.
    assert!(orders > 1);
}

/// Waits as a task does: asked again only when its waker was woken. Where nobody will, the model fails of the deadlock.
pub(crate) fn wait<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    loom::future::block_on(poll_fn(poll))
}
