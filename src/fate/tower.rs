//! Timeouts made above the client, by tower's or tokio's hand.

use std::error::Error;

use super::evidence::{Evidence, Next};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        evidence.elapsed = true;
        return Some(Next::Source);
    }
    None
}
