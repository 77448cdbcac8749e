//! Questions that come up.
//!
//! # Why was my request not sent again?
//!
//! Ask [`on_retry`](crate::RetryOnCanceledLayer::on_retry), or the log: each decision against a resend has [a name](crate::retry::Stop).
//!
//! | it says | because | if you want it otherwise |
//! |---|---|---|
//! | `permanent` | another attempt would meet the same | [`errors`](super::errors) for what to mend |
//! | `not_idempotent` | the server may have processed it, and its method does not say that twice is like once | say so, if it is: an `Idempotency-Key`, [`Idempotent`](crate::retry::Idempotent), [`treatment`](crate::RetryOnCanceledLayer::treatment), [`idempotent_grpc_methods`](crate::RetryOnCanceledLayer::idempotent_grpc_methods) |
//! | `not_single_hop` | a redirect may lie in between | [`single_hop(true)`](crate::RetryOnCanceledLayer::single_hop), with a client that follows none |
//! | `body_used` | more of the body was taken than is kept | [`replay_limit`](crate::RetryOnCanceledLayer::replay_limit) |
//! | `max_resends`, `out_of_time`, `budget_exhausted` | that was enough | [`limits`](super::limits), [`layers`](super::layers#the-numbers-have-to-fit), [`budgets`](super::budgets) |
//! | `timeout` | a timeout proves nothing, not even trouble | [`resend_timeouts(true)`](crate::RetryOnCanceledLayer::resend_timeouts) |
//! | `nested` | a layer above resends it already | remove one of the two |
//! | `no_retry`, `observe_only` | you said so | |
//! | `not_ready`, `no_timer` | the client was of no more use; there was no tokio timer | |
//!
//! # Is it safe with POST?
//!
//! Yes: without a proof that it was not processed a POST is not sent again. That is the one promise which no setting but
//! [`trust_goaway`](crate::RetryOnCanceledLayer::trust_goaway) and your own word about a request can break.
//! It holds for servers that keep RFC 9113, sections 6.8 and 8.7, and for clients that send each request once and follow no redirects, which
//! `single_hop` is about.
//!
//! # Does it retry on 503?
//!
//! No. A response is a response. Such a layer goes [above](super::layers).
//!
//! # Does it help with HTTP/1.1?
//!
//! Yes. What came back unsent and what was lost there is told apart in the same way; only GOAWAY and refusals are HTTP/2's.
//!
//! # With HTTP/3?
//!
//! No. Errors of QUIC and h3 are unknown to it, so that nothing is resent after them.
//!
//! # Does the server see the same bytes?
//!
//! Yes: each attempt has the caller's own head, and the body from its beginning. `content-length` stays what it was. Only a gRPC call's
//! `grpc-timeout` and `grpc-previous-rpc-attempts` [change](crate::retry#grpc), and what goes over HTTP/1.1 has that version's [connection
//! fields](crate::downgrade#requests-that-need-http2).
//!
//! # My request carries a signature with a date
//!
//! Sign [below](super::layers) the layer: then each attempt is signed anew.
//!
//! # Do I need the socket half of `health`?
//!
//! Not for resends. Without it silent connections are found by your timeouts only, a GOAWAY when a request meets it, and streams above the server's
//! limit are refused instead of held back. Take it wherever the client has a connector that you can wrap.
//!
//! # Does it hedge, break circuits, or balance?
//!
//! No. Those are layers of their own, and [compose](super::layers).
//!
//! # What of WebSockets and CONNECT?
//!
//! They are resent only where they were not sent: what follows in a tunnel is no request.
//!
//! # Without tokio?
//!
//! Resends that need no wait work on any runtime; backoffs, timeouts and probes need tokio's timer ([`retry`](crate::retry#runtime)).
//!
//! # Can I take the error's text for it?
//!
//! No. Upstream changes texts at will. [`Failure::of`](crate::Failure::of) reads types, and has a test that fails when upstream's change.
//!
//! # How does this compare with what other languages have?
//!
//! `docs/comparison.md` in the repository, each cell with its source.
