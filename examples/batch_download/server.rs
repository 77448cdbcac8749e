//! The built-in server, and all it does wrong.

use std::time::Duration;

use crate::support::tls::Identity;
use crate::support::{Cut, Fault, FaultyServer, GoAway, GoAwayStyle, files};

/// When it forgets an idle connection. More than any pause of a client that has something to download.
const FORGETS_AFTER: Duration = Duration::from_secs(1);

/// Where a body breaks, in bytes: within the smallest file.
const WITHIN: usize = files::SMALLEST * 3 / 4;

/// The size of the groups that the plan is made for.
const GROUP: usize = 4;

/// Starts it. It goes by how many requests have arrived, and knows no chance.
pub(crate) async fn start(files: usize, concurrency: usize, identity: Option<&Identity>) -> FaultyServer {
    let limit = u32::try_from(concurrency.saturating_sub(1).max(1)).unwrap_or(u32::MAX);
    // A connection takes a larger group down with it. If that came as often, the losses would outrun the layer's budget, and a
    // GOAWAY within each group would turn some requests away more often than they are resent.
    let stretch = u32::try_from(concurrency.div_ceil(GROUP)).unwrap_or(u32::MAX);
    let every = |requests: u32| requests.saturating_mul(stretch);
    let (fifth, cycle) = ((files as u64 / 5).max(1), u64::from(every(80)));
    let builder = FaultyServer::builder()
        .handler(files::serve(files))
        // Each connection is wound up after so many requests, in one of three ways, in the middle of a group.
        .goaway_in_turn([
            // What nginx and Envoy do.
            GoAway::every(every(30)),
            // With requests on the wire that it will not answer: those that arrive together with the last, and that one.
            GoAway::every(every(23)).style(GoAwayStyle::LowLast),
            // Without the warning that the first one gives.
            GoAway::every(every(26)).style(GoAwayStyle::Final),
        ])
        // One place less than a group needs, and no word of it.
        .announced_streams(250)
        .stream_limit(limit)
        .choose(move |_, nth| {
            if nth == fifth || nth == 3 * fifth {
                // On a connection that is well: no probe finds that.
                return Some(Fault::StallBody { after: WITHIN });
            }
            // Far enough from each other that none takes down what another has just let go of: the layer resends what was lost
            // twice. What else is open on the connection breaks with it.
            match nth % cycle {
                at if at == cycle / 4 => Some(Fault::CutBody { after: WITHIN, how: Cut::Fin }),
                // The server has acted on the request when it cuts the connection: for a GET that does not matter.
                at if at == cycle / 2 => Some(Fault::Cut { how: Cut::Fin, processed: true }),
                at if at == cycle * 3 / 4 => Some(Fault::CutBody { after: WITHIN, how: Cut::Rst }),
                _ => None,
            }
        })
        // One connection falls silent under its requests, as where a cable is pulled.
        .silent_once((files as u64 / 4).max(1))
        // What a NAT on the way does. Neither end is told.
        .forget_idle(FORGETS_AFTER);
    match identity {
        // HTTP/1.1 too, as nearly every server with TLS does: else ALPN would have nothing to choose.
        Some(identity) => builder.tls(identity.clone()).http1().start().await,
        None => builder.start().await,
    }
}
