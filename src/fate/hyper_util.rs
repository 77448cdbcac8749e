//! What the error of hyper-util's `legacy::Client` says.

use std::error::Error;

use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connected;

use super::evidence::{Evidence, Next, downcast};

pub(super) fn read<'a>(error: &'a (dyn Error + 'static), evidence: &mut Evidence) -> Option<Next<'a>> {
    let error = downcast::<legacy::Error>(error)?;
    // Connection info is attached only after a connection was checked out (hyper-util 0.1.21, `legacy/client.rs`,
    // `try_send_request`): without it no connection ever saw the request. The errors about the request itself have
    // neither info nor source.
    let unassigned = error.connect_info().is_none();
    evidence.on_connection |= !unassigned;
    if error.is_connect() || (unassigned && error.source().is_some()) {
        evidence.connect = true;
    } else if unassigned {
        evidence.request = true;
    }
    Some(Next::Source)
}

/// The connection that an error's request was on, as far as the error knows.
pub(crate) fn connect_info<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Connected> {
    super::sources(error).find_map(downcast::<legacy::Error>).and_then(legacy::Error::connect_info)
}
